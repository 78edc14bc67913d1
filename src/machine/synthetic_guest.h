// A guest without QEMU: memory of ours behind a guest's slot, so that the tables are as they would be with a
// real one.
#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "base/memory_file.h"
#include "machine/machine.h"

namespace ladon::machine {

// Where QEMU's q35 puts a 64-bit BAR of a guest with little memory; any address that is not memory would do.
inline constexpr Gpa kGuestBar0{0xE000'0000};

// A sealed file of `bytes` zero bytes. The error is a sentence.
[[nodiscard]] std::expected<FileDescriptor, std::string> sealed_memory(std::uint64_t bytes);

// Attaches as a guest would: all of its memory from Gpa 0, and every vector. On the engine's thread. Where a
// guest's second-level tables put BAR 0 is returned; the rack's tables have that mapping too.
struct SyntheticGuest {
  MemoryFile memory;
  Gpa registers;
};
[[nodiscard]] std::expected<SyntheticGuest, std::string> attach_synthetic_guest(Machine& machine,
                                                                                std::size_t guest);

// Where BAR 0 of a guest's VF is in its host's domain; nullopt while it has none.
[[nodiscard]] std::optional<BusAddr> register_address(const ch::HostPart& part, std::uint8_t slot);
[[nodiscard]] std::optional<BusAddr> register_address(const Machine& machine, std::size_t guest);
// As the DMA engine of its VF emits a request.
[[nodiscard]] pcie::Transaction dma_transaction(const Machine& machine, std::size_t guest, Iova at,
                                                std::uint32_t length, pcie::Access access);

}  // namespace ladon::machine
