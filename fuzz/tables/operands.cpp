#include "tables/operands.h"

namespace ladon::fuzz::tables {

namespace rig = fabric::test;

namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint8_t kAny = 0xFF, kBehind = 0xFE;

constexpr std::array<std::uint64_t, 24> kPlaces{0,
                                                rig::kDram,
                                                rig::kHighDram,
                                                rig::kHighDram + rig::kHighDramSize,
                                                rig::kMmio32,                     // NTB 1: registers
                                                rig::kMmio32 + 0x10'0000,         // MSI BAR
                                                rig::kMmio32 + rig::kPortStride,  // NTB 2
                                                rig::kMmio32 + rig::kPortStride + 0x10'0000,
                                                rig::kMmio32 + 2 * rig::kPortStride,  // the PF
                                                rig::kMmio32 + 3 * rig::kPortStride,  // past the last port
                                                rig::kVfBars,
                                                rig::kVfBars + 8 * rig::kVfBarSize,
                                                rig::kVfBars + 0x10'0000,
                                                rig::kVfBars + rig::kDmaSpan,      // NTB 1: DMA BAR
                                                rig::kVfBars + 2 * rig::kDmaSpan,  // NTB 2
                                                rig::kVfBars + 3 * rig::kDmaSpan,
                                                rig::kMsiIova,
                                                rig::kLinkControl + 0x10'0000,
                                                rig::kLinkWindow,
                                                rig::kLinkWindow + (64u << 20),
                                                spec::pci::kInterruptBase,
                                                spec::pci::kInterruptBase + spec::pci::kInterruptLength,
                                                0x1000'0000,
                                                ~(kPage - 1)};

}  // namespace

std::uint64_t address(Script& script) {
  const std::uint8_t place = script.u8();
  if (place == kAny) return script.u64();
  if (place == kBehind) return script.behind;
  const auto pages = static_cast<std::int8_t>(script.u8());
  return kPlaces[place % kPlaces.size()] + static_cast<std::uint64_t>(std::int64_t{pages}) * kPage;
}

std::uint64_t length(Script& script) {
  const std::uint8_t pages = script.u8();
  if (pages == kAny) return script.u64();
  // Pages, and from 0xE0 on powers of two up to the whole of a DMA BAR.
  return pages < 0xE0 ? pages * kPage : kPage << (pages - 0xE0);
}

Span span(Script& script) {
  const std::uint64_t first = address(script), bytes = length(script);
  const std::uint64_t last = bytes == 0 ? first : first + (bytes - 1);
  const Span made{first, last < first ? ~std::uint64_t{0} : last};
  script.behind = made.last + 1;
  return made;
}

pcie::Bdf requester(Script& script) {
  const std::uint8_t which = script.u8();
  if (which == kAny) return pcie::Bdf(script.u16());
  constexpr unsigned kNicBus = 3 + kComputeHosts;
  const unsigned low = which & 7;
  switch (which >> 3 & 7) {
    case 0:  // a VF
      return pcie::Bdf(static_cast<std::uint16_t>((kNicBus << 8) + rig::kFirstVf + low * rig::kVfStride));
    case 1:
      return pcie::Bdf(static_cast<std::uint16_t>(kNicBus << 8 | low));
    case 2:  // a compute host's bus: the NTB and its proxies
      return pcie::Bdf(static_cast<std::uint16_t>(0x100 | low));
    case 3:
      return pcie::Bdf(static_cast<std::uint16_t>(0x300 | low));
    case 4:
      return pcie::Bdf(static_cast<std::uint16_t>(0x400 | low));
    default:
      return pcie::Bdf(static_cast<std::uint16_t>(low));  // bus 0: the processor is 0
  }
}

pcie::AccessSet access(Script& script) {
  // Read and write more often than the others.
  return pcie::AccessSet{script.of(std::to_array<std::uint8_t>({3, 3, 3, 1, 2, 0}))};
}

pcie::Domain domain(Script& script) {
  return pcie::Domain{static_cast<std::uint16_t>(script.below(kComputeHosts + 1))};
}

}  // namespace ladon::fuzz::tables
