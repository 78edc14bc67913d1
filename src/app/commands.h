// The program's commands. Each returns its exit status: 0 ok, 1 a finding, 2 bad input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "lab/qemu.h"
#include "machine/rack_file.h"

namespace ladon::app {

inline constexpr int kOk = 0, kFinding = 1, kBadInput = 2;

struct Common {
  Log log = Log::silent();
  std::string log_level = "warning";
  bool json = false;
};

// The rack, or nothing after every mistake in the file was printed.
[[nodiscard]] std::optional<machine::Rack> read_rack(const std::string& path, const Common& common);

// Every mistake of a rack file, as a person or a program reads it.
void print_mistakes(const std::vector<machine::RackError>& mistakes, const Common& common);
// The rack may run: the audit of its plan has no finding that the file does not accept. Otherwise what would
// be reachable is printed, and the status with which the command ends.
[[nodiscard]] std::optional<int> refused_by_audit(const machine::Rack& rack, const Common& common);

// What real guests start from, with the folder for what is written about them made; nothing after the mistake
// was printed.
[[nodiscard]] std::optional<lab::Assets> assets_and_folder(const std::string& assets, const std::string& out,
                                                           const Common& common);

struct UpOptions {
  std::string rack, assets = "build/assets";
  std::string libvirt;  // folder for a libvirt domain of each guest; empty: none
};
[[nodiscard]] int up(const UpOptions& options, const Common& common);

struct DemoOptions {
  std::string rack, assets = "build/assets", out = "build/demo";
  unsigned seconds = 3;  // of each TCP stream
};
[[nodiscard]] int demo(const DemoOptions& options, const Common& common);

// Which accesses of a guest and its VF; none given: one of each.
struct AccessChoice {
  std::optional<std::uint64_t> dma, mmio;  // a Gpa; an offset in BAR 0
  std::optional<std::uint16_t> msi;        // a vector
  bool write = false;
};

struct PathOptions {
  std::string rack, guest;
  AccessChoice choice;
};
[[nodiscard]] int path(const PathOptions& options, const Common& common);

struct ExplainOptions {
  std::string rack;                  // a file; or
  std::string live;                  // the control socket of a running rack
  std::size_t count = 8;             // of the latest refusals there
  std::string fault;                 // a line of a log
  std::vector<std::string> without;  // tables that are emptied: "ntb1/link/inbound requester-ID LUT"
  std::string guest;                 // whose accesses are followed; empty: the first one's
  AccessChoice choice;
};
[[nodiscard]] int explain(const ExplainOptions& options, const Common& common);

struct PlanOptions {
  std::string rack;
};
[[nodiscard]] int plan(const PlanOptions& options, const Common& common);

struct ParaOptions {
  std::string live;                   // the control socket of a running rack
  std::string guest;                  // set
  std::vector<std::string> settings;  // set: "key", "value" or "key=value"
};
[[nodiscard]] int para_show(const ParaOptions& options, const Common& common);
[[nodiscard]] int para_set(const ParaOptions& options, const Common& common);

struct AuditOptions {
  std::string rack;    // a file; or
  std::string live;    // the control socket of a running rack
  bool lying = false;  // devices emit any requester ID
};
[[nodiscard]] int audit(const AuditOptions& options, const Common& common);

struct AttackOptions {
  std::string rack;
  std::vector<std::string> only;                              // ids; empty: all
  bool matrix = false;                                        // under every set of defences
  std::string svg;                                            // with `matrix`: file for a picture of it
  bool no_prices = false;                                     // with `matrix`: nothing is measured
  bool guests = false;                                        // from inside real guests
  std::string assets = "build/assets", out = "build/attack";  // of real guests
};
[[nodiscard]] int attack(const AttackOptions& options, const Common& common);

struct VfOptions {
  std::string live;  // the control socket of a running rack
  std::string nic;   // by name
  std::uint16_t vf = 0;
  std::vector<std::string> settings;  // "key", "value" or "key=value"
};
[[nodiscard]] int set_vf(const VfOptions& options, const Common& common);
[[nodiscard]] int show_vfs(const VfOptions& options, const Common& common);
[[nodiscard]] int recover_vf(const VfOptions& options, const Common& common);

struct FiguresOptions {
  std::vector<std::string> figures;  // fig1, fig3, aggressor
  std::string assets = "build/assets", out = "build/figures";
  bool quick = false;        // a few points, a few seconds
  double capacity = 0;       // replies a second; 0: what the machine can show
  unsigned repetitions = 0;  // of each run; 0: as the plan has it
  double seconds = 0;        // of each run; 0: likewise
};
[[nodiscard]] int figures(const FiguresOptions& options, const Common& common);

struct ManagementArguments {
  std::string bridge, intent, journal, control;
};
[[nodiscard]] int management(const ManagementArguments& arguments, const Common& common);

}  // namespace ladon::app
