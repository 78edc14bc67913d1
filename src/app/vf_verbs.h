// What a running rack answers about its VFs at its control socket: `ladon vf`.
#pragma once

#include "console/server.h"
#include "machine/runner.h"

namespace ladon::app {

// vf_set {nic, vf, settings[[key, value]]}, vf_recover {nic, vf}, vf_show {text}; a NIC by its name.
void add_vf_verbs(console::Verbs& verbs, machine::Runner& runner);

}  // namespace ladon::app
