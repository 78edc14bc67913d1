// What happens between two batches, outside the measured time, so that ports remember less of their ways.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/memory_file.h"
#include "client/vf_driver.h"
#include "rack_bed.h"

namespace ladon::bench {

enum class Before : std::uint8_t {
  nothing,    // ports remember all ways that they took
  remapping,  // sender and receiver have unmapped and mapped a page: their ports remember nothing
  thrashing,  // a neighbour on the sender's host has sent, from more mappings than its port can remember
};

// The memory file of `bytes` mapped into a VM in pieces; its mappings end with the rack. Throws
// std::runtime_error where the rack refuses.
class ExtraMemory {
 public:
  ExtraMemory(RackBed& bed, unsigned station, std::size_t bytes);
  [[nodiscard]] Bytes bytes() { return {memory_.mapped_or_null(), memory_.size()}; }
  // The page `page` of the file appears at `at`.
  void map(Gpa at, std::size_t page);
  void unmap(Gpa at);

 private:
  RackBed& bed_;
  unsigned station_;
  FileDescriptor file_;
  MemoryFile memory_;
};

class Disturbance {
 public:
  Disturbance(RackBed& bed, Before kind);
  void run();

 private:
  void remap();
  void thrash();

  RackBed& bed_;
  Before kind_;
  std::vector<ExtraMemory> extra_;
  std::optional<client::VfDriver> neighbour_;
  std::vector<std::uint32_t> pages_;  // of the neighbour, in the order in which it sends from them
  std::size_t next_ = 0;
};

}  // namespace ladon::bench
