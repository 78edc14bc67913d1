#include "trial/talk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <thread>

namespace ladon::trial {
namespace {

constexpr Duration kCommand = std::chrono::seconds(30);
// For what is under way when the talk ends.
constexpr Duration kPatience = std::chrono::seconds(8);
constexpr std::string_view kRemote = "remote test host";

}  // namespace

std::vector<TalkLine> parse_talk(const std::vector<std::string>& lines) {
  std::vector<TalkLine> all;
  for (const std::string& line : lines) {
    TalkLine one;
    char to[64] = {};
    unsigned long long sent = 0, received = 0;
    if (std::sscanf(line.c_str(), "period=%zu to=%63s sent=%llu received=%llu", &one.period, to, &sent,
                    &received) != 4)
      continue;
    one.to = to, one.sent = sent, one.received = received;
    all.push_back(std::move(one));
  }
  return all;
}

std::expected<Talk, std::string> Talk::start(const machine::Runner& runner,
                                             std::vector<RunningGuest*> guests) {
  Talk talk(std::move(guests));
  const machine::Rack& rack = runner.machine().rack();
  for (const RunningGuest* guest : talk.guests_) talk.names_.emplace_back(guest->address(), guest->name());
  for (const auto& nic : rack.nics)
    if (nic.wire.address) talk.names_.emplace_back(to_string(nic.wire.address->address), kRemote);
  for (RunningGuest* guest : talk.guests_) {
    const std::size_t nic = guest->nic();
    std::string command = fmt::format("talk {}", kEveryMs);
    for (const RunningGuest* peer : talk.guests_)
      if (peer != guest && peer->nic() == nic) command += fmt::format(" {}", peer->address());
    if (rack.nics[nic].wire.address)
      command += fmt::format(" {}", to_string(rack.nics[nic].wire.address->address));
    if (!guest->shell.start(command + " >/tmp/talk 2>&1 & echo $! >/tmp/talk.pid"))
      return std::unexpected(guest->name() + ": its shell is gone");
  }
  for (RunningGuest* guest : talk.guests_) (void)guest->shell.finish(kCommand);
  if (!talk.comes_true("grep -q ready /tmp/talk", std::chrono::seconds(20)))
    return std::unexpected("the guests do not reach one another before anything has happened");
  return talk;
}

bool Talk::everybody(const std::string& command) {
  bool done = true;
  for (RunningGuest* guest : guests_) done &= guest->shell.start(command).has_value();
  for (RunningGuest* guest : guests_) {
    const auto answer = guest->shell.finish(kCommand);
    done &= answer && answer->status == 0;
  }
  return done;
}

bool Talk::comes_true(const std::string& condition, Duration patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!everybody(condition)) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return true;
}

bool Talk::next_period() {
  return everybody("kill -USR1 $(cat /tmp/talk.pid)");
}

std::uint64_t Talk::Result::lost_in(std::size_t period) const {
  return period < lost.size() ? lost[period] : 0;
}

std::expected<Talk::Result, std::string> Talk::finish() {
  Result result;
  (void)everybody("kill -TERM $(cat /tmp/talk.pid)");
  constexpr std::string_view kEnded = "! kill -0 $(cat /tmp/talk.pid) 2>/dev/null";
  if (!comes_true(std::string(kEnded), kPatience)) {
    (void)everybody("kill -USR2 $(cat /tmp/talk.pid) 2>/dev/null");
    (void)comes_true(std::string(kEnded), kPatience);
  }
  for (RunningGuest* guest : guests_) {
    const auto answer = guest->shell.run("cat /tmp/talk", kCommand);
    const auto lines = answer ? parse_talk(answer->lines) : std::vector<TalkLine>{};
    if (lines.empty()) return std::unexpected(guest->name() + ": does not say what it has lost");
    for (const TalkLine& line : lines) {
      const auto known = std::ranges::find(names_, line.to, &std::pair<std::string, std::string>::first);
      const std::string to = known == names_.end() ? line.to : known->second;
      const auto is_pair = [&](const PairCount& pair) { return pair.from == guest->name() && pair.to == to; };
      auto pair = std::ranges::find_if(result.pairs, is_pair);
      if (pair == result.pairs.end()) pair = result.pairs.insert(pair, {guest->name(), to});
      pair->sent += line.sent, pair->received += line.received;
      if (result.lost.size() <= line.period) result.lost.resize(line.period + 1);
      result.lost[line.period] += line.sent - std::min(line.sent, line.received);
    }
  }
  return result;
}

}  // namespace ladon::trial
