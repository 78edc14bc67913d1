// A whole rack in the caller's thread, in milliseconds: the emulated hardware, the real management software,
// a synthetic guest in every place of a rack file. No QEMU, no privileges, no sockets. Time stands still
// unless the rack is told to run.
//
//   auto rack = Rack::from_text(yaml).value();
//   auto vm = rack.guest("vm-a");
//   const Fault lost = rack.lose_entry("vm-a", Way::completion);      // in force until it goes
//   EXPECT_EQ(vm.dma(0x1000, Access::read).verdict, "missing");
//
// A guest that is not there, or a fault that its rack cannot have, is the test's mistake:
// std::invalid_argument. One rack belongs to one thread; several racks may be in several.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "testkit/fault.h"
#include "testkit/guest.h"
#include "testkit/path.h"

namespace ladon::testkit {

// An access that was made.
struct Transaction {
  std::string who;  // "VF 1 of nic0 (vm-a)", "vm-a", "cpu of ch1", "PF of nic0"
  Access access{};
  std::uint64_t address = 0;  // as it was emitted
  std::uint32_t length = 0;   // bytes
  bool refused = false;
  std::string outcome;  // as Path::outcome
};

// Which entry of a look-up table is lost.
enum class Way : std::uint8_t {
  request,     // the VF's own: its requests miss
  completion,  // the completer's, the other way: writes arrive and reads never return
};

class Rack {
 public:
  // doc/rack-file.md. The error is what is wrong with the file, or why the rack did not come up.
  [[nodiscard]] static std::expected<Rack, std::string> from_text(std::string_view yaml);
  [[nodiscard]] static std::expected<Rack, std::string> from_file(const std::string& path);

  [[nodiscard]] std::vector<std::string> guests() const;  // with a VF, in the order of the file
  [[nodiscard]] Guest guest(std::string_view name);

  // ---- it moves: hardware and management software take so many turns
  void run(unsigned turns = 64);
  // Until `done`, at most so many turns; whether it is.
  [[nodiscard]] bool run_until(const std::function<bool()>& done, unsigned turns = 20'000);
  void advance(std::chrono::nanoseconds by);

  // ---- the wires of its NICs, by number in the file
  void inject(std::size_t nic, std::span<const std::byte> frame);
  [[nodiscard]] std::vector<Frame> take_sent();  // all wires', since the last call

  // ---- scripted faults
  [[nodiscard]] Fault lose_entry(std::string_view guest, Way way);
  [[nodiscard]] Fault take_link_down(std::string_view host);  // of the NTB that leads to it
  // Reads and writes of the guest's VF are under way until the fault is mended, at most 256 turns while
  // somebody waits.
  [[nodiscard]] Fault delay_completions(std::string_view guest);
  [[nodiscard]] Fault lose_interrupts(std::string_view guest);

  // ---- what happened
  void record(bool on);  // accesses from now on, at most the first 65,536
  [[nodiscard]] std::vector<Transaction> take_transactions();
  // What can be reached and was not granted, or was granted and cannot be reached, as sentences. Empty:
  // isolated.
  [[nodiscard]] std::vector<std::string> audit() const;

 private:
  explicit Rack(std::shared_ptr<class RackParts> parts) : parts_(std::move(parts)) {}
  std::shared_ptr<class RackParts> parts_;
};

}  // namespace ladon::testkit
