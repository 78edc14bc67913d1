#include "machine/capture.h"

#include <chrono>

namespace ladon::machine {

Duration time_of_day_at_zero(const Clock& clock) {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<Duration>(since_1970) - clock.now().time_since_epoch();
}

std::expected<std::unique_ptr<VfCapture>, std::string> VfCapture::open(const Rack& rack, std::size_t nic,
                                                                       const Clock& clock) {
  auto capture = std::make_unique<VfCapture>();
  for (const auto& host : rack.hosts)
    for (const auto& guest : host.guests) {
      if (!guest.vf || guest.vf->nic != nic || guest.vf->pcap.empty()) continue;
      auto file = port::PcapTap::open(guest.vf->pcap, clock, time_of_day_at_zero(clock));
      if (!file) return std::unexpected(file.error());
      capture->files_.emplace(guest.vf->index, std::move(*file));
    }
  if (capture->files_.empty()) return nullptr;
  return capture;
}

void VfCapture::frame(nic::TapPoint point, std::uint16_t vf, ConstBytes bytes, Instant) {
  if (point != nic::TapPoint::vf_sent && point != nic::TapPoint::vf_received) return;
  const auto file = files_.find(vf);
  if (file != files_.end()) file->second.write(bytes);
}

void VfCapture::flush() {
  for (auto& [vf, file] : files_) (void)file.flush();
}

}  // namespace ladon::machine
