#include "base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <mutex>

namespace ladon {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      return spdlog::level::off;
  }
  return spdlog::level::off;
}

LogLevel from_spdlog(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return LogLevel::debug;
  if (level == spdlog::level::info) return LogLevel::info;
  return level == spdlog::level::warn ? LogLevel::warning : LogLevel::error;
}

class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(Log::Sink function) : function_(std::move(function)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    function_(from_spdlog(message.level), {message.payload.data(), message.payload.size()});
  }
  void flush_() override {}

 private:
  Log::Sink function_;
};

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view text) {
  constexpr std::pair<std::string_view, LogLevel> kNames[] = {{"debug", LogLevel::debug},
                                                              {"info", LogLevel::info},
                                                              {"warning", LogLevel::warning},
                                                              {"error", LogLevel::error},
                                                              {"off", LogLevel::off}};
  for (const auto& [name, level] : kNames)
    if (text == name) return level;
  return std::nullopt;
}

Log Log::to_stderr(LogLevel level) {
  auto logger =
      std::make_shared<spdlog::logger>("ladon", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_pattern("%n: %^%l%$: %v");
  logger->set_level(to_spdlog(level));
  return Log(std::move(logger));
}

Log Log::to(Sink sink, LogLevel level) {
  auto logger = std::make_shared<spdlog::logger>("ladon", std::make_shared<FunctionSink>(std::move(sink)));
  logger->set_level(to_spdlog(level));
  return Log(std::move(logger));
}

Log Log::silent() {
  return to([](LogLevel, std::string_view) {}, LogLevel::off);
}

bool Log::enabled(LogLevel level) const {
  return level != LogLevel::off && logger_->should_log(to_spdlog(level));
}

void Log::write_line(LogLevel level, std::string_view message) const {
  logger_->log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
}

std::optional<std::uint64_t> LogRateLimit::allow() {
  const Instant now = clock_.now();
  if (!interval_start_ || now - *interval_start_ >= interval_) {
    interval_start_ = now;
    used_ = 0;
  }
  if (used_ >= burst_) {
    ++left_out_;
    return std::nullopt;
  }
  ++used_;
  return std::exchange(left_out_, 0);
}

}  // namespace ladon
