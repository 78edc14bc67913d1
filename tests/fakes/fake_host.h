// A host without a fabric: configuration space by a tree of functions, registers by callbacks, memory as a
// map of bytes, IOMMU and interrupt routes as plain tables to look at. Answers at once, or holds back what a
// real host answers after a quiescent point; stops answering after a given number of requests, as a host does
// whose software was killed.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/host_bridge.h"
#include "pcie/config_space.h"

namespace ladon::fakes {

struct FakeFunction {
  pcie::ConfigSpace space;
  FakeFunction* parent = nullptr;
  std::uint8_t devfn = 0;
  std::vector<pcie::ConfigSpace> vfs;
  // `vf` -1: the function itself.
  std::function<std::uint64_t(int vf, unsigned bar, std::uint64_t offset)> read;
  std::function<void(int vf, unsigned bar, std::uint64_t offset, std::uint64_t value)> write;
  std::function<void(int vf)> reset;  // function-level reset
  pcie::HostSegment segment{};
};

class FakeHost final : public host::HostBridge {
 public:
  host::Description description{.domain = pcie::Domain{0},
                                .dram = *Range<BusAddr>::of(BusAddr(0), 1ull << 32),
                                .own_memory = *Range<BusAddr>::of(BusAddr(0), 1 << 20),
                                .mmio32 = *Range<BusAddr>::of(BusAddr(0xC000'0000), 0x3000'0000),
                                .mmio64 = *Range<BusAddr>::of(BusAddr(1ull << 36), 1ull << 42)};

  // `segment`: of a function on the root bus; all others are where their bridge is.
  FakeFunction& add(pcie::ConfigSpace space, std::uint8_t devfn, FakeFunction* parent = nullptr,
                    pcie::HostSegment segment = {}) {
    functions.push_back(std::make_unique<FakeFunction>(std::move(space), parent, devfn));
    functions.back()->segment = parent != nullptr ? parent->segment : segment;
    return *functions.back();
  }

  void submit(host::Request request, Reply reply) override {
    if (requests_left == 0) return reply(std::unexpected(host::Error::disconnected));
    if (requests_left > 0) --requests_left;
    ++requests;
    const bool slow = std::holds_alternative<host::Unpin>(request) ||
                      std::holds_alternative<host::CreateIoDomain>(request) ||
                      std::holds_alternative<host::DetachRid>(request) ||
                      std::holds_alternative<host::IommuUnmap>(request) ||
                      std::holds_alternative<host::UnrouteInterrupt>(request);
    host::Result result = std::visit([this](auto& r) { return serve(r); }, request);
    if (slow && hold)
      held.push_back([reply = std::move(reply), result = std::move(result)]() mutable { reply(result); });
    else
      reply(std::move(result));
  }
  void listen(Listener listener) override { listener_ = std::move(listener); }

  void tell(const host::Event& event) {
    if (listener_) listener_(event);
  }
  void raise(std::uint32_t vector) { tell(host::Interrupt{vector}); }
  // Answers what was held back, oldest first.
  void release() {
    while (!held.empty()) {
      auto next = std::move(held.front());
      held.pop_front();
      next();
    }
  }

  // ---- to look at and to set
  std::vector<std::unique_ptr<FakeFunction>> functions;
  std::map<host::IoDomain, std::map<std::uint64_t, host::IommuMap>> domains;
  std::map<pcie::Sbdf, host::IoDomain> attached;
  std::set<std::pair<pcie::Sbdf, std::uint32_t>> routes;
  std::map<host::Pin, host::PinMemory> pins;
  std::map<std::uint64_t, std::uint8_t> memory;
  std::vector<std::string> log;  // what changes who may do what
  std::function<void(std::uint32_t)> on_self_interrupt;
  bool hold = false, fail_pins = false;
  std::deque<std::move_only_function<void()>> held;
  int requests_left = -1;  // -1: no end
  int requests = 0;
  int outside = 0;  // loads and stores that reached nothing

 private:
  static host::Result done() { return host::Done{}; }
  static std::string text(const pcie::Sbdf& function) {
    return function.segment == pcie::HostSegment{} ? pcie::to_string(function.bdf)
                                                   : pcie::to_string(function);
  }

  struct Found {
    FakeFunction* function = nullptr;
    int vf = -1;
  };
  std::optional<unsigned> bus_of(const FakeFunction& f) const {
    if (f.parent == nullptr) return 0;
    const unsigned bus = f.parent->space.bridge_windows().secondary;
    return bus == 0 ? std::nullopt : std::optional(bus);
  }
  Found find(const pcie::Sbdf& address) {
    const pcie::Bdf bdf = address.bdf;
    for (const auto& f : functions) {
      const auto bus = bus_of(*f);
      if (!bus || f->segment != address.segment) continue;
      const unsigned rid = *bus << 8 | f->devfn;
      if (rid == bdf.bits) return {f.get(), -1};
      const auto sriov = f->space.sriov();
      if (!sriov || !sriov->enabled) continue;
      for (unsigned vf = 0; vf < sriov->vfs; ++vf)
        if (rid + sriov->first_offset + vf * sriov->stride == bdf.bits)
          return {f.get(), static_cast<int>(vf)};
    }
    return {};
  }
  static pcie::ConfigSpace& space_of(const Found& found) {
    return found.vf < 0 ? found.function->space : found.function->vfs[static_cast<std::size_t>(found.vf)];
  }

  host::Result serve(const host::ConfigRead& r) {
    const Found found = find(r.bdf);
    if (found.function == nullptr) return host::Value{~std::uint64_t{0} >> (64 - 8 * r.width)};
    return host::Value{space_of(found).read(r.offset, r.width)};
  }
  host::Result serve(const host::ConfigWrite& r) {
    const Found found = find(r.bdf);
    if (found.function == nullptr) return done();
    space_of(found).write(r.offset, r.width, r.value);
    if (space_of(found).take_flr_request()) {
      log.push_back("flr " + text(r.bdf));
      if (found.function->reset) found.function->reset(found.vf);
    }
    return done();
  }

  // Every bridge above must let the address through.
  static bool reaches(const FakeFunction& f, BusAddr at) {
    for (const FakeFunction* up = f.parent; up != nullptr; up = up->parent) {
      const auto windows = up->space.bridge_windows();
      if (!(windows.memory && windows.memory->contains(at)) &&
          !(windows.prefetchable && windows.prefetchable->contains(at)))
        return false;
    }
    return true;
  }
  struct Register {
    FakeFunction* function;
    int vf;
    unsigned bar;
    std::uint64_t offset;
  };
  std::optional<Register> register_at(BusAddr at) {
    for (const auto& f : functions) {
      for (const auto& r : f->space.decoded())
        if (r.range.contains(at) && reaches(*f, at))
          return Register{f.get(), -1, r.bar, *at.minus(r.range.first())};
      const auto sriov = f->space.sriov();
      if (!sriov || !sriov->memory_enabled) continue;
      for (unsigned bar = 0; bar < 6; ++bar) {
        if (!sriov->vf_bars[bar]) continue;
        const auto offset = at.minus(*sriov->vf_bars[bar]);
        const std::uint64_t size = sriov->vf_bar_sizes[bar];
        if (offset && *offset < size * sriov->vfs && reaches(*f, at))
          return Register{f.get(), static_cast<int>(*offset / size), bar, *offset % size};
      }
    }
    return std::nullopt;
  }
  host::Result serve(const host::Load& r) {
    if (description.dram.contains(r.at) && !register_at(r.at)) {
      std::uint64_t value = 0;
      for (unsigned i = 0; i < r.width; ++i)
        value |= static_cast<std::uint64_t>(memory[r.at.bits() + i]) << (8 * i);
      return host::Value{value};
    }
    const auto found = register_at(r.at);
    if (!found || !found->function->read) {
      ++outside;
      return host::Value{~std::uint64_t{0} >> (64 - 8 * r.width)};
    }
    return host::Value{found->function->read(found->vf, found->bar, found->offset)};
  }
  host::Result serve(const host::Store& r) {
    const auto found = register_at(r.at);
    if (found) {
      if (found->function->write) found->function->write(found->vf, found->bar, found->offset, r.value);
    } else if (description.dram.contains(r.at)) {
      for (unsigned i = 0; i < r.width; ++i)
        memory[r.at.bits() + i] = static_cast<std::uint8_t>(r.value >> (8 * i));
    } else {
      ++outside;
    }
    return done();
  }
  host::Result serve(const host::ReadMemory& r) {
    host::Memory bytes{std::vector<std::byte>(r.length)};
    for (std::uint32_t i = 0; i < r.length; ++i) bytes.bytes[i] = std::byte{memory[r.at.bits() + i]};
    return bytes;
  }
  host::Result serve(const host::WriteMemory& r) {
    for (std::size_t i = 0; i < r.bytes.size(); ++i)
      memory[r.at.bits() + i] = static_cast<std::uint8_t>(r.bytes[i]);
    return done();
  }
  host::Result serve(const host::PinMemory& r) {
    if (fail_pins) return std::unexpected(host::Error::no_memory);
    const host::Pin pin{next_pin_++};
    pins[pin] = r;
    log.push_back("pin");
    return host::Pinned{pin, r.at.value_or(BusAddr(0x1000'0000 + r.file_offset))};
  }
  host::Result serve(const host::Unpin& r) {
    log.push_back("unpin");
    if (pins.erase(r.pin) == 0) return std::unexpected(host::Error::no_such_object);
    return done();
  }
  host::Result serve(const host::CreateIoDomain&) {
    const host::IoDomain domain{next_domain_++};
    domains[domain];
    return host::DomainCreated{domain};
  }
  host::Result serve(const host::DestroyIoDomain& r) {
    for (const auto& [rid, domain] : attached)
      if (domain == r.domain) return std::unexpected(host::Error::overlap);
    log.push_back("destroy");
    if (domains.erase(r.domain) == 0) return std::unexpected(host::Error::no_such_object);
    return done();
  }
  host::Result serve(const host::AttachRid& r) {
    if (attached.contains(r.rid)) return std::unexpected(host::Error::overlap);
    log.push_back("attach " + text(r.rid));
    attached[r.rid] = r.domain;
    return done();
  }
  host::Result serve(const host::DetachRid& r) {
    log.push_back("detach " + text(r.rid));
    if (attached.erase(r.rid) == 0) return std::unexpected(host::Error::no_such_object);
    return done();
  }
  host::Result serve(const host::IommuMap& r) {
    auto& domain = domains[r.domain];
    for (const auto& [iova, m] : domain)
      if (r.iova.bits() < iova + m.length && iova < r.iova.bits() + r.length)
        return std::unexpected(host::Error::overlap);
    log.push_back("map");
    domain[r.iova.bits()] = r;
    return done();
  }
  host::Result serve(const host::IommuUnmap& r) {
    log.push_back("unmap");
    auto& domain = domains[r.domain];
    std::erase_if(domain, [&](const auto& m) {
      return m.first >= r.iova.bits() && m.first + m.second.length <= r.iova.bits() + r.length;
    });
    return done();
  }
  host::Result serve(const host::RouteInterrupt& r) {
    routes.insert({r.rid, r.vector});
    return host::MessageRoute{0xFEE0'0010, r.vector};
  }
  host::Result serve(const host::UnrouteInterrupt& r) {
    log.push_back("unroute");
    routes.erase({r.rid, r.vector});
    return done();
  }
  host::Result serve(const host::SelfInterrupt& r) {
    if (on_self_interrupt) on_self_interrupt(r.vector);
    return done();
  }
  host::Result serve(const host::Describe&) { return description; }

  Listener listener_;
  std::uint32_t next_pin_ = 1, next_domain_ = 1;
};

}  // namespace ladon::fakes
