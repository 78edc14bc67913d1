// One capture of a whole rack: every NIC's wire, every virtual function and every component of the fabric is
// an interface of one pcapng file (doc/capture.md). Frames are Ethernet; a packet of a fabric's interface is
// one hop of one access (fabric/hop_record.h).
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "machine/live.h"
#include "machine/rack_file.h"
#include "nic/tap.h"
#include "port/pcapng.h"

namespace ladon::machine {

class RackCapture {
 public:
  // nullptr if the rack file asks for none. The error names the file. `clock` outlives the capture.
  [[nodiscard]] static std::expected<std::unique_ptr<RackCapture>, std::string> open(const Rack& rack,
                                                                                     const Clock& clock);

  // Sees the frames of this NIC.
  [[nodiscard]] nic::FrameTap& frames(std::size_t nic) { return taps_[nic]; }
  // What sees accesses, if they are to be captured.
  [[nodiscard]] bool wants_accesses() const { return fabric_; }
  void access(const fabric::Tables& tables, const pcie::Transaction& transaction,
              const fabric::Resolution& way);

  bool flush() { return file_.flush(); }
  [[nodiscard]] std::uint64_t left_out() const { return file_.left_out(); }

 private:
  class NicTap final : public nic::FrameTap {
   public:
    NicTap(RackCapture& capture, const NicSpec& nic) : capture_(capture), nic_(nic) {}
    void frame(nic::TapPoint point, std::uint16_t vf, ConstBytes bytes, Instant at) override;

   private:
    [[nodiscard]] std::uint32_t interface_of(bool wire, std::uint16_t vf);
    RackCapture& capture_;
    const NicSpec& nic_;
    std::map<std::uint32_t, std::uint32_t> interfaces_;  // 0: the wire; VF + 1
  };

  RackCapture(const Rack& rack, port::PcapNg file, const Clock& clock);
  [[nodiscard]] Duration since_1970(Instant at) const { return at.time_since_epoch() + epoch_; }
  [[nodiscard]] std::uint32_t interface_of(const fabric::Tables& tables,
                                           const fabric::ComponentId& component);

  port::PcapNg file_;
  const Clock& clock_;
  Duration epoch_;  // time of day at the clock's zero
  bool fabric_ = false;
  std::uint64_t accesses_ = 0;
  std::vector<NicTap> taps_;
  std::map<fabric::ComponentId, std::uint32_t> interfaces_;
  std::vector<std::byte> record_;
};

}  // namespace ladon::machine
