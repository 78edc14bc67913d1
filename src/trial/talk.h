// Traffic of guests that have nothing to do with an attack: each sends all the others, and the remote test
// host of its NIC, numbered echo requests all the while, and every one that is not answered is counted.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "trial/guests.h"

namespace ladon::trial {

struct PairCount {
  std::string from, to;
  std::uint64_t sent = 0, received = 0;
  bool operator==(const PairCount&) const = default;
};

class Talk {
 public:
  // So often does each guest send to each.
  static constexpr unsigned kEveryMs = 50;

  // Starts, and waits until everybody has answered everybody. The error is a sentence.
  [[nodiscard]] static std::expected<Talk, std::string> start(const machine::Runner& runner,
                                                              std::vector<RunningGuest*> guests);
  // A new period begins, one a thing of which one wants to know the losses; at most 63.
  [[nodiscard]] bool next_period();
  struct Result {
    std::vector<PairCount> pairs;     // of all periods together
    std::vector<std::uint64_t> lost;  // by period
    [[nodiscard]] std::uint64_t lost_in(std::size_t period) const;
  };
  // Ends it; what is under way is waited for.
  [[nodiscard]] std::expected<Result, std::string> finish();

 private:
  explicit Talk(std::vector<RunningGuest*> guests) : guests_(std::move(guests)) {}
  // The command succeeds in every guest; does so in time.
  [[nodiscard]] bool everybody(const std::string& command);
  [[nodiscard]] bool comes_true(const std::string& condition, Duration patience);

  std::vector<RunningGuest*> guests_;
  std::vector<std::pair<std::string, std::string>> names_;  // address, name
};

// What guest/talk.c prints, added up: by period, and by address.
struct TalkLine {
  std::size_t period = 0;
  std::string to;
  std::uint64_t sent = 0, received = 0;
};
[[nodiscard]] std::vector<TalkLine> parse_talk(const std::vector<std::string>& lines);

}  // namespace ladon::trial
