#include "para/address_table.h"

namespace ladon::para {

bool AddressTable::insert(std::uint64_t station, unsigned guest) {
  if (count_ == kMaxGuests) return false;
  std::size_t at = slot_of(station);
  while (slots_[at].station != 0) {
    if (slots_[at].station == station) return false;
    at = (at + 1) % kSlots;
  }
  slots_[at] = {station, guest};
  ++count_;
  return true;
}

void AddressTable::erase(std::uint64_t station) {
  // What lies behind it may have been displaced by it: all are placed anew.
  const auto before = slots_;
  slots_ = {};
  count_ = 0;
  for (const Slot& slot : before)
    if (slot.station != 0 && slot.station != station) static_cast<void>(insert(slot.station, slot.guest));
}

}  // namespace ladon::para
