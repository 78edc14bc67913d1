#include "rack_bed.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <stdexcept>

namespace ladon::bench {
namespace {

constexpr std::array kDefences = {"acs", "mh_iommu", "ntb_lut", "ch_iommu", "interrupt_remapping", "ept"};

unsigned stations(const RackBedOptions& options) {
  return options.neighbour ? 3 : 2;
}

std::string rack_file(const RackBedOptions& options) {
  std::string yaml = "name: bench\ndefences: {";
  for (const char* defence : kDefences)
    yaml += fmt::format("{}: {}, ", defence, options.defences ? "on" : "off");
  yaml += fmt::format("}}\nnics:\n  - {{name: nic0, vfs: {}}}\nhosts:\n  - {{name: mh, role: management",
                      stations(options));
  const auto guest = [](int i) {
    return fmt::format("{{name: vm{}, memory: 64MiB, vf: {{nic: nic0, index: {}}}}}", i, i);
  };
  const std::string neighbour = options.neighbour ? ", " + guest(2) : "";
  if (options.layout == Layout::local)
    return yaml + fmt::format(", vms: [{}, {}{}]}}\n", guest(0), guest(1), neighbour);
  return yaml + fmt::format(
                    "}}\n  - {{name: ch1, role: compute, vms: [{}{}]}}\n  - {{name: ch2, role: compute, vms: "
                    "[{}]}}\n",
                    guest(0), neighbour, guest(1));
}

// Guests are numbered as they are placed, stations by their function.
std::size_t guest_of(const machine::Machine& machine, unsigned function) {
  for (std::size_t guest = 0; guest < machine.guests().size(); ++guest)
    if (machine.guests()[guest].placed.guest->vf->index == function) return guest;
  throw std::logic_error("there is no such station");
}

constexpr std::uint64_t kSpread = 32ull << 20;  // addresses to resolve: 32 MiB of the guest's memory

void resolve_cold(benchmark::State& state, bool defences) {
  RackBed bed({.layout = Layout::across_hosts, .defences = defences});
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
  RackBed bed({.layout = Layout::across_hosts, .defences = defences});
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

RackBed::RackBed(const RackBedOptions& options) : rack_(rack_file(options)) {
  if (!rack_.wait_assigned())
    throw std::runtime_error("the rack did not come up: " + rack_.management_error());
  for (unsigned station = 0; station < stations(options); ++station) {
    guests_.push_back(guest_of(rack_.machine(), station));
    auto attached = machine::attach_synthetic_guest(rack_.machine(), guests_.back());
    if (!attached) throw std::runtime_error(attached.error());
    memory_.push_back(std::move(*attached));
    registers_.push_back(std::make_unique<machine::SlotMmio>(rack_.machine(), guests_.back()));
  }
}

Station RackBed::station(unsigned index) {
  return {*registers_[index], memory(index)};
}

client::GuestMemory RackBed::memory(unsigned index) {
  return {Iova(0), {memory_[index].memory.mapped_or_null(), memory_[index].memory.size()}};
}

void RackBed::run() {
  do {
    rack_.machine().run_once(Duration{0});
  } while (rack_.machine().nic(0).has_work());
}

machine::GuestSlot& RackBed::slot(unsigned index) {
  return *rack_.machine().guests()[guests_[index]].slot;
}

std::shared_ptr<ch::VfSlot> RackBed::vf_slot(unsigned index) {
  const machine::PlacedGuest& placed = rack_.machine().guests()[guests_[index]].placed;
  return rack_.machine().part(placed.domain)->slot(placed.slot);
}

BedFactory rack_bed(Layout layout, bool defences) {
  return [=] { return std::make_unique<RackBed>(RackBedOptions{.layout = layout, .defences = defences}); };
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
