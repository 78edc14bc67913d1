// Captures: the frames of a NIC's virtual functions, each into the pcap file that the rack file names.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

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

// Several that see the same frames.
class FrameTaps final : public nic::FrameTap {
 public:
  void add(nic::FrameTap& tap) { taps_.push_back(&tap); }
  [[nodiscard]] bool empty() const { return taps_.empty(); }
  void frame(nic::TapPoint point, std::uint16_t vf, ConstBytes bytes, Instant at) override {
    for (nic::FrameTap* tap : taps_) tap->frame(point, vf, bytes, at);
  }

 private:
  std::vector<nic::FrameTap*> taps_;
};

// Time of day at `clock`'s zero: what a capture's time stamps count from.
[[nodiscard]] Duration time_of_day_at_zero(const Clock& clock);

}  // namespace ladon::machine
