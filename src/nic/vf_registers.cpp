// The virtual function's register block: BAR 0 as one table, and the MSI-X table in BAR 3.
#include <chrono>
#include <functional>

#include "base/register_map.h"
#include "nic/engine.h"
#include "nic/vf.h"
#include "spec/ixgbevf.h"

namespace ladon::nic {

namespace reg = spec::ixgbevf;

namespace {

// A member of `object`: a value, a function, or a function of the index.
template <auto Member, class Object>
std::uint32_t fetch(Object& object, std::uint32_t i) {
  if constexpr (std::is_invocable_v<decltype(Member), Object&, std::uint32_t>)
    return std::invoke(Member, object, i);
  else
    return std::invoke(Member, object);
}

template <auto Member, class Object>
void put(Object& object, std::uint32_t i, std::uint32_t value) {
  if constexpr (std::is_member_object_pointer_v<decltype(Member)>)
    object.*Member = value;
  else if constexpr (std::is_invocable_v<decltype(Member), Object&, std::uint32_t, std::uint32_t>)
    std::invoke(Member, object, i, value);
  else
    std::invoke(Member, object, value);
}

constexpr std::uint64_t kFcs = 4;  // octet counters include it (82599 Datasheet 8.2.3.23.27)

}  // namespace

template <auto Part, auto Member>
std::uint32_t Vf::get(std::uint32_t i) {
  return fetch<Member>(this->*Part, i);
}
template <auto Part, auto Member>
void Vf::set(std::uint32_t i, std::uint32_t value) {
  put<Member>(this->*Part, i, value);
}
template <auto Queues, auto Member>
std::uint32_t Vf::queue_get(std::uint32_t i) {
  return std::invoke(Member, *(this->*Queues)[i]);
}
template <auto Queues, auto Member>
void Vf::queue_set(std::uint32_t i, std::uint32_t value) {
  put<Member>(*(this->*Queues)[i], i, value);
}
template <auto Queues, auto Field, std::uint32_t Mask>
void Vf::ring_set(std::uint32_t i, std::uint32_t value) {
  (this->*Queues)[i]->ring.*Field = value & Mask;
}
template <auto Queues, auto Field>
std::uint32_t Vf::ring_get(std::uint32_t i) {
  return (this->*Queues)[i]->ring.*Field;
}
template <auto Field, unsigned Shift>
std::uint32_t Vf::statistic(std::uint32_t) {
  const auto value = std::invoke(Field, statistics_) >> Shift;
  return static_cast<std::uint32_t>(Shift == 0 ? value : value & 0xF);  // octet counters have 36 bits
}

struct Vf::Map {
  static std::uint64_t received_octets(const VfStatistics& s) {
    return s.received_bytes + kFcs * s.received_packets;
  }
  static std::uint64_t sent_octets(const VfStatistics& s) { return s.sent_bytes + kFcs * s.sent_packets; }

  // A queue's ring registers, the same for both directions.
  template <auto Queues>
  static consteval std::array<Register<Vf>, 6> ring(std::uint32_t base) {
    using Ring = RingRegisters;
    constexpr std::uint32_t n = reg::kQueues, step = reg::kQueueStride;
    using Queue =
        typename std::remove_reference_t<decltype(std::declval<Vf&>().*Queues)>::value_type::element_type;
    return {{
        {base + reg::kBaseLow, n, step, "RDBAL/TDBAL", &Vf::ring_get<Queues, &Ring::base_low>,
         &Vf::ring_set<Queues, &Ring::base_low, Ring::kBaseMask>},
        {base + reg::kBaseHigh, n, step, "RDBAH/TDBAH", &Vf::ring_get<Queues, &Ring::base_high>,
         &Vf::ring_set<Queues, &Ring::base_high>},
        {base + reg::kLength, n, step, "RDLEN/TDLEN", &Vf::ring_get<Queues, &Ring::length>,
         &Vf::ring_set<Queues, &Ring::length, Ring::kLengthMask>},
        {base + reg::kHead, n, step, "RDH/TDH", &Vf::queue_get<Queues, &Queue::head>,
         &Vf::queue_set<Queues, &Queue::set_head>},
        {base + reg::kTail, n, step, "RDT/TDT", &Vf::queue_get<Queues, &Queue::tail>,
         &Vf::queue_set<Queues, &Queue::set_tail>},
        {base + reg::kQueueControl, n, step, "RXDCTL/TXDCTL", &Vf::queue_get<Queues, &Queue::control>,
         &Vf::queue_set<Queues, &Queue::set_control>},
    }};
  }

