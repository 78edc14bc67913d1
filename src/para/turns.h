// Whose turn it is to send outside, when there is not room for all: deficit round robin by bytes (Shreedhar
// and Varghese), in the form that lets a turn end with the frame that overdraws it and takes the debt along.
// Between any two guests that always have something to send, what they have sent differs by less than a
// quantum and two of the largest frames, whatever the sizes of their frames.
//
// While nobody waits, everybody sends as they come. The first who finds no room waits, and from then on
// everybody takes turns until nobody waits any more.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "para/address_table.h"

namespace ladon::para {

class Turns {
 public:
  // `quantum`: bytes of a turn, more than 0.
  explicit Turns(std::uint32_t quantum) : quantum_(quantum) {}

  // `guest` may send now. If not, it waits: its turn comes.
  [[nodiscard]] bool may(unsigned guest);
  // It has sent so much.
  void charge(unsigned guest, std::uint64_t bytes) {
    if (active_ == guest) credit_[guest] -= static_cast<std::int64_t>(bytes);
  }
  // It found no room.
  void wait(unsigned guest);
  // It has nothing to send any more.
  void leave(unsigned guest);
  [[nodiscard]] bool waiting() const { return count_ != 0; }
  [[nodiscard]] unsigned count() const { return count_; }
  [[nodiscard]] bool waits(unsigned guest) const { return (members_ >> guest & 1) != 0; }

  // The one whose turn it is; nullopt if nobody waits.
  [[nodiscard]] std::optional<unsigned> begin();
  enum class End : std::uint8_t {
    spent,    // its share, or as much of it as it gets at once: the next one's turn
    blocked,  // no room: it goes on when there is some
    idle,     // nothing more to send
  };
  // Ends what begin() began.
  void end(End how);

 private:
  void remove(unsigned guest);

  std::uint32_t quantum_;
  std::array<std::int64_t, kMaxGuests> credit_{};
  std::array<std::uint8_t, kMaxGuests> queue_{};  // those that wait, the first at head_
  unsigned head_ = 0, count_ = 0;
  std::uint64_t members_ = 0;       // bit g: guest g waits
  std::optional<unsigned> active_;  // begun, not ended
  bool continues_ = false;          // the first one's turn was interrupted: it gets no other quantum
};

}  // namespace ladon::para
