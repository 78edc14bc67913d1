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
  const machine::GuestPlace* place = nullptr;
  lab::GuestSpec spec;
  Process qemu;
  lab::GuestShell shell;

  [[nodiscard]] const std::string& name() const { return spec.name; }
  // Without the prefix length.
  [[nodiscard]] std::string address() const { return spec.address.substr(0, spec.address.find('/')); }
};

// Starts all guests at once and waits until each says that its network is up. Consoles go to `logs`.
[[nodiscard]] std::expected<std::vector<RunningGuest>, std::string> start_guests(
    const machine::Runner& runner, const lab::Assets& assets, const std::string& logs);
// What the guest says of its VF.
[[nodiscard]] lab::GuestReport inspect(RunningGuest& guest);

// What lies between two guests, in words.
[[nodiscard]] std::string path_kind(const RunningGuest& from, const RunningGuest& to);

}  // namespace ladon::trial
