// The model's bridges, BARs and NTBs from what the hardware's registers say of themselves, by the
// specifications' offsets and bits alone: no table of the fabric is looked at.
#pragma once

#include "fabric/rig.h"
#include "tables/model.h"

namespace ladon::fuzz::tables {

inline constexpr std::uint16_t kNtbWindows = 6, kNtbLut = 6;  // each way
inline constexpr std::uint64_t kDmaBarSize = std::uint64_t{64} << 30, kRegisterBarSize = 64u << 20;

// Bridges and BARs of all; bridges that bus numbers do not lead to any more are as they were.
void read_configuration(fabric::test::Rig& rig, Model& model);
// The tables of NTB `ntb`, which must be such as spec/ntb.h permits.
void read_ntb(fabric::test::Rig& rig, Model& model, std::size_t ntb);

// A window by the rules of spec/ntb.h, if nothing else were enabled: may it be?
[[nodiscard]] bool is_legal(bool outbound, std::uint8_t bar, std::uint64_t offset, std::uint64_t length,
                            std::uint64_t to);

}  // namespace ladon::fuzz::tables
