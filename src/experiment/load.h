// httperf on the remote test host, one for each virtual machine, at the same time; and what came of it.
#pragma once

#include <array>
#include <expected>
#include <string>

#include "experiment/testbed.h"
#include "lab/httperf.h"

namespace ladon::experiment {

// Who asks one machine for pages: so many clients, each with one request under way; or so many requests a
// second, whatever becomes of them. Neither: nobody.
struct Demand {
  unsigned clients = 0;
  double rate = 0;
  double timeout_seconds = 0;  // 0: they wait

  [[nodiscard]] bool any() const { return clients != 0 || rate > 0; }
};
using Demands = std::array<Demand, kVms>;

// Of one machine during one run. Rates a second.
struct Served {
  double asked = 0, replies = 0;
  double refused = 0;  // given up by the client: of the time in which its requests can have been
  double device_bytes = 0, device_frames = 0, refused_by_host = 0, refused_by_device = 0, dropped = 0;
  double reply_ms = 0;
  double client_short = 0;  // not asked, because httperf had no descriptor left: it knows 1,024
};
using Outcome = std::array<Served, kVms>;

// The error is a sentence.
[[nodiscard]] std::expected<Outcome, std::string> run_load(Testbed& testbed, const Demands& demands,
                                                           double seconds);
// What the remote host's network needs to make so many connections; once.
[[nodiscard]] std::expected<void, std::string> prepare_remote(port::RemoteHost& remote);

}  // namespace ladon::experiment
