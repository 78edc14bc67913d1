// Captures: the frames of a NIC's virtual functions, each into the pcap file that the rack file names.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <string>

#include "machine/rack_file.h"
#include "nic/tap.h"
#include "port/pcap.h"

namespace ladon::machine {

class VfCapture final : public nic::FrameTap {
 public:
  // nullptr if no VF of this NIC is to be captured. The error names the file.
  [[nodiscard]] static std::expected<std::unique_ptr<VfCapture>, std::string> open(const Rack& rack,
                                                                                   std::size_t nic,
                                                                                   const Clock& clock);
  void frame(nic::TapPoint point, std::uint16_t vf, ConstBytes bytes, Instant at) override;
  void flush();

 private:
  std::map<std::uint16_t, port::PcapTap> files_;  // by VF
};

// Time of day at `clock`'s zero: what a capture's time stamps count from.
[[nodiscard]] Duration time_of_day_at_zero(const Clock& clock);

}  // namespace ladon::machine
