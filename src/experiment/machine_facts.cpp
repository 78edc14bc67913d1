#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "experiment/report.h"

namespace ladon::experiment {
namespace {

// What /proc/cpuinfo calls the first of them.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name"))
      if (const auto colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return "unknown";
}

}  // namespace

std::vector<figures::Fact> machine_facts(const lab::Assets& assets) {
  utsname system{};
  ::uname(&system);
  double load[1] = {0};
  (void)::getloadavg(load, 1);
  return {{"processors", fmt::format("{} of {}", ::sysconf(_SC_NPROCESSORS_ONLN), processor()), ""},
          {"kernel", system.release, ""},
          {"guests",
           fmt::format("QEMU {} ({}), Linux {}, lighttpd", assets.qemu_version, assets.accelerator,
                       assets.kernel_version),
           ""},
          {"load of the machine before", fmt::format("{:.1f}", load[0]), "the average of a minute"}};
}

}  // namespace ladon::experiment
