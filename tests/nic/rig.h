// A NIC on a bench: every function enabled, a stretch of plain memory behind each, a driver on each virtual
// function, the PF's software answering, and a wire that tests hold in their hands.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/time.h"
#include "base/wire.h"
#include "client/function_mmio.h"
#include "client/memory_port.h"
#include "client/pf_responder.h"
#include "client/vf_driver.h"
#include "nic/nic.h"

namespace ladon::nic::testing {

// Frames wait here in both directions.
class BenchWire final : public Wire {
 public:
  bool send(ConstBytes frame) override {
    if (!up || full) return false;
    if (discard)
      ++discarded;
    else
      sent.emplace_back(frame.begin(), frame.end());
    return true;
  }
  std::size_t receive(Bytes into) override {
    if (repeats != 0) {
      --repeats;
      std::ranges::copy(repeated, into.begin());
      return repeated.size();
    }
    if (arriving.empty()) return 0;
    const std::vector<std::byte> frame = std::move(arriving.front());
    arriving.pop_front();
    if (frame.size() > into.size()) return 0;
    std::ranges::copy(frame, into.begin());
    return frame.size();
  }
  [[nodiscard]] bool carrier() const override { return up; }

  std::deque<std::vector<std::byte>> sent, arriving;
  std::vector<std::byte> repeated;  // arrives `repeats` times
  std::size_t repeats = 0;
  bool up = true, full = false, discard = false;
  std::uint64_t discarded = 0;
};

struct RigOptions {
  std::uint16_t vfs = 2;
  NicOptions nic = {};
  client::PfOptions pf = {};
  client::VfOptions driver = {};
  std::size_t memory_bytes = std::size_t{4} * 1024 * 1024;  // of each function
};

// One function's memory: every function sees its own at the same address, so that a mistaken neighbour's
// access would be seen.
class FunctionMemory {
 public:
  static constexpr std::uint64_t kBase = 0x1'0000'0000;
  explicit FunctionMemory(std::size_t bytes)
      : bytes_(std::make_unique<std::byte[]>(bytes + kAlignment)), size_(bytes) {}
  [[nodiscard]] client::GuestMemory memory() {
    void* start = bytes_.get();
    std::size_t space = size_ + kAlignment;
    return {Iova(kBase), {static_cast<std::byte*>(std::align(kAlignment, size_, start, space)), size_}};
  }

 private:
  static constexpr std::size_t kAlignment = 4096;
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_;
};

class Rig {
 public:
  explicit Rig(const RigOptions& options = {})
      : memories_(make_memories(options)), ports_(make_ports()), nic_(make_nic(options)) {
    pcie::Function& pf = *nic_.function(0);
    client::enable_function(pf);
    if (!client::enable_vfs(pf, options.vfs)) throw std::logic_error("the PF has no SR-IOV capability");
    pf_registers_ = std::make_unique<client::FunctionMmio>(pf);
    client::PfOptions software = options.pf;
    software.vfs = options.vfs;
    responder_ = std::make_unique<client::PfResponder>(*pf_registers_, software);
    responder_->bring_up();
    for (std::uint16_t vf = 0; vf < options.vfs; ++vf) {
      client::enable_function(function(vf));
      registers_.push_back(std::make_unique<client::FunctionMmio>(function(vf), [this] { settle(); }));
      drivers_.push_back(std::make_unique<client::VfDriver>(*registers_.back(), memories_[vf + 1u]->memory(),
                                                            options.driver));
    }
  }

  // Lets device and software work until neither has anything left to do, within reason.
  void settle() {
    for (int i = 0; i < 64; ++i) {
      const bool more = nic_.poll();
      if (!responder_->poll() && !more) return;
    }
  }

  [[nodiscard]] Nic& nic() { return nic_; }
  [[nodiscard]] BenchWire& wire() { return wire_; }
  [[nodiscard]] ManualClock& clock() { return clock_; }
  [[nodiscard]] client::PfResponder& software() { return *responder_; }
  [[nodiscard]] client::Mmio& pf_registers() { return *pf_registers_; }
  [[nodiscard]] pcie::Function& function(std::uint16_t vf) {
    return *nic_.function(static_cast<std::uint16_t>(kFirstVfOffset + kVfStride * vf));
  }
  [[nodiscard]] client::Mmio& registers(std::uint16_t vf) { return *registers_[vf]; }
  [[nodiscard]] client::VfDriver& driver(std::uint16_t vf) { return *drivers_[vf]; }
  [[nodiscard]] client::MemoryPort& port(std::uint16_t vf) { return *ports_[vf + 1u]; }
  [[nodiscard]] client::MemoryPort& pf_port() { return *ports_[0]; }
  [[nodiscard]] client::GuestMemory memory(std::uint16_t vf) { return memories_[vf + 1u]->memory(); }

 private:
  using Memories = std::vector<std::unique_ptr<FunctionMemory>>;
  using Ports = std::vector<std::unique_ptr<client::MemoryPort>>;

  // The PF's memory and port are index 0.
  static Memories make_memories(const RigOptions& options) {
    Memories memories;
    for (std::uint16_t i = 0; i <= options.nic.vfs; ++i)
      memories.push_back(std::make_unique<FunctionMemory>(i <= options.vfs ? options.memory_bytes : 4096));
    return memories;
  }
  Ports make_ports() {
    Ports ports;
    for (const auto& memory : memories_)
      ports.push_back(std::make_unique<client::MemoryPort>(memory->memory()));
    return ports;
  }
  Nic make_nic(const RigOptions& options) {
    std::vector<pcie::DmaPort*> ports;
    for (const auto& port : ports_) ports.push_back(port.get());
    return Nic(options.nic, clock_, wire_, ports);
  }

  ManualClock clock_;
  BenchWire wire_;
  Memories memories_;
  Ports ports_;
  Nic nic_;
  std::unique_ptr<client::FunctionMmio> pf_registers_;
  std::unique_ptr<client::PfResponder> responder_;
  std::vector<std::unique_ptr<client::FunctionMmio>> registers_;
  std::vector<std::unique_ptr<client::VfDriver>> drivers_;
};

}  // namespace ladon::nic::testing
