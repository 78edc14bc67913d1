// How long an audit takes, by the size of the rack: the audit alone, and bringing the rack's tables up before
// it with the real software. Arguments: compute hosts, VMs of each. `peak_MiB`: the most memory that the
// process has had so far, so of the largest rack yet.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <sys/resource.h>

#include <stdexcept>

#include "audit/audit.h"
#include "machine/grants.h"
#include "machine/quiet_rack.h"
#include "machine/scale_rack.h"

namespace ladon::bench {
namespace {

machine::Rack rack_of(const benchmark::State& state) {
  const auto text =
      machine::scale_rack(static_cast<unsigned>(state.range(0)), static_cast<unsigned>(state.range(1)));
  auto rack = machine::parse_rack(text, "scale.yaml");
  if (!rack) throw std::invalid_argument(machine::to_string(rack.error().front()));
  return std::move(*rack);
}

std::unique_ptr<machine::QuietRack> build(const machine::Rack& rack) {
  ::malloc_trim(0);  // a former rack's memory is not this one's
  auto built = machine::QuietRack::build(rack);
  if (!built) throw std::runtime_error(built.error());
  return std::move(*built);
}

double peak_mebibytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

void audit_rack(benchmark::State& state) {
  const auto rack = build(rack_of(state));
  const auto tables = rack->tables();
  audit::Report report;
  for (auto round : state) report = audit::audit(*tables, machine::grants(*rack));
  if (!report.clean()) return state.SkipWithError("the rack is not clean");
  state.counters["initiators"] = static_cast<double>(report.initiators);
  state.counters["mappings"] = static_cast<double>(report.mappings);
  state.counters["peak_MiB"] = peak_mebibytes();
}

void bring_up(benchmark::State& state) {
  const auto rack = rack_of(state);
  for (auto round : state) benchmark::DoNotOptimize(build(rack));
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  for (const std::int64_t hosts : {8, 16, 32, 64}) benchmark->Args({hosts, 8});
  for (const std::int64_t hosts : {64, 128, 256, 512}) benchmark->Args({hosts, 32});
  benchmark->Unit(benchmark::kMillisecond);
}
BENCHMARK(audit_rack)->Apply(sizes);
BENCHMARK(bring_up)->Apply(sizes);

}  // namespace
}  // namespace ladon::bench

BENCHMARK_MAIN();
