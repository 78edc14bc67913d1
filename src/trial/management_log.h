// The log of the management host's program, read as a person would: which guest it names, and for what.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ladon::trial {

// "management: fault: vm-b (VF 2 of NIC 0, ch1): ch1/iommu/DMA remapping: not mapped (write at 0x140000000)"
struct ManagementLine {
  std::string kind;   // "fault", "refused", "quarantined", ...
  std::string guest;  // "vm-b"
  std::string text;   // what follows
  std::string whole;
};
// Lines that name a guest; the others are left out.
[[nodiscard]] std::vector<ManagementLine> parse_management(std::string_view text);

class ManagementLog {
 public:
  explicit ManagementLog(std::string path) : path_(std::move(path)) {}
  // From now on.
  void begin();
  // What came since, that names this guest; any guest.
  [[nodiscard]] std::vector<ManagementLine> lines(std::string_view guest) const;
  [[nodiscard]] std::vector<ManagementLine> lines() const;

 private:
  std::string path_;
  std::size_t from_ = 0;
};

}  // namespace ladon::trial
