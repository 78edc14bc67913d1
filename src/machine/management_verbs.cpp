#include "machine/management_verbs.h"

#include <fmt/format.h>

#include <algorithm>

#include "machine/management.h"
#include "machine/vf_settings.h"
#include "mh/json.h"

namespace ladon::machine {
namespace {

using console::Json;
using Answer = ManagementConsole::Answer;

mh::VfId vf_in(const Json& arguments) {
  return {mh::get<std::uint16_t>(arguments, "nic"), mh::get<std::uint16_t>(arguments, "vf")};
}

std::optional<std::size_t> find_grant(const mh::Intent& intent, mh::VfId vf) {
  const auto found = std::ranges::find_if(
      intent.grants, [&](const mh::Grant& grant) { return grant.nic == vf.nic && grant.vf == vf.vf; });
  if (found == intent.grants.end()) return std::nullopt;
  return static_cast<std::size_t>(found - intent.grants.begin());
}

std::string nobodys(mh::VfId vf) {
  return fmt::format("VF {} of NIC {} belongs to no guest", vf.vf, vf.nic);
}

// Judged last, so that what is short is named for this VF and reckoned beside all others.
mh::Intent judged_last(mh::Intent intent, std::size_t grant) {
  const auto at = intent.grants.begin() + static_cast<std::ptrdiff_t>(grant);
  std::rotate(at, at + 1, intent.grants.end());
  return intent;
}

// All of it or nothing.
Answer change(mh::Service& service, const mh::Intent& wanted, const std::string& file) {
  const mh::Intent before = service.intent();
  if (auto written = write_intent(wanted, file); !written) return std::unexpected(written.error());
  if (auto done = service.change(wanted); !done) {
    const auto undone = service.change(before);
    const auto written = write_intent(before, file);
    return std::unexpected(done.error() + (undone && written ? "" : "; and it could not be undone"));
  }
  return Json{{"changed", true}};
}

Answer set_vf(mh::Service& service, const std::string& file, const Json& arguments) {
  const mh::VfId vf = vf_in(arguments);
  mh::Intent wanted = service.intent();
  const auto at = find_grant(wanted, vf);
  if (!at) return std::unexpected(nobodys(vf));
  auto grant = changed(wanted.grants[*at], settings_in(arguments));
  if (!grant) return std::unexpected(grant.error());
  wanted.grants[*at] = *grant;
  if (auto fine = service.check(judged_last(wanted, *at)); !fine) return std::unexpected(fine.error());
  return change(service, wanted, file);
}

std::string_view state_of(const mh::Service& service, const mh::Grant& grant) {
  if (service.pf(grant.nic).quarantined(grant.vf)) return "quarantined";
  if (grant.disabled) return "disable";
  if (!grant.level.has_partition()) return "no partition";
  return grant.link_forced ? "enable" : "auto";
}

Answer show(const mh::Service& service) {
  Json vfs = Json::array();
  for (const mh::Grant& grant : service.intent().grants) {
    Json vf = mh::json_of(grant);
    vf["on_fault"] = name(grant.on_fault);
    vf["state"] = state_of(service, grant);
    vf["level"] = mh::json_of(grant.level);
    vfs.push_back(std::move(vf));
  }
  return Json{{"vfs", vfs}};
}

}  // namespace

std::vector<ManagementConsole::Verb> management_verbs(const std::unique_ptr<mh::Service>& service,
                                                      const std::string& intent) {
  return {
      {"vf_set", [&service, intent](const Json& arguments) { return set_vf(*service, intent, arguments); }},
      {"vf_recover",
       [&service](const Json& arguments) -> Answer {
         const mh::VfId vf = vf_in(arguments);
         if (!find_grant(service->intent(), vf)) return std::unexpected(nobodys(vf));
         if (auto done = service->recover(vf); !done) return std::unexpected(done.error());
         return Json{{"recovered", true}};
       }},
      {"vf_show", [&service](const Json&) { return show(*service); }}};
}

}  // namespace ladon::machine
