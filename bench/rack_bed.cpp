#include "rack_bed.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <stdexcept>

#include "machine/rack_fixture.h"

namespace ladon::bench {
namespace {

using machine::RunningRack;

constexpr std::array kDefences = {"acs", "mh_iommu", "ntb_lut", "ch_iommu", "interrupt_remapping", "ept"};

std::string rack_file(Layout layout, bool defences) {
  std::string yaml = "name: bench\ndefences: {";
  for (const char* defence : kDefences) yaml += fmt::format("{}: {}, ", defence, defences ? "on" : "off");
  yaml += "}\nnics:\n  - {name: nic0, vfs: 2}\nhosts:\n  - {name: mh, role: management";
  const auto guest = [](int i) {
    return fmt::format("{{name: vm{}, memory: 64MiB, vf: {{nic: nic0, index: {}}}}}", i, i);
  };
  if (layout == Layout::local) return yaml + fmt::format(", vms: [{}, {}]}}\n", guest(0), guest(1));
  return yaml +
         fmt::format(
             "}}\n  - {{name: ch1, role: compute, vms: [{}]}}\n  - {{name: ch2, role: compute, vms: [{}]}}\n",
             guest(0), guest(1));
}

class RackBed final : public Bed {
 public:
  RackBed(Layout layout, bool defences) : rack_(rack_file(layout, defences)) {
    if (!rack_.wait_assigned())
      throw std::runtime_error("the rack did not come up: " + rack_.management_error());
    for (std::size_t guest = 0; guest < 2; ++guest) {
      auto attached = machine::attach_synthetic_guest(rack_.machine(), guest);
      if (!attached) throw std::runtime_error(attached.error());
      memory_.push_back(std::move(*attached));
      registers_.push_back(std::make_unique<machine::SlotMmio>(rack_.machine(), guest));
    }
  }
  [[nodiscard]] Station station(unsigned index) override {
    return {*registers_[index],
            {Iova(0), {memory_[index].memory.mapped_or_null(), memory_[index].memory.size()}}};
  }
  // Whole rounds of the engine, as it runs live.
  void run() override {
    do {
      rack_.machine().run_once(Duration{0});
    } while (rack_.machine().nic(0).has_work());
  }
  [[nodiscard]] machine::Machine& machine() { return rack_.machine(); }

 private:
  RunningRack rack_;
  std::vector<machine::SyntheticGuest> memory_;
  std::vector<std::unique_ptr<machine::SlotMmio>> registers_;
};

constexpr std::uint64_t kSpread = 32ull << 20;  // addresses to resolve: 32 MiB of the guest's memory

void resolve_cold(benchmark::State& state, bool defences) {
  RackBed bed(Layout::across_hosts, defences);
  const auto tables = bed.machine().fabric().tables();
  pcie::Transaction dma = dma_transaction(bed.machine(), 0, Iova(0), 64, pcie::Access::write);
  std::uint64_t at = 0;
  for (auto _ : state) {
    at = (at + 4096) % kSpread;
    dma.address = Iova(at);
    benchmark::DoNotOptimize(fabric::resolve(*tables, dma));
  }
}

// What the NIC does when it knows the way: one look at what its port remembers, at the same addresses.
void resolve_cached(benchmark::State& state, bool defences) {
  RackBed bed(Layout::across_hosts, defences);
  machine::LivePort port({.index = 0, .function = nic::kFirstVfOffset});
  port.connect(bed.machine().live());
  std::uint64_t at = 0;
  std::array<std::byte, 64> bytes{};
  for (; at < kSpread; at += 4096)
    if (port.read(Iova(at), bytes, 0) != pcie::DmaStatus::done) state.SkipWithError("refused");
  for (auto _ : state) {
    at = (at + 4096) % kSpread;
    benchmark::DoNotOptimize(port.direct(Iova(at), 64, pcie::Access::write));
  }
}

}  // namespace

BedFactory rack_bed(Layout layout, bool defences) {
  return [=] { return std::make_unique<RackBed>(layout, defences); };
}

void register_resolution_benchmarks() {
  for (const bool defences : {true, false}) {
    const std::string suffix = defences ? "defences_on" : "defences_off";
    benchmark::RegisterBenchmark(("resolve/cold/" + suffix).c_str(),
                                 [=](benchmark::State& state) { resolve_cold(state, defences); });
    benchmark::RegisterBenchmark(("resolve/cached/" + suffix).c_str(),
                                 [=](benchmark::State& state) { resolve_cached(state, defences); });
  }
}

}  // namespace ladon::bench
