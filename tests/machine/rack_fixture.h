// A rack in the caller's own thread, its management host's software in another, and native clients in the
// guests' places.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "client/frames.h"
#include "client/vf_driver.h"
#include "console/client.h"
#include "machine/machine.h"
#include "machine/management.h"
#include "machine/run_directory.h"
#include "machine/synthetic_guest.h"
#include "machine/two_hosts.h"
#include "spec/ixgbevf.h"

namespace ladon::machine {

// The registers of a guest's VF, as its QEMU would reach them.
class SlotMmio final : public client::Mmio {
 public:
  SlotMmio(Machine& machine, std::size_t guest) : machine_(machine), slot_(*machine.guests()[guest].slot) {}

  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) override {
    std::uint32_t value = 0;
    (void)slot_.region_read(spec::ixgbevf::kRegisterBar, offset,
                            std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  void write32(std::uint32_t offset, std::uint32_t value) override {
    (void)slot_.region_write(spec::ixgbevf::kRegisterBar, offset, std::as_bytes(std::span(&value, 1)));
  }
  void pause() override { machine_.run_once(std::chrono::milliseconds(1)); }

 private:
  Machine& machine_;
  GuestSlot& slot_;
};

struct ClientGuest {
  SyntheticGuest memory;
  SlotMmio registers;
  client::VfDriver driver;

  // The driver has the first `reach` bytes of the guest's memory.
  ClientGuest(Machine& machine, std::size_t guest, SyntheticGuest attached, const client::VfOptions& options,
              std::uint64_t reach = ~std::uint64_t{0})
      : memory(std::move(attached)),
        registers(machine, guest),
        driver(registers, {Iova(0), all().first(std::min<std::size_t>(reach, memory.memory.size()))},
               options) {}
  [[nodiscard]] Bytes all() const { return {memory.memory.mapped_or_null(), memory.memory.size()}; }
};

// How often each side looks for what interrupts should have told it.
struct LookEvery {
  Duration parts = std::chrono::milliseconds(100), management = std::chrono::seconds(1);
  Duration flush = iommu::FlushQueue::kTimeout;
};

class RunningRack {
 public:
  explicit RunningRack(const std::string& yaml, const LookEvery& look = {}) : look_(look) {
    auto parsed = parse_rack(yaml, "test.yaml");
    if (!parsed) throw std::invalid_argument(to_string(parsed.error().front()));
    auto directory = RunDirectory::create();
    if (!directory) throw std::runtime_error(directory.error());
    directory_ = std::make_unique<RunDirectory>(std::move(*directory));
    auto wires = make_wires(*parsed, clock_, Log::silent());
    if (!wires) throw std::runtime_error(wires.error());
    auto machine =
        Machine::build(*parsed, std::move(*wires),
                       {.directory = directory_->path(), .poll_every = look.parts, .flush_after = look.flush},
                       clock_, Log::silent());
    if (!machine) throw std::runtime_error(machine.error());
    machine_ = std::move(*machine);
    (void)write_intent(intent_of(*parsed), directory_->path() + "/intent.json");
    start_management();
  }
  ~RunningRack() { stop_management(); }

  void start_management() {
    stop_ = false;
    ended_ = false;
    management_ = std::thread([this] {
      const auto served = run_management({.socket = machine_->management_socket(),
                                          .intent = directory_->path() + "/intent.json",
                                          .journal = directory_->path() + "/journal",
                                          .control = control(),
                                          .look_every = look_.management},
                                         Log::silent(), stop_);
      if (!served) management_error_ = served.error();
      ended_ = true;
    });
  }
  void stop_management() {
    stop_ = true;
    while (management_.joinable() && machine_->managed()) machine_->run_once(std::chrono::milliseconds(1));
    if (management_.joinable()) management_.join();
  }

  // Runs the machine until `done` or about five seconds of rounds have passed.
  template <class Done>
  [[nodiscard]] bool run_until(Done done) {
    for (int round = 0; round < 5000; ++round) {
      if (done()) return true;
      machine_->run_once(std::chrono::milliseconds(1));
    }
    return false;
  }
  [[nodiscard]] bool wait_assigned() {
    return run_until([&] { return machine_->all_assigned(); });
  }
  // A guest with a driver that has probed and opened its rings.
  [[nodiscard]] std::unique_ptr<ClientGuest> client(std::size_t guest, const client::VfOptions& options = {},
                                                    std::uint64_t reach = ~std::uint64_t{0}) {
    auto attached = attach_synthetic_guest(*machine_, guest);
    if (!attached) throw std::runtime_error(attached.error());
    auto made = std::make_unique<ClientGuest>(*machine_, guest, std::move(*attached), options, reach);
    if (auto probed = made->driver.probe(); !probed) throw std::runtime_error("the driver's probe failed");
    if (auto opened = made->driver.open(); !opened) throw std::runtime_error("the driver's open failed");
    return made;
  }

  [[nodiscard]] Machine& machine() { return *machine_; }
  // What the management host's program answers; a predecessor's socket is nobody's, so it is asked until one
  // does.
  [[nodiscard]] std::expected<console::Json, std::string> ask(const console::Json& request) {
    const auto once = [&](const console::Json& asked) {
      auto answer = std::async(std::launch::async, [&] { return console::ask(control(), asked); });
      while (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready)
        machine_->run_once(std::chrono::milliseconds(1));
      return answer.get();
    };
    while (management_error_.empty() && !once({{"verb", "help"}})) {
    }
    return once(request);
  }
  [[nodiscard]] std::string intent() const { return directory_->path() + "/intent.json"; }
  [[nodiscard]] std::string control() const { return directory_->path() + "/mh.sock"; }
  [[nodiscard]] std::string journal() const { return directory_->path() + "/journal"; }
  // Good once the program has ended, or is known not to end by itself.
  [[nodiscard]] const std::string& management_error() const { return management_error_; }
  [[nodiscard]] bool management_ended() const { return ended_; }

 private:
  SteadyClock clock_;
  LookEvery look_;
  std::unique_ptr<RunDirectory> directory_;
  std::unique_ptr<Machine> machine_;
  std::thread management_;
  std::atomic<bool> stop_{false}, ended_{false};
  std::string management_error_;
};

// Every guest of the rack to every other, and nothing is refused on the way.
inline void expect_all_talk(RunningRack& rack) {
  ASSERT_TRUE(rack.wait_assigned()) << rack.management_error();
  std::vector<std::unique_ptr<ClientGuest>> guests;
  for (std::size_t i = 0; i < rack.machine().guests().size(); ++i) guests.push_back(rack.client(i));
  for (auto& from : guests)
    for (auto& to : guests) {
      if (from == to) continue;
      const auto bytes =
          client::make_frame({.destination = to->driver.mac(), .source = from->driver.mac(), .payload = 600});
      ASSERT_TRUE(from->driver.tx().send(bytes));
      std::optional<client::ReceivedFrame> got;
      EXPECT_TRUE(rack.run_until([&] { return (got = to->driver.rx().receive()).has_value(); }));
      EXPECT_EQ(got.value_or(client::ReceivedFrame{}).bytes, bytes);
    }
  EXPECT_EQ(rack.machine().fabric().refusals().total(), 0u);
}

}  // namespace ladon::machine
