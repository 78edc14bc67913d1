// What a demonstration found, as a value: for a person as tables, for a program as JSON (DIR/report.json).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ladon::lab {

struct GuestReport {
  std::string name, host, kind, mode;          // kind: mh | virtualized | bare; mode: sriov | mriov+ | shared
  std::string kernel, driver, version, vf;     // as the guest says; vf: the function's address in the guest
  std::string mac, wanted_mac, link, address;  // wanted_mac: what the management host assigned
  unsigned vectors = 0;                        // MSI-X vectors in use
  [[nodiscard]] bool ok() const;
};

struct PingReport {
  std::string from, to, kind;  // kind: "same host", "across hosts", ...
  bool ok = false;
  double rtt_ms = 0;
};

struct StreamReport {
  std::string from, to, kind;
  bool ok = false;
  double gbps = 0;
};

struct AttackReport {
  struct Attempt {
    std::string what;        // "transmit ring at another VM's memory"
    bool refused = false;    // nothing moved, and the canary bytes are untouched
    std::string refused_by;  // "ch1/iommu: no mapping"
    std::string output;      // what the attacking program said
  };
  std::string attacker;
  std::vector<Attempt> attempts;
  std::uint64_t collateral_packets = 0;  // lost by the others meanwhile
  [[nodiscard]] bool refused() const;
};

struct Report {
  std::string rack, accelerator;
  std::vector<GuestReport> guests;
  std::vector<PingReport> pings;
  std::vector<StreamReport> streams;
  AttackReport attack;
  std::vector<std::string> failures;  // what kept the demonstration from going on
  double seconds = 0;

  [[nodiscard]] bool ok() const;
  [[nodiscard]] std::string to_json() const;
  [[nodiscard]] std::string to_text() const;
};

}  // namespace ladon::lab
