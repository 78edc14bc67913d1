#include "mailbox/correspondence.h"

#include "nic/mailbox.h"
#include "spec/ixgbevf.h"
#include "spec/pf.h"

namespace ladon::fuzz::mailbox {

namespace pf = spec::pf;
namespace vfr = spec::ixgbevf;
using mh::MailboxRefusal;

namespace {

nic::testing::RigOptions options(std::uint16_t vfs) {
  nic::testing::RigOptions made;
  made.vfs = made.nic.vfs = vfs;
  made.pf.vfs = vfs;
  made.memory_bytes = std::size_t{80} * 1024;
  made.driver.tx_size = made.driver.rx.size = 16;
  return made;
}

}  // namespace

mh::Grant Correspondence::grant(std::uint16_t vf) const {
  mh::Grant made;
  made.vf = vf;
  made.host = pcie::Domain{1};
  made.slot = static_cast<std::uint8_t>(vf);
  made.mac = client::PfResponder::mac_of(vf);
  made.trust = vf == kTrusted;
  if (vf == kVictim) made.vlan = 7;
  return made;
}

Correspondence::Correspondence(Input& input)
    : input_(input),
      rig_(options(kVfs)),
      bridge_(rig_.nic()),
      host_(bridge_),
      driver_(host_, NicBridge::place(kVfs), [this](auto wait) {
        rig_.nic().poll();
        rig_.clock().advance(wait);
      }) {
  rig_.wire().discard = true;
  require(driver_.start(false).has_value());
  for (std::uint16_t vf = 0; vf < kVfs; ++vf) require(driver_.enable(vf, grant(vf)).has_value());
  // The victim's driver is up and has heard its answers.
  for (const auto& message :
       std::vector<std::vector<std::uint32_t>>{{vfr::kMessageReset}, {vfr::kMessageApi, 4}}) {
    for (std::uint32_t i = 0; i < message.size(); ++i)
      vf_write(kVictim, vfr::kMailboxMemory + 4 * i, message[i]);
    vf_write(kVictim, vfr::kMailbox, vfr::kMailboxReq);
    service();
    vf_write(kVictim, vfr::kMailbox, vfr::kMailboxAck);
  }
  require((vf_read(kVictim, vfr::kMailboxMemory) & vfr::kMessageCts) != 0);
  victim_ = victim_state();
}

void Correspondence::act() {
  using Action = void (Correspondence::*)(Input&);
  static constexpr auto kActions = std::to_array<Action>(
      {&Correspondence::say, &Correspondence::write_word, &Correspondence::write_control,
       &Correspondence::read_control, &Correspondence::reset, &Correspondence::function_reset,
       &Correspondence::drive, &Correspondence::flood, &Correspondence::serve, &Correspondence::tick,
       &Correspondence::administer, &Correspondence::carrier, &Correspondence::advance});
  (this->*input_.of(kActions))(input_);
  require(victim_state() == victim_);
  check_policies();
}

// ---- accesses

std::uint32_t Correspondence::pf_read(std::uint16_t vf, std::uint32_t offset) {
  return rig_.pf_registers().read32(pf::kVf + vf * pf::kVfStride + offset);
}
std::uint32_t Correspondence::vf_read(std::uint16_t vf, std::uint32_t offset) {
  return rig_.registers(vf).read32(offset);
}
void Correspondence::vf_write(std::uint16_t vf, std::uint32_t offset, std::uint32_t value) {
  if (offset == vfr::kMailboxMemory) known_[vf].written = true;
  rig_.registers(vf).write32(offset, value);
}
bool Correspondence::pending(std::uint16_t vf) {
  return (pf_read(vf, pf::kVfMailboxControl) & pf::kMailboxRequest) != 0;
}
std::uint16_t Correspondence::guest(Input& input) {
  return input.flag() ? kTrusted : kPlain;
}

// REQ: taken, or counted; and never more than the rate permits.
void Correspondence::request(std::uint16_t vf) {
  const bool was_pending = pending(vf);
  const auto& drops = rig_.nic().drops(vf);
  const auto refused = [&] {
    return drops[nic::VfDrop::mailbox_busy] + drops[nic::VfDrop::mailbox_flood] +
           rig_.nic().former_drops(vf)[nic::VfDrop::register_unowned];
  };
  const std::uint64_t before = refused();
  vf_write(vf, vfr::kMailbox, vfr::kMailboxReq);
  const std::uint64_t counted = refused() - before;
  const bool taken = !was_pending && pending(vf);
  require(taken ? counted == 0 : counted == 1);
  if (taken) ++known_[vf].accepted;
  const auto elapsed = rig_.clock().now().time_since_epoch() / nic::Mailbox::kRefill;
  require(known_[vf].accepted <= nic::Mailbox::kBurst + static_cast<std::uint64_t>(elapsed) + 1);
}

// The driver looks at everything, and each message that waited is answered as it must be, or counted.
void Correspondence::service() {
  struct Waiting {
    std::uint16_t vf;
    std::uint32_t word;
    std::uint64_t refused;
  };
  std::vector<Waiting> all;
  const std::uint32_t resets = rig_.pf_registers().read32(pf::kFlrPending);
  for (std::uint16_t vf = 0; vf < kVfs; ++vf) {
    if ((resets >> vf & 1) != 0) known_[vf].cleared = false;
    if (!pending(vf)) continue;
    all.push_back({vf, pf_read(vf, pf::kVfMailboxMemory), driver_.refusals(vf).total()});
    static_cast<void>(vf_read(vf, vfr::kMailbox));  // what was said before is over
  }
  const bool asked = pending(kVictim);
  const bool link_changes = driver_.carrier() != ((rig_.pf_registers().read32(pf::kStatus) & 1) != 0);
  require(driver_.service().has_value());
  for (const Waiting& one : all) check_answer(one.vf, one.word, one.refused);
  if (!link_changes) return;
  // Who has read the last message is told, and the clear-to-send flag with it.
  if (!asked) require(vf_read(kVictim, vfr::kMailboxMemory) == (vfr::kMessagePfControl | vfr::kMessageCts));
  vf_write(kVictim, vfr::kMailbox, vfr::kMailboxAck);
  victim_ = victim_state();
}

void Correspondence::check_answer(std::uint16_t vf, std::uint32_t word, std::uint64_t refused_before) {
  Known& known = known_[vf];
  require(!pending(vf));
  const std::uint32_t control = rig_.registers(vf).read32(vfr::kMailbox);
  require((control & vfr::kMailboxPfAck) != 0);
  const std::uint64_t refused = driver_.refusals(vf).total() - refused_before;
  if ((control & vfr::kMailboxPfSts) == 0) {  // not even answered
    require(refused == 1);
    return;
  }
  const std::uint32_t answer = vf_read(vf, vfr::kMailboxMemory);
  known.written = false;
  const bool ack = (answer & vfr::kMessageAck) != 0, nack = (answer & vfr::kMessageNack) != 0;
  require(ack != nack);
  require((answer & 0xFFFF) == (word & 0xFFFF));
  if (word == vfr::kMessageReset && known.enabled) {
    require((answer & vfr::kMessageCts) == 0 && ack);
    const std::uint64_t mac = vf_read(vf, vfr::kMailboxMemory + 4) |
                              std::uint64_t{vf_read(vf, vfr::kMailboxMemory + 8) & 0xFFFF} << 32;
    require(mac == grant(vf).mac.bits());
    known.cleared = true;
    return;
  }
  if (!known.enabled || !known.cleared) require(nack);
  require(((answer & vfr::kMessageCts) != 0) == (known.enabled && known.cleared));
  // UPDATE_XCAST gives less than it was asked for and says so, as Linux does.
  if (nack) require(refused == 1);
}

// ---- what holds at any time

void Correspondence::check_policies() {
  for (std::uint16_t vf = 0; vf < kVfs; ++vf) {
    const bool trusted = vf == kTrusted;
    const std::uint32_t high = pf_read(vf, pf::kVfMacHigh);
    const MacAddress mac =
        MacAddress::from_bits(pf_read(vf, pf::kVfMacLow) | std::uint64_t{high & 0xFFFF} << 32);
    if (high >> 31 != 0) require(trusted ? !mac.is_multicast() && !mac.is_zero() : mac == grant(vf).mac);
    const std::uint32_t mode = pf_read(vf, pf::kVfReceiveMode);
    if (!trusted) require((mode & (pf::kReceivePromiscuous | pf::kReceiveAllMulticast)) == 0);
    require(pf_read(vf, pf::kVfMaxFrame) <= nic::kMaxFrame);
    // What the driver looks at first, and what it finds then.
    require((rig_.pf_registers().read32(pf::kMailboxPending) >> vf & 1) == (pending(vf) ? 1u : 0u));
    if (!known_[vf].enabled) require((pf_read(vf, pf::kVfControl) & pf::kVfEnable) == 0);
    // The clear-to-send flag stays where the driver's link check looks for it.
    if (known_[vf].cleared && known_[vf].enabled && !known_[vf].written && !pending(vf) &&
        (rig_.pf_registers().read32(pf::kFlrPending) >> vf & 1) == 0 &&
        vf_read(vf, vfr::kMailboxMemory) != (vfr::kMessageReset | vfr::kMessageAck))
      require((vf_read(vf, vfr::kMailboxMemory) & vfr::kMessageCts) != 0);
  }
  for (std::uint32_t i = 0; i < pf::kFilterCount; ++i) {
    const std::uint32_t filter =
        rig_.pf_registers().read32(pf::kFilters + i * pf::kFilterStride + pf::kFilterVf);
    if (filter >> 31 != 0) require((filter & 0x3F) == kTrusted);
  }
}

// All that the PF's registers and its own say of the victim, and its configuration space.
std::vector<std::uint32_t> Correspondence::victim_state() {
  std::vector<std::uint32_t> state;
  for (std::uint32_t offset = 0; offset < pf::kVfStride; offset += 4)
    state.push_back(pf_read(kVictim, offset));
  for (std::uint32_t i = 0; i < vfr::kMailboxWords; ++i)
    state.push_back(vf_read(kVictim, vfr::kMailboxMemory + 4 * i));
  for (std::uint16_t at = 0; at < 0x180; at = static_cast<std::uint16_t>(at + 4))
    state.push_back(rig_.function(kVictim).config_read(at, 4));
  state.push_back(static_cast<std::uint32_t>(driver_.refusals(kVictim).total()));
  return state;
}

// The victim asks for its link and is answered.
void Correspondence::check() {
  driver_.tick();
  vf_write(kVictim, vfr::kMailboxMemory, vfr::kMessageGetLinkState);
  request(kVictim);
  service();
  require(vf_read(kVictim, vfr::kMailboxMemory) ==
          (vfr::kMessageGetLinkState | vfr::kMessageAck | vfr::kMessageCts));
}

}  // namespace ladon::fuzz::mailbox
