// What is asked of and known about a guest that shares a function, and about that function: plain values that
// go from thread to thread.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/mac.h"
#include "machine/vf_settings.h"
#include "mh/service_level.h"
#include "para/drop.h"
#include "para/meter_policer.h"
#include "para/port.h"
#include "para/vf_uplink.h"
#include "vhost/traffic.h"

namespace ladon::machine {

// What the host's software lets one guest send and be sent. The second acts after the function has written a
// frame into the host's memory and the host has looked at it.
struct SharedLimits {
  para::RateLimit transmit, receive;
  bool operator==(const SharedLimits&) const = default;
};
[[nodiscard]] SharedLimits shared_limits(const mh::ServiceLevel& level);
// A rate and its burst each way are all of a level that a host's software can keep.
[[nodiscard]] bool only_limits(const mh::ServiceLevel& level);
// The same limits but for the fields given, which are those of a rack file as text: rx_max, rx_burst, tx_max
// or max_tx_rate, tx_burst. A mistake names the field and says what may be written.
[[nodiscard]] std::expected<SharedLimits, mh::LevelMistake> changed(const SharedLimits& limits,
                                                                    const Settings& fields);

struct SharedFunctionReport;
// Why these settings of a VF may not be: the VF is one that guests share, and its host's software needs it as
// it is but for its rates and turns; or the address is one that a guest has who shares. nullopt: they may.
[[nodiscard]] std::optional<std::string> disturbs_sharers(const std::vector<SharedFunctionReport>& functions,
                                                          const std::string& nic, std::uint16_t vf,
                                                          const Settings& settings);

struct SharedGuestReport {
  std::string name;
  MacAddress mac;
  std::optional<std::uint16_t> vlan;
  SharedLimits limits;
  bool connected = false;  // its QEMU
  bool up = false;         // and its driver
  para::PortTraffic traffic;
  vhost::FrameDrops backend_drops;
};

struct SharedFunctionReport {
  std::string host, nic;
  std::uint16_t vf = 0;
  MacAddress mac;
  bool started = false;  // the driver has its rings
  bool up = false;       // and the link is there
  std::uint64_t starts = 0;
  para::VfUplink::Traffic traffic;
  Counters<para::ArrivalDrop> arrival_drops;
  std::vector<SharedGuestReport> guests;
};

}  // namespace ladon::machine