  static consteval auto interrupt_block() {
    return std::to_array<Register<Vf>>({
        {reg::kEicr, 1, 4, "VTEICR", &Vf::get<&Vf::interrupts_, &Interrupts::read_cause>,
         &Vf::set<&Vf::interrupts_, &Interrupts::clear_causes>},
        {reg::kEics, 1, 4, "VTEICS", nullptr, &Vf::set<&Vf::interrupts_, &Interrupts::set_causes>},
        {reg::kEims, 1, 4, "VTEIMS", &Vf::get<&Vf::interrupts_, &Interrupts::mask>,
         &Vf::set<&Vf::interrupts_, &Interrupts::enable>},
        {reg::kEimc, 1, 4, "VTEIMC", nullptr, &Vf::set<&Vf::interrupts_, &Interrupts::disable>},
        {reg::kEiac, 1, 4, "VTEIAC", &Vf::get<&Vf::interrupts_, &Interrupts::auto_clear>,
         &Vf::set<&Vf::interrupts_, &Interrupts::auto_clear>},
        {reg::kEiam, 1, 4, "VTEIAM", &Vf::get<&Vf::interrupts_, &Interrupts::auto_mask>,
         &Vf::set<&Vf::interrupts_, &Interrupts::auto_mask>},
        {reg::kIvar, 4, 4, "VTIVAR", &Vf::get<&Vf::interrupts_, &Interrupts::ivar>,
         &Vf::set<&Vf::interrupts_, &Interrupts::set_ivar>},
        {reg::kIvarMisc, 1, 4, "VTIVAR_MISC", &Vf::get<&Vf::interrupts_, &Interrupts::ivar_misc>,
         &Vf::set<&Vf::interrupts_, &Interrupts::set_ivar_misc>},
        {reg::kEitr, reg::kVectors, 4, "VTEITR", &Vf::get<&Vf::interrupts_, &Interrupts::throttle>,
         &Vf::set<&Vf::interrupts_, &Interrupts::set_throttle>},
        {reg::kRscInt, reg::kVectors, 4, "VTRSCINT"},
    });
  }

  static consteval auto function_block() {
    return std::to_array<Register<Vf>>({
        {reg::kControl, 1, 4, "VFCTRL", nullptr, &Vf::write_control},
        {reg::kStatus, 1, 4, "VFSTATUS"},
        {reg::kLinks, 1, 4, "VFLINKS", &Vf::read_links},
        {reg::kFreeTimer, 1, 4, "VFFRTIMER", &Vf::read_free_timer},
        {reg::kRxMemWrap, 1, 4, "VFRXMEMWRAP"},
        {reg::kMailboxMemory, reg::kMailboxWords, 4, "VFMBMEM", &Vf::get<&Vf::mailbox_, &Mailbox::word>,
         &Vf::set<&Vf::mailbox_, &Mailbox::set_word>},
        {reg::kMailbox, 1, 4, "VFMAILBOX", &Vf::get<&Vf::mailbox_, &Mailbox::read_control>,
         &Vf::write_mailbox_control},
        {reg::kPsrType, 1, 4, "VFPSRTYPE", &Vf::read_split_types, &Vf::write_split_types},
        {reg::kMrqc, 1, 4, "VFMRQC", &Vf::get<&Vf::rss_, &Rss::types>, &Vf::set<&Vf::rss_, &Rss::set_types>},
        {reg::kRssKey, 10, 4, "VFRSSRK", &Vf::get<&Vf::rss_, &Rss::key_word>,
         &Vf::set<&Vf::rss_, &Rss::set_key_word>},
        {reg::kPageTable, 2 * reg::kPageExtents, 4, "PAGE_TABLE", &Vf::read_page_table,
         &Vf::refuse_page_table},
        {reg::kReta, 16, 4, "VFRETA", &Vf::get<&Vf::rss_, &Rss::table_word>,
         &Vf::set<&Vf::rss_, &Rss::set_table_word>},
    });
  }

  static consteval auto queue_block() {
    constexpr std::uint32_t n = reg::kQueues, step = reg::kQueueStride;
    return std::to_array<Register<Vf>>({
        {reg::kRx + reg::kDca, n, step, "VFDCA_RXCTRL", &Vf::ring_get<&Vf::rx_, &RingRegisters::dca>,
         &Vf::ring_set<&Vf::rx_, &RingRegisters::dca>},
        {reg::kTx + reg::kDca, n, step, "VFDCA_TXCTRL", &Vf::ring_get<&Vf::tx_, &RingRegisters::dca>,
         &Vf::ring_set<&Vf::tx_, &RingRegisters::dca>},
        {reg::kRx + reg::kSrrctl, n, step, "VFSRRCTL", &Vf::queue_get<&Vf::rx_, &RxQueue::buffer_control>,
         &Vf::queue_set<&Vf::rx_, &RxQueue::set_buffer_control>},
        {reg::kRx + reg::kRscControl, n, step, "VFRSCCTL", &Vf::queue_get<&Vf::rx_, &RxQueue::coalescing>,
         &Vf::queue_set<&Vf::rx_, &RxQueue::coalescing>},
        {reg::kTx + reg::kHeadWriteBackLow, n, step, "VFTDWBAL",
         &Vf::queue_get<&Vf::tx_, &TxQueue::head_write_back_low>,
         &Vf::queue_set<&Vf::tx_, &TxQueue::head_write_back_low>},
        {reg::kTx + reg::kHeadWriteBackHigh, n, step, "VFTDWBAH",
         &Vf::queue_get<&Vf::tx_, &TxQueue::head_write_back_high>,
         &Vf::queue_set<&Vf::tx_, &TxQueue::head_write_back_high>},
        {reg::kGoodPacketsReceived, 1, 4, "VFGPRC", &Vf::statistic<&VfStatistics::received_packets, 0>},
        {reg::kGoodOctetsReceivedLow, 1, 4, "VFGORC_LSB", &Vf::statistic<&received_octets, 0>},
        {reg::kGoodOctetsReceivedHigh, 1, 4, "VFGORC_MSB", &Vf::statistic<&received_octets, 32>},
        {reg::kMulticastReceived, 1, 4, "VFMPRC", &Vf::statistic<&VfStatistics::received_multicast, 0>},
        {reg::kGoodPacketsSent, 1, 4, "VFGPTC", &Vf::statistic<&VfStatistics::sent_packets, 0>},
        {reg::kGoodOctetsSentLow, 1, 4, "VFGOTC_LSB", &Vf::statistic<&sent_octets, 0>},
        {reg::kGoodOctetsSentHigh, 1, 4, "VFGOTC_MSB", &Vf::statistic<&sent_octets, 32>},
    });
  }

