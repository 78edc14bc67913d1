// Equal frames from a bed's first station to its second, in batches, by native drivers with rings of 256 that
// reuse their buffers and leave the payload alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bed.h"
#include "client/vf_driver.h"

namespace ladon::bench {

// A driver that polls, as the benchmarks use it. Throws std::runtime_error if it cannot start.
[[nodiscard]] client::VfDriver open_driver(const Station& station);

// From now on every buffer of `sender` holds a frame of `bytes` (FCS not counted) for `receiver`.
void fill_frames(client::VfDriver& sender, const client::VfDriver& receiver, std::size_t bytes);

class Stream {
 public:
  static constexpr std::uint32_t kBatch = 128;

  // The bed outlives the stream.
  Stream(Bed& bed, std::size_t bytes);

  // Sends up to kBatch frames, lets the engine work, takes them.
  struct Batch {
    std::uint32_t sent = 0, received = 0;
    double seconds = 0;  // the engine's
  };
  Batch batch();

 private:
  Bed& bed_;
  client::VfDriver sender_, receiver_;
};

// `values` is reordered; not empty.
[[nodiscard]] inline double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace ladon::bench
