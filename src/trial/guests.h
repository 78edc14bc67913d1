// Real guests on a running rack: their QEMUs, each with a shell.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "base/process.h"
#include "lab/qemu.h"
#include "lab/report.h"
#include "lab/shell.h"
#include "machine/runner.h"

namespace ladon::trial {

struct RunningGuest {
  const machine::GuestPlace* place = nullptr;    // null: it shares a function
  const machine::SharedPlace* shared = nullptr;  // null: it has one of its own
  lab::GuestSpec spec;
  Process qemu;
  lab::GuestShell shell;

  [[nodiscard]] const std::string& name() const { return spec.name; }
  [[nodiscard]] const machine::HostSpec& host() const { return place ? *place->placed.host : *shared->host; }
  [[nodiscard]] pcie::Domain domain() const { return place ? place->placed.domain : shared->domain; }
  [[nodiscard]] std::size_t nic() const {
    return place ? place->placed.guest->vf->nic : shared->guest->shared->nic;
  }
  [[nodiscard]] MacAddress mac() const {
    return place ? place->placed.guest->vf->mac : shared->guest->shared->mac;
  }
  // Without the prefix length.
  [[nodiscard]] std::string address() const { return spec.address.substr(0, spec.address.find('/')); }
};

// Starts all guests at once - those with functions of their own, or the others too - and waits until each
// says that its network is up. Consoles go to `logs`.
enum class Which : std::uint8_t { own, all };
[[nodiscard]] std::expected<std::vector<RunningGuest>, std::string> start_guests(
    const machine::Runner& runner, const lab::Assets& assets, const std::string& logs,
    Which which = Which::own);
// What the guest says of its VF.
[[nodiscard]] lab::GuestReport inspect(RunningGuest& guest);

// What lies between two guests, in words.
[[nodiscard]] std::string path_kind(const RunningGuest& from, const RunningGuest& to);

}  // namespace ladon::trial
