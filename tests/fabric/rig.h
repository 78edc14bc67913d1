// A rack for the tests: a management host, compute hosts behind NTBs, one SR-IOV endpoint a segment. It is
// brought up as software would bring it up, by configuration requests and register accesses alone.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "fabric/fabric.h"
#include "fabric/format.h"
#include "pcie/config_space.h"
#include "spec/ntb.h"
#include "spec/pci.h"

namespace ladon::fabric::test {

inline constexpr pcie::Domain kMh{0}, kCh1{1}, kCh2{2};
inline constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
// Management domain. Port p has 4 MiB of 32-bit addresses; NTB k's DMA window is 64 GiB at (k + 1) << 36.
inline constexpr std::uint64_t kMmio32 = 0x8000'0000, kPortStride = 0x40'0000;
inline constexpr std::uint64_t kVfBars = std::uint64_t{1} << 36, kVfBarSize = 0x4000;
inline constexpr std::uint64_t kDmaSpan = 64 * kGiB;
inline constexpr std::uint64_t kMsiIova = std::uint64_t{1} << 44;
// Compute domains.
inline constexpr std::uint64_t kLinkControl = 0x8000'0000, kLinkWindow = std::uint64_t{64} << 32;
inline constexpr std::uint64_t kDram = 2 * kGiB;
// Every host has a second piece of memory, far up.
inline constexpr std::uint64_t kHighDram = std::uint64_t{1} << 40, kHighDramSize = 0x10'0000;
inline constexpr std::uint16_t kVfs = 8, kFirstVf = 0x80, kVfStride = 2;

inline std::uint64_t dma_window(unsigned k) {
  return static_cast<std::uint64_t>(k + 1) << 36;
}
inline std::uint64_t port_base(unsigned p) {
  return kMmio32 + p * kPortStride;
}
inline std::uint64_t msi_window(unsigned k) {
  return port_base(k - 1) + 0x10'0000;
}

// Where things are in a rack of several segments: hosts in groups, an endpoint last in each.
struct Layout {
  unsigned hosts = 2, segments = 1;
  unsigned segment_of(unsigned k) const { return (k - 1) * segments / hosts; }
  unsigned hosts_before(unsigned segment) const {
    unsigned count = 0;
    for (unsigned k = 1; k <= hosts; ++k) count += segment_of(k) < segment;
    return count;
  }
  unsigned hosts_in(unsigned segment) const { return hosts_before(segment + 1) - hosts_before(segment); }
  // On its switch; and among all ports of the domain, by address.
  unsigned ntb_port(unsigned k) const { return k - 1 - hosts_before(segment_of(k)); }
  unsigned nic_port(unsigned segment) const { return hosts_in(segment); }
  unsigned first_place(unsigned segment) const { return hosts_before(segment) + segment; }
  unsigned ntb_place(unsigned k) const { return first_place(segment_of(k)) + ntb_port(k); }
  unsigned nic_place(unsigned segment) const { return first_place(segment) + nic_port(segment); }
  // The first segment's endpoint has its VFs' BARs far up, the others beside the PF's.
  std::uint64_t vf_bars(unsigned segment) const {
    return segment == 0 ? kVfBars : port_base(nic_place(segment)) + 0x20'0000;
  }
};
inline pcie::Sbdf in_segment(unsigned segment, pcie::Bdf bdf) {
  return {pcie::HostSegment{static_cast<std::uint16_t>(segment)}, bdf};
}

class FakeFunction final : public pcie::Function {
 public:
  FakeFunction(pcie::ConfigSpace built, std::uint64_t& version)
      : space(std::move(built)), version_(version) {}
  std::uint32_t config_read(std::uint16_t offset, unsigned width) override {
    return space.read(offset, width);
  }
  void config_write(std::uint16_t offset, unsigned width, std::uint32_t value) override {
    if (space.write(offset, width, value)) ++version_;
    if (!space.take_flr_request()) return;
    space.reset();
    ++version_;
  }
  std::vector<pcie::BarRange> decoded() const override { return bars_of ? bars_of() : space.decoded(); }
  bool bus_master() const override { return space.bus_master(); }
  std::uint64_t register_read(std::uint8_t, std::uint64_t, unsigned) override { return 0; }
  void register_write(std::uint8_t, std::uint64_t, unsigned, std::uint64_t) override {}

  pcie::ConfigSpace space;
  std::function<std::vector<pcie::BarRange>()> bars_of;

 private:
  std::uint64_t& version_;
};

class FakeNic final : public pcie::Endpoint {
 public:
  FakeNic();
  pcie::Function* function(std::uint16_t index) override;
  std::vector<std::uint16_t> functions() const override;
  std::uint64_t decode_version() const override { return version_; }
  FakeFunction& pf() { return *pf_; }
  std::uint16_t index_of(unsigned vf) const { return static_cast<std::uint16_t>(kFirstVf + vf * kVfStride); }

 private:
  std::uint64_t version_ = 1;
  std::unique_ptr<FakeFunction> pf_;
  std::vector<std::unique_ptr<FakeFunction>> vfs_;
};

struct RigOptions {
  unsigned compute_hosts = 2;
  Defences defences;
  unsigned segments = 1;         // of the management host
  std::vector<NtbOptions> ntbs;  // [k - 1] of host k; the default shape where there is none
  iommu::Invalidation invalidation = iommu::Invalidation::strict;
};

class Rig : public Listener {
 public:
  // `enumerate`: bring everything up; else the rack is as after power-on.
  explicit Rig(const RigOptions& options = {}, bool enumerate = true);

