// Messages to the person who runs the program. A log is handed in like a clock: no global logger. Every
// message is one line; what a guest wrote is made printable before it gets here or by `printable`.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/time.h"

namespace spdlog {
class logger;
}

namespace ladon {

enum class LogLevel : std::uint8_t { debug, info, warning, error, off };
// "debug", "info", "warning", "error", "off".
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view text);

// Cheap to copy; copies share the sink. Safe to use from several threads.
class Log {
 public:
  using Sink = std::function<void(LogLevel, std::string_view message)>;

  // Lines "ladon: warning: ..." on stderr, coloured if that is a terminal.
  [[nodiscard]] static Log to_stderr(LogLevel level = LogLevel::info);
  // For tests; `sink` is called under a lock.
  [[nodiscard]] static Log to(Sink sink, LogLevel level = LogLevel::debug);
  [[nodiscard]] static Log silent();

  [[nodiscard]] bool enabled(LogLevel level) const;

  template <class... Args>
  void debug(fmt::format_string<Args...> text, Args&&... args) const {
    write(LogLevel::debug, text, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> text, Args&&... args) const {
    write(LogLevel::info, text, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warning(fmt::format_string<Args...> text, Args&&... args) const {
    write(LogLevel::warning, text, std::forward<Args>(args)...);
  }
  template <class... Args>
  void error(fmt::format_string<Args...> text, Args&&... args) const {
    write(LogLevel::error, text, std::forward<Args>(args)...);
  }
  void write_line(LogLevel level, std::string_view message) const;

 private:
  explicit Log(std::shared_ptr<spdlog::logger> logger) : logger_(std::move(logger)) {}
  template <class... Args>
  void write(LogLevel level, fmt::format_string<Args...> text, Args&&... args) const {
    if (enabled(level)) write_line(level, fmt::format(text, std::forward<Args>(args)...));
  }
  std::shared_ptr<spdlog::logger> logger_;
};

// At most `burst` messages an interval, so that a guest that misbehaves a million times a second cannot fill
// a disk. Not shared between threads.
class LogRateLimit {
 public:
  LogRateLimit(const Clock& clock, std::uint32_t burst, Duration interval)
      : clock_(clock), burst_(burst), interval_(interval) {}

  // Nullopt: say nothing. Otherwise the number of messages left out since the last one that was let through.
  [[nodiscard]] std::optional<std::uint64_t> allow();

 private:
  const Clock& clock_;
  std::uint32_t burst_;
  Duration interval_;
  std::optional<Instant> interval_start_;
  std::uint32_t used_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace ladon
