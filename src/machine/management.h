// The management host's program as a process of its own: it holds nothing but a socket to its host, the
// intent and its journal, and may be killed and started again while packets move.
#pragma once

#include <atomic>
#include <expected>
#include <string>

#include "base/log.h"
#include "base/time.h"
#include "mh/intent.h"

namespace ladon::machine {

struct ManagementOptions {
  std::string socket;   // of the management host's bridge
  std::string intent;   // JSON file, see mh/intent.h
  std::string journal;  // created if it is not there
  std::string control;  // socket at which it is asked to change things (management_verbs.h); empty: none
  // How often it looks everywhere, interrupts or not.
  Duration look_every = std::chrono::seconds(1);
};

// Serves until the host is gone or `stop` is set. The error is a sentence for a person.
[[nodiscard]] std::expected<void, std::string> run_management(const ManagementOptions& options,
                                                              const Log& log, const std::atomic<bool>& stop);

// Writes what run_management reads: whole, or the file stays as it was.
[[nodiscard]] std::expected<void, std::string> write_intent(const mh::Intent& intent,
                                                            const std::string& path);

}  // namespace ladon::machine
