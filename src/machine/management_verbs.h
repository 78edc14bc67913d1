// What the management host's program does when it is asked: change what a VF's owner has and may do, end a
// quarantine, show what was granted. What is changed is in the file of the intent before it is in force, so
// that a successor goes on from it.
#pragma once

#include <string>
#include <vector>

#include "machine/management_console.h"
#include "mh/service.h"

namespace ladon::machine {

// `service` is there whenever a verb is called. `intent`: the file.
[[nodiscard]] std::vector<ManagementConsole::Verb> management_verbs(
    const std::unique_ptr<mh::Service>& service, const std::string& intent);

}  // namespace ladon::machine
