#include "experiment/driven_nic.h"

#include <memory>
#include <stdexcept>

namespace ladon::experiment {
namespace {

constexpr std::size_t kMemory = std::size_t{4} << 20, kPage = 4096;  // bytes of each function
constexpr std::uint64_t kBase = 0x1'0000'0000;

}  // namespace

DrivenNic::Memory DrivenNic::make_memory() {
  Memory made{.bytes = std::make_unique<std::byte[]>(kMemory + kPage)};
  void* start = made.bytes.get();
  std::size_t space = kMemory + kPage;
  auto* const aligned = static_cast<std::byte*>(std::align(kPage, kMemory, start, space));
  made.range = {Iova(kBase), {aligned, kMemory}};
  made.port = std::make_unique<client::MemoryPort>(made.range);
  made.port->keep_messages(false);  // whoever drives the functions polls
  return made;
}

DrivenNic::DrivenNic(std::uint16_t vfs, const Clock& clock, Wire& wire) {
  std::vector<pcie::DmaPort*> ports;
  for (std::uint16_t i = 0; i <= vfs; ++i) {
    memories_.push_back(make_memory());
    ports.push_back(memories_.back().port.get());
  }
  nic_ = std::make_unique<nic::Nic>(nic::NicOptions{.vfs = vfs}, clock, wire, ports);
  pcie::Function& pf = *nic_->function(0);
  client::enable_function(pf);
  if (!client::enable_vfs(pf, vfs)) throw std::logic_error("the PF has no SR-IOV capability");
  pf_registers_ = std::make_unique<client::FunctionMmio>(pf);
  responder_ =
      std::make_unique<client::PfResponder>(*pf_registers_, client::PfOptions{.vfs = vfs, .trust = true});
  responder_->bring_up();
  for (std::uint16_t vf = 0; vf < vfs; ++vf) {
    pcie::Function& function =
        *nic_->function(static_cast<std::uint16_t>(nic::kFirstVfOffset + nic::kVfStride * vf));
    client::enable_function(function);
    registers_.push_back(std::make_unique<client::FunctionMmio>(function, [this] { (void)poll(); }));
    drivers_.push_back(std::make_unique<client::VfDriver>(*registers_.back(), memories_[vf + 1u].range,
                                                          client::VfOptions{}));
  }
}

}  // namespace ladon::experiment