  // ---- software's steps
  void enumerate();
  void write_ntb(unsigned k, std::uint32_t offset, std::uint32_t value);  // from the management host
  std::uint32_t read_ntb(unsigned k, std::uint32_t offset);
  void write_link(unsigned k, std::uint32_t offset, std::uint32_t value);  // from the compute host
  std::uint32_t read_link(unsigned k, std::uint32_t offset);
  // Returns the control register afterwards.
  std::uint32_t open_window(unsigned k, bool outbound, unsigned index, std::uint8_t bar, std::uint64_t offset,
                            std::uint64_t length, std::uint64_t to, std::uint32_t access = 6);
  void close_window(unsigned k, bool outbound, unsigned index);
  void set_lut(unsigned k, bool outbound, unsigned index, pcie::Bdf rid, std::uint8_t proxy);
  void clear_lut(unsigned k, bool outbound, unsigned index);
  // All that makes VF `vf` usable on compute host `k` as its slot-th: LUT, register window, MH IOMMU domain,
  // and a CH IOMMU domain in which Iova 0..length leads to `to`.
  iommu::DomainId assign(unsigned vf, unsigned k, unsigned slot, std::uint64_t to = 0x1000'0000,
                         std::uint64_t length = 0x10'0000);
  void set_acs(unsigned port, std::uint16_t bits, unsigned segment = 0);

  // ---- an NTB's doorbells: `link`, or the management side's
  static pcie::Bdf ntb_rid(unsigned k, bool link) { return pcie::Bdf(link ? 1u : 2 + k, 0, 0); }
  void write_side(unsigned k, bool link, std::uint32_t offset, std::uint32_t value) {
    link ? write_link(k, offset, value) : write_ntb(k, offset, value);
  }
  std::uint32_t read_side(unsigned k, bool link, std::uint32_t offset) {
    return link ? read_link(k, offset) : read_ntb(k, offset);
  }
  static pcie::Domain domain_of(unsigned k, bool link) {
    return link ? pcie::Domain{static_cast<std::uint16_t>(k)} : kMh;
  }
  // The enable and mask bits of its MSI-X capability.
  void set_msix(unsigned k, bool link, std::uint16_t bits);
  void set_message(unsigned k, bool link, const iommu::Message& message);
  // As its host's software does: a route for the function, its message in the table, all masks off.
  void route_doorbell(unsigned k, bool link, std::uint32_t vector);
  // Follows what the NTBs have emitted, and records what is refused.
  std::vector<Resolution> deliver();

  // VFs are those of the endpoint in `segment`.
  pcie::Bdf vf_rid(unsigned vf, unsigned segment = 0) {
    return fabric->rid(static_cast<std::uint16_t>(segment), nic.index_of(vf))->bdf;
  }
  static pcie::Bdf proxy_rid(unsigned slot) {
    return pcie::Bdf(static_cast<std::uint16_t>(0x100 + 1 + slot));
  }

  // ---- accesses
  pcie::Transaction dma(unsigned vf, std::uint64_t iova, pcie::Access access, std::uint32_t length = 4,
                        unsigned segment = 0);
  static pcie::Transaction cpu(pcie::Domain domain, std::uint64_t at, pcie::Access access,
                               std::uint32_t length = 4);
  static pcie::Transaction vm(pcie::Domain domain, unsigned vm, std::uint64_t gpa, pcie::Access access,
                              std::uint32_t length = 4);
  Resolution go(const pcie::Transaction& transaction) { return resolve(*fabric->tables(), transaction); }

  // ---- what the listener heard
  void access_changed(const Affected& affected) override { changes.push_back(affected); }
  std::vector<Affected> changes;

  FakeNic nic;                                      // of segment 0
  std::vector<std::unique_ptr<FakeNic>> more_nics;  // of the others
  std::unique_ptr<Fabric> fabric;
  std::vector<iommu::DomainId> nic_pages;  // per compute host: the VF pages that its CPU may touch
  unsigned hosts;
  Layout layout;

 private:
  void enumerate_segment(unsigned segment);
  void enable_vfs(unsigned segment);
  void bridge(pcie::Domain domain, pcie::Sbdf bdf, unsigned primary, unsigned secondary, unsigned subordinate,
              Range<BusAddr> memory, std::optional<Range<BusAddr>> prefetchable);
  void bar(pcie::Domain domain, pcie::Sbdf bdf, unsigned index, std::uint64_t base, bool wide);
  void config(pcie::Domain domain, pcie::Sbdf bdf, std::uint16_t offset, unsigned width,
              std::uint32_t value) {
    fabric->config_write(domain, bdf, offset, width, value);
  }
  pcie::Function* registers_at(const pcie::Transaction& transaction, std::uint64_t& offset);
};

// Why it was refused, as text; "" if it was not.
inline std::string why(const Resolution& r) {
  return r.refused() ? std::string(name(r.fault()->reason)) : std::string();
}
inline std::string why(Reason reason) {
  return std::string(name(reason));
}

}  // namespace ladon::fabric::test
