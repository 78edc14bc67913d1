// How long an audit takes, by the size of the rack: `seconds` of the audit alone, and of bringing the rack's
// tables up before it with the real software. Arguments: compute hosts, VMs of each.
#include <benchmark/benchmark.h>

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
  auto built = machine::QuietRack::build(rack);
  if (!built) throw std::runtime_error(built.error());
  return std::move(*built);
}

void audit_rack(benchmark::State& state) {
  const auto rack = build(rack_of(state));
  const auto tables = rack->tables();
  audit::Report report;
  for (auto round : state) report = audit::audit(*tables, machine::grants(*rack));
  if (!report.clean()) return state.SkipWithError("the rack is not clean");
  state.counters["initiators"] = static_cast<double>(report.initiators);
  state.counters["mappings"] = static_cast<double>(report.mappings);
}

void bring_up(benchmark::State& state) {
  const auto rack = rack_of(state);
  for (auto round : state) benchmark::DoNotOptimize(build(rack));
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->Args({8, 8})->Args({16, 8})->Args({32, 8})->Args({64, 8})->Args({40, 32})->Unit(
      benchmark::kMillisecond);
}
BENCHMARK(audit_rack)->Apply(sizes);
BENCHMARK(bring_up)->Apply(sizes);

}  // namespace
}  // namespace ladon::bench

BENCHMARK_MAIN();
