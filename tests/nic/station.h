// A pair of virtual functions with their drivers up, and short words for what tests do with them.
#pragma once

#include <gmock/gmock.h>

#include <optional>

#include "client/frames.h"
#include "nic/rig.h"
#include "spec/ixgbevf.h"
#include "spec/pci.h"
#include "spec/pf.h"

namespace ladon::nic::testing {

inline MacAddress mac_of(std::uint16_t vf) {
  return client::PfResponder::mac_of(vf);
}

inline client::FrameSpec from_to(std::uint16_t source, std::uint16_t destination) {
  client::FrameSpec spec;
  spec.source = mac_of(source);
  spec.destination = mac_of(destination);
  return spec;
}

inline std::uint32_t vf_register(std::uint16_t vf, std::uint32_t offset) {
  return spec::pf::kVf + vf * spec::pf::kVfStride + offset;
}

// A rig whose drivers have probed and opened.
class Station : public ::testing::Test {
 protected:
  explicit Station(const RigOptions& options = {}) : rig(options), vfs(options.vfs) {}
  void SetUp() override {
    for (std::uint16_t vf = 0; vf < vfs; ++vf) ASSERT_TRUE(up(vf));
  }

  bool up(std::uint16_t vf) {
    return rig.driver(vf).probe().has_value() && rig.driver(vf).open().has_value();
  }
  bool send(std::uint16_t vf, const client::Frame& frame, const client::TxOffload& offload = {}) {
    rig.driver(vf).tx().reclaim();
    if (!rig.driver(vf).tx().send(frame, offload)) return false;
    rig.settle();
    return true;
  }
  std::optional<client::ReceivedFrame> receive(std::uint16_t vf) { return rig.driver(vf).rx().receive(); }
  // VF `source` can reach VF `destination`.
  bool passes(std::uint16_t source, std::uint16_t destination) {
    const client::Frame frame = client::make_frame(from_to(source, destination));
    if (!send(source, frame)) return false;
    const auto received = receive(destination);
    return received && received->bytes == frame;
  }
  std::uint32_t pf_read(std::uint32_t offset) { return rig.pf_registers().read32(offset); }
  void pf_write(std::uint32_t offset, std::uint32_t value) { rig.pf_registers().write32(offset, value); }
  std::uint32_t vf_read(std::uint16_t vf, std::uint32_t offset) { return rig.registers(vf).read32(offset); }
  void vf_write(std::uint16_t vf, std::uint32_t offset, std::uint32_t value) {
    rig.registers(vf).write32(offset, value);
  }

  Rig rig;
  std::uint16_t vfs;
};

}  // namespace ladon::nic::testing
