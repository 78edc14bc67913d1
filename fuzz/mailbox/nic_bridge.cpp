#include "mailbox/nic_bridge.h"

#include "spec/pf.h"

namespace ladon::fuzz::mailbox {

namespace {
constexpr pcie::Bdf kPf(2, 0, 0);
constexpr std::uint64_t kRegisters = 0x8000'0000;
}  // namespace

mh::Nic NicBridge::place(std::uint16_t vfs) {
  mh::Nic nic;
  nic.pf = kPf;
  nic.registers = BusAddr(kRegisters);
  nic.vfs = vfs;
  nic.first_offset = nic::kFirstVfOffset;
  nic.stride = nic::kVfStride;
  return nic;
}

void NicBridge::submit(host::Request request, Reply reply) {
  reply(std::visit([this](const auto& r) { return serve(r); }, request));
}

pcie::Function* NicBridge::function(pcie::Bdf bdf) {
  return bdf.bus() == kPf.bus() ? nic_.function(bdf.devfn()) : nullptr;
}

host::Result NicBridge::serve(const host::ConfigRead& request) {
  pcie::Function* at = function(request.bdf.bdf);
  const std::uint64_t absent = ~std::uint64_t{0} >> (64 - 8 * request.width);
  return host::Value{at != nullptr ? at->config_read(request.offset, request.width) : absent};
}

host::Result NicBridge::serve(const host::ConfigWrite& request) {
  if (pcie::Function* at = function(request.bdf.bdf))
    at->config_write(request.offset, request.width, request.value);
  return host::Done{};
}

host::Result NicBridge::serve(const host::Load& request) {
  const auto offset = request.at.minus(BusAddr(kRegisters));
  if (!offset || *offset >= spec::pf::kBarSize) return host::Value{~std::uint64_t{0}};
  return host::Value{nic_.function(0)->register_read(0, *offset, request.width)};
}

host::Result NicBridge::serve(const host::Store& request) {
  const auto offset = request.at.minus(BusAddr(kRegisters));
  if (offset && *offset < spec::pf::kBarSize)
    nic_.function(0)->register_write(0, *offset, request.width, request.value);
  return host::Done{};
}

}  // namespace ladon::fuzz::mailbox
