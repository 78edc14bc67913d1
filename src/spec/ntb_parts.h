// What non-transparent bridges of the market can hold and what they cannot do, as far as it decides what may
// be planned for them. The numbers are facts of published documents and drivers; doc/hardware/ntb.md has the
// same table with what else differs.
//
// generic       Our own programming interface at its largest (spec/ntb.h).
// plx-87xx      PLX/Broadcom PEX 8717 to 8796. ID tables: FreeBSD sys/dev/ntb/ntb_hw/ntb_hw_plx.c (a link
//               interface has 32 entries of bus and device, "function is passed through"; 128 or 256 A-LUT
//               slices of BAR 2; no limit registers), and Linux drivers/pci/quirks.c, quirk_plx_ntb_dma_alias
//               (256 proxies).
// switchtec     Microchip Switchtec PFX, PSX, PAX. Linux include/linux/switchtec.h, struct ntb_ctrl_regs:
//               req_id_table[512], lut_entry[512], six BARs; drivers/ntb/hw/mscc/ntb_hw_switchtec.c: windows
//               go by 4 KiB, and a window's address is aligned to its size.
// intel-xeon    Intel Xeon from Jasper Forest to Skylake. Xeon C5500/C3500 Datasheet, volume 1 (323103), 3.2
//               (two 64-bit windows with limits of 4 KiB) and 3.6.7 (every request carries the NTB's own
//               ID); Linux drivers/ntb/hw/intel/ntb_hw_gen1.h, XEON_MW_COUNT; ntb_hw_gen3.c: the address is
//               aligned to the BAR's size.
// amd           AMD Zeppelin (EPYC 7001) and later. Linux drivers/ntb/hw/amd/ntb_hw_amd.h and .c: BARs 1, 2/3
//               and 4/5, each with address and limit, 4 KiB, and no register of a requester-ID table; a
//               window's address is joined with the offset bit by bit (DPDK, raw/ntb for AMD), so aligned to
//               its length.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "spec/ntb.h"

namespace ladon::spec::ntb {

enum class Requesters : std::uint8_t {
  by_function,  // a table with an entry for each requester
  by_device,    // an entry for each bus and device: its functions share it, and are told apart behind it
  none,         // no table: everyone crosses as the NTB itself
};

struct Part {
  std::string_view name;  // of the profile in the rack file
  Requesters requesters{};
  std::uint16_t lut = 0;      // entries each way; 0 without a table
  std::uint16_t windows = 0;  // each way, at most kMaxWindows
  // Windows in the register BAR are slices: the BAR's size divided by this, or 4 KiB if that is more. 0: 4
  // KiB.
  std::uint16_t slices = 0;
  bool size_aligned = false;  // a window's address is a multiple of its length
  bool limits = true;         // a window may end before its BAR; else a window in the DMA BAR is all of it
};

inline constexpr std::array<Part, 5> kParts = {{
    {.name = "generic", .requesters = Requesters::by_function, .lut = kMaxLut, .windows = kMaxWindows},
    {.name = "plx-87xx",
     .requesters = Requesters::by_device,
     .lut = 32,
     .windows = kMaxWindows,
     .slices = 256,
     .size_aligned = false,
     .limits = false},
    {.name = "switchtec",
     .requesters = Requesters::by_function,
     .lut = 512,
     .windows = kMaxWindows,
     .size_aligned = true},
    {.name = "intel-xeon", .requesters = Requesters::none, .windows = 2, .size_aligned = true},
    {.name = "amd", .requesters = Requesters::none, .windows = 3, .size_aligned = true},
}};
inline constexpr const Part& kGenericPart = kParts.front();

// Of windows in a register BAR of `size` bytes, a power of two.
[[nodiscard]] constexpr std::uint64_t granule(const Part& part, std::uint64_t size) {
  constexpr std::uint64_t kPage = 4096;
  if (part.slices == 0) return kPage;
  const std::uint64_t slice = size / part.slices;
  return slice < kPage ? kPage : slice;
}

}  // namespace ladon::spec::ntb
