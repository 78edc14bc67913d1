#include "mh/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "mh/json.h"

namespace ladon::mh {

namespace {

std::expected<std::string, std::string> read_all(int fd) {
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(std::string(std::strerror(errno)));
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

template <class T>
T or_throw(std::expected<T, std::string> value) {
  if (!value) throw std::out_of_range(value.error());
  return std::move(*value);
}

void forget(Remembered& known) {
  known = Remembered{.epoch = known.epoch,
                     .inventory = {},
                     .plan = {},
                     .pending = {},
                     .spaces = {},
                     .quarantined = {},
                     .settled = false};
}

void finish(Remembered& known, std::optional<host::IoDomain> created) {
  if (!known.pending) return;
  const Action action = *std::exchange(known.pending, std::nullopt);
  follow(known.plan, action);
  if (const auto* create = std::get_if<CreateSpace>(&action); create && created)
    known.spaces[create->space] = *created;
  if (const auto* destroy = std::get_if<DestroySpace>(&action)) known.spaces.erase(destroy->space);
  if (const auto* enable = std::get_if<EnableVf>(&action)) known.quarantined.erase(enable->vf);
}

std::expected<void, std::string> follow_line(Remembered& known, std::string_view line) {
  const auto followed = parse<std::monostate>(line, [&known](const Json& json) {
    if (json.contains("epoch")) {
      known.epoch = host::Epoch{get<std::uint64_t>(json, "epoch")};
    } else if (json.contains("start_over")) {
      forget(known);
    } else if (json.contains("inventory")) {
      known.inventory = or_throw(inventory_from_json(json.at("inventory").dump()));
    } else if (json.contains("begin")) {
      known.pending = or_throw(action_from_json(json.at("begin").dump()));
    } else if (json.contains("end")) {
      finish(known, json.contains("space") ? std::optional(host::IoDomain{get<std::uint32_t>(json, "space")})
                                           : std::nullopt);
    } else if (json.contains("quarantine")) {
      const Json& vf = json.at("quarantine");
      known.quarantined.insert({vf.at(0).get<std::uint16_t>(), vf.at(1).get<std::uint16_t>()});
    } else if (json.contains("recover")) {
      const Json& vf = json.at("recover");
      known.quarantined.erase({vf.at(0).get<std::uint16_t>(), vf.at(1).get<std::uint16_t>()});
    } else if (json.contains("change")) {
      known.settled = false;
    } else if (json.contains("settled")) {
      known.settled = true;
    } else {
      throw std::out_of_range("not a line of a journal");
    }
    return std::monostate{};
  });
  if (!followed) return std::unexpected(followed.error());
  return {};
}

// The whole lines of the file. What follows the last of them was cut off, and announced a step that was not
// done.
std::expected<JournalReading, std::string> replay(int fd, const std::string& path) {
  const auto text = read_all(fd);
  if (!text) return std::unexpected(path + ": " + text.error());
  JournalReading reading;
  std::size_t start = 0, number_of_line = 1;
  for (std::size_t end = 0; (end = text->find('\n', start)) != std::string::npos; start = end + 1) {
    const auto line = std::string_view(*text).substr(start, end - start);
    if (const auto done = follow_line(reading.remembered, line); !done)
      return std::unexpected(path + ":" + std::to_string(number_of_line) + ": " + done.error());
    ++number_of_line;
  }
  reading.whole_lines = start;
  reading.length = text->size();
  return reading;
}

}  // namespace

std::expected<JournalReading, std::string> read_journal(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return std::unexpected(path + ": " + std::strerror(errno));
  return replay(file.get(), path);
}

std::uint64_t journal_length(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::expected<std::unique_ptr<Journal>, std::string> Journal::open(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!file) return std::unexpected(path + ": " + std::strerror(errno));
  // Lasts as long as the descriptor, so a process that was killed holds nothing.
  if (::flock(file.get(), LOCK_EX | LOCK_NB) < 0)
    return std::unexpected(path + ": another management host holds this journal");
  auto reading = replay(file.get(), path);
  if (!reading) return std::unexpected(reading.error());
  if (::ftruncate(file.get(), static_cast<off_t>(reading->whole_lines)) < 0)
    return std::unexpected(path + ": " + std::strerror(errno));
  std::unique_ptr<Journal> journal(new Journal(std::move(file)));
  journal->remembered_ = std::move(reading->remembered);
  return journal;
}

bool Journal::append(const std::string& line) {
  const std::string whole = line + "\n";
  std::size_t written = 0;
  while (written < whole.size()) {
    const ssize_t done = ::write(file_.get(), whole.data() + written, whole.size() - written);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return false;
    written += static_cast<std::size_t>(done);
  }
  return ::fdatasync(file_.get()) == 0;
}

bool Journal::start_over() {
  if (!append(R"({"start_over":true})")) return false;
  forget(remembered_);
  return true;
}

bool Journal::take_over(host::Epoch epoch) {
  if (!append(Json{{"epoch", number(epoch)}}.dump())) return false;
  remembered_.epoch = epoch;
  return true;
}

bool Journal::note(const Inventory& inventory) {
  if (!append("{\"inventory\":" + to_json(inventory) + "}")) return false;
  remembered_.inventory = inventory;
  return true;
}

bool Journal::begin(const Action& action) {
  if (!append("{\"begin\":" + to_json(action) + "}")) return false;
  remembered_.pending = action;
  return true;
}

bool Journal::end(std::optional<host::IoDomain> created) {
  Json json{{"end", true}};
  if (created) json["space"] = number(*created);
  if (!append(json.dump())) return false;
  finish(remembered_, created);
  return true;
}

bool Journal::quarantine(VfId vf) {
  if (!append(Json{{"quarantine", {vf.nic, vf.vf}}}.dump())) return false;
  remembered_.quarantined.insert(vf);
  return true;
}

bool Journal::recover(VfId vf) {
  if (!append(Json{{"recover", {vf.nic, vf.vf}}}.dump())) return false;
  remembered_.quarantined.erase(vf);
  return true;
}

bool Journal::begin_change() {
  if (!append(R"({"change":true})")) return false;
  remembered_.settled = false;
  return true;
}

bool Journal::settle() {
  if (!append(R"({"settled":true})")) return false;
  remembered_.settled = true;
  return true;
}

}  // namespace ladon::mh
