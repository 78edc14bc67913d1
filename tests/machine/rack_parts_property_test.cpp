// Whatever a rack of parts asks for, its file is refused or it is built: the hardware takes each window and
// entry of the plan, every guest gets what it was granted, and nobody gets more but at hosts whose bridge has
// no table.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "machine/plan_audit.h"

namespace ladon::machine {
namespace {

std::string any_ntb() {
  std::string text = fmt::format(
      "profile: {}", spec::ntb::kParts[*rc::gen::inRange<std::size_t>(0, spec::ntb::kParts.size())].name);
  const auto maybe = [&](std::string_view field, std::initializer_list<std::string_view> values) {
    if (*rc::gen::inRange(0, 3) == 0)
      text += fmt::format(", {}: {}", field,
                          *(values.begin() + *rc::gen::inRange<std::size_t>(0, values.size())));
  };
  maybe("bars", {"32", "64"});
  maybe("lut", {"1", "2", "32", "64"});
  maybe("windows", {"2", "3", "4", "128"});
  maybe("dma_window", {"64MiB", "128MiB", "512MiB", "64GiB"});
  maybe("register_window", {"1MiB", "4MiB", "16MiB", "256MiB"});
  return text;
}

std::string any_host(unsigned k, std::vector<unsigned>& vfs) {
  std::string text = fmt::format("  - name: ch{}\n    role: compute\n    ntb: {{{}}}\n", k, any_ntb());
  if (*rc::gen::inRange(0, 4) == 0) text += "    mode: mriov\n";
  const auto vms = std::min<std::size_t>(*rc::gen::inRange(0u, 4u), vfs.size());
  if (vms != 0) text += "    vms:\n";
  for (std::size_t i = 0; i < vms; ++i) {
    text += fmt::format("      - {{name: vm-{}-{}, memory: 64MiB, vf: {{nic: nic0, index: {}}}}}\n", k, i,
                        vfs.back());
    vfs.pop_back();
  }
  return text;
}

RC_GTEST_PROP(RackPartsProperty, ARackIsRefusedOrItHolds, ()) {
  std::vector<unsigned> vfs(16);
  for (unsigned i = 0; i < vfs.size(); ++i) vfs[i] = i;
  if (*rc::gen::arbitrary<bool>()) std::swap(vfs[15], vfs[*rc::gen::inRange(0u, 15u)]);
  std::string text =
      "name: any\nnics:\n  - {name: nic0, vfs: 16}\nhosts:\n  - {name: mh, role: management}\n";
  const auto hosts = *rc::gen::inRange(1u, 4u);
  for (unsigned k = 1; k <= hosts; ++k) text += any_host(k, vfs);
  const auto rack = parse_rack(text, "any.yaml");
  RC_CLASSIFY(rack.has_value(), "accepted");
  if (!rack) return;
  RC_LOG() << text;
  const auto made = audit_plan(*rack);
  if (!made) RC_FAIL(made.error());
  RC_ASSERT(made->report.unreachable.empty());
  for (const auto& finding : made->report.findings) {
    // Its host's own things, or what its processor has: by name, the bridge's or VF's.
    const bool some_without = std::ranges::any_of(rack->hosts, [](const HostSpec& host) {
      return host.ntb.part->requesters == spec::ntb::Requesters::none;
    });
    RC_ASSERT(some_without);
    const auto domain = static_cast<std::size_t>(finding.space.domain);
    if (domain != 0) RC_ASSERT(rack->hosts[domain].ntb.part->requesters == spec::ntb::Requesters::none);
  }
}

}  // namespace
}  // namespace ladon::machine