  template <std::size_t... Sizes>
  static consteval auto joined(const std::array<Register<Vf>, Sizes>&... blocks) {
    std::array<Register<Vf>, (Sizes + ...)> all;
    std::size_t at = 0;
    const auto append = [&](const auto& block) {
      for (const auto& entry : block) all[at++] = entry;
    };
    (append(blocks), ...);
    return all;
  }
};

struct Vf::Table {
  static constexpr auto kRegisters = make_register_map<Vf, reg::kBarSize>(
      Map::joined(Map::function_block(), Map::interrupt_block(), Map::ring<&Vf::rx_>(reg::kRx),
                  Map::ring<&Vf::tx_>(reg::kTx), Map::queue_block()));
};

// ---- accesses

std::uint64_t Vf::register_read(std::uint8_t bar, std::uint64_t offset, unsigned width) {
  return split_read(offset, width, [&](std::uint64_t word) { return read_register(bar, word); });
}

void Vf::register_write(std::uint8_t bar, std::uint64_t offset, unsigned width, std::uint64_t value) {
  if (engine_.defer([=, this] { register_write(bar, offset, width, value); })) return;
  // Narrower writes than a register change nothing: no driver of this device makes them.
  (void)split_write(offset, width, value,
                    [&](std::uint64_t word, std::uint32_t part) { write_register(bar, word, part); });
  engine_.settle();
}

std::uint32_t Vf::read_register(std::uint8_t bar, std::uint64_t offset) {
  if (bar == reg::kRegisterBar) return Table::kRegisters.read(*this, offset);
  if (bar != reg::kMsixBar) return 0;
  return offset < reg::kMsixPendingOffset ? msix_.read_table(offset)
                                          : msix_.read_pending(offset - reg::kMsixPendingOffset);
}

void Vf::write_register(std::uint8_t bar, std::uint64_t offset, std::uint32_t value) {
  // From its scrub until it is enabled again nobody owns it: what a former owner still writes must not count.
  if (scrub_wanted_ || scrubbed_) return cleared_.drops.add(VfDrop::register_unowned);
  if (bar == reg::kRegisterBar) {
    Table::kRegisters.write(*this, offset, value);
    if (interrupts_.due()) engine_.touch(index_);
  } else if (bar == reg::kMsixBar && offset < reg::kMsixPendingOffset) {
    msix_.write_table(offset, value, port_);
  }
}

void Vf::write_control(std::uint32_t, std::uint32_t value) {
  if ((value & reg::kControlReset) != 0) reset();
}

std::uint32_t Vf::read_page_table(std::uint32_t word) {
  return engine_.page_tables().word(index_, word);
}

std::uint32_t Vf::read_links(std::uint32_t) {
  return link_up() ? reg::kLinkUp | reg::kLinkSpeed10G : 0;
}

// Microseconds [9:0], milliseconds [19:10], seconds [31:20] (82599 Datasheet 8.2.3.1.11, FRTIMER).
std::uint32_t Vf::read_free_timer(std::uint32_t) {
  using std::chrono::microseconds;
  const auto now = static_cast<std::uint64_t>(
      std::chrono::floor<microseconds>(engine_.clock().now()).time_since_epoch().count());
  return static_cast<std::uint32_t>(now % 1000 | now / 1000 % 1000 << 10 | now / 1'000'000 << 20);
}

void Vf::write_mailbox_control(std::uint32_t, std::uint32_t value) {
  switch (mailbox_.write_control(value, engine_.clock().now())) {
    case Mailbox::Sent::request:
      return engine_.mailbox_request(index_);
    case Mailbox::Sent::busy:
      return drop(VfDrop::mailbox_busy);
    case Mailbox::Sent::flood:
      drop(VfDrop::mailbox_flood);
      return fault(VfFault::mailbox_flood);
    case Mailbox::Sent::acknowledge:
    case Mailbox::Sent::nothing:
      return;
  }
}

}  // namespace ladon::nic
