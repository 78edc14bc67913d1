// The device's packet memory as an account of bytes: one pool, cut into a partition for every virtual
// function. A frame is charged to its receiver from admission until its descriptors are written back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace ladon::nic {

class PacketMemory {
 public:
  PacketMemory(std::uint64_t pool_bytes, std::uint16_t vfs) : pool_(pool_bytes), partitions_(vfs) {
    for (auto& partition : partitions_) partition.size = pool_bytes / vfs;
  }

  [[nodiscard]] std::uint64_t pool() const { return pool_; }
  [[nodiscard]] std::uint64_t partition(std::uint16_t vf) const { return partitions_[vf].size; }
  [[nodiscard]] std::uint64_t held(std::uint16_t vf) const { return partitions_[vf].held; }
  // False if the pool does not have that many bytes left. A partition may become smaller than what it holds:
  // nothing is admitted until it has drained.
  bool set_partition(std::uint16_t vf, std::uint64_t bytes) {
    std::uint64_t others = 0;
    for (const auto& partition : partitions_) others += partition.size;
    others -= partitions_[vf].size;
    if (bytes > pool_ - others) return false;
    partitions_[vf].size = bytes;
    return true;
  }

  [[nodiscard]] bool fits(std::uint16_t vf, std::uint32_t bytes) const {
    return partitions_[vf].held + bytes <= partitions_[vf].size;
  }
  void hold(std::uint16_t vf, std::uint32_t bytes) { partitions_[vf].held += bytes; }
  void release(std::uint16_t vf, std::uint64_t bytes) { partitions_[vf].held -= bytes; }

 private:
  struct Partition {
    std::uint64_t size = 0, held = 0;
  };
  std::uint64_t pool_;
  std::vector<Partition> partitions_;
};

}  // namespace ladon::nic
