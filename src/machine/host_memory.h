// The bytes of one domain's DRAM: which file's bytes are at which physical address. The host's own memory is
// a file of ours; a guest's memory is the guest's file, plugged in while it is pinned.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "base/memory_file.h"
#include "host/messages.h"

namespace ladon::machine {

class HostMemory {
 public:
  // Where an owner's memory goes: its first file that fits exactly. Nobody else's is placed there.
  using Reservations = std::map<std::uint32_t, Range<BusAddr>>;

  // Whether there are bytes behind guests' memory, or only addresses: for a rack that is looked at and never
  // runs, which then needs no file for each of its guests.
  enum class Guests : std::uint8_t { bytes, addresses };

  // `own` is the host's own memory; guests' memory is placed in `guests`. Throws std::system_error if the
  // kernel gives no memory.
  HostMemory(Range<BusAddr> own, Range<BusAddr> guests, Reservations reserved = {},
             Guests kept = Guests::bytes);

  struct NewPin {
    host::Pinned pinned;
    Range<BusAddr> range;  // of the piece of memory that it lies in
    bool fresh = false;    // that piece was not there before
  };
  // See host::PinMemory. The descriptor is duplicated, unless only addresses are kept.
  std::expected<NewPin, host::Error> pin(const host::PinMemory& request);
  // The range that goes away; nullopt if there is no such pin or another pin still uses it. The bytes stay
  // reachable until drop(), so that a quiescent point can lie between.
  struct Leaving {
    bool known = false;
    std::optional<Range<BusAddr>> range;
  };
  Leaving unpin(host::Pin pin);
  void drop(Range<BusAddr> range);

  // What lies at an address: a file, the offset in it, and how many bytes follow in the same file.
  struct Place {
    MemoryFile* file = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t left = 0;
    Range<BusAddr> range = Range<BusAddr>::everything();  // of the whole piece
  };
  [[nodiscard]] std::optional<Place> find(BusAddr at);

  // Whole or nothing is not promised: an error may come after some bytes.
  bool read(BusAddr at, Bytes into);
  bool write(BusAddr at, ConstBytes from);

  [[nodiscard]] Range<BusAddr> own() const { return own_; }

 private:
  struct Piece {
    Range<BusAddr> range;
    std::shared_ptr<MemoryFile> file;       // null: addresses alone
    MemoryFile::Description description{};  // of the file
    std::uint64_t file_offset = 0;
    std::optional<std::uint32_t> owner;  // nullopt: the host itself
    unsigned users = 1;
    bool whole_file = false;  // placed by us, shared by all pins of that file
  };
  [[nodiscard]] static bool same_file(const Piece& piece, const host::PinMemory& request,
                                      const MemoryFile::Description& description);
  // The file behind a pin: one that its owner has pinned already, or a new one; nullptr if there is no room
  // for it.
  [[nodiscard]] std::shared_ptr<MemoryFile> file_of(const host::PinMemory& request,
                                                    const MemoryFile::Description& description);
  [[nodiscard]] std::optional<Range<BusAddr>> free_range(std::uint64_t length, std::uint32_t owner) const;
  [[nodiscard]] bool is_free(Range<BusAddr> range) const;

  Range<BusAddr> own_, guests_;
  Reservations reserved_;
  Guests kept_;
  std::map<BusAddr, Piece> pieces_;  // by first address
  std::map<host::Pin, BusAddr> pins_;
  std::uint32_t next_pin_ = 1;
};

}  // namespace ladon::machine
