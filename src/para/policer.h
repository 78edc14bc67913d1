// What the paravirtual path needs of a limit. A guest has one for what it sends and one for what it receives;
// who makes them decides what they measure.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "vhost/frame.h"

namespace ladon::para {

// What a frame comes to on a wire. A TCP segment that is still to be cut counts as what it will be cut into,
// headers repeated, so that no guest gets more through by leaving the cutting to others.
struct Load {
  std::uint64_t bytes = 0;  // without FCS
  std::uint32_t frames = 0;

  constexpr bool operator==(const Load&) const = default;
};

[[nodiscard]] constexpr Load load_of(const vhost::Frame& frame) {
  const vhost::Offload& offload = frame.offload;
  if (offload.segmentation == vhost::Segmentation::none) return {frame.length, 1};
  const std::uint32_t payload = frame.length - offload.header_length;
  const std::uint32_t segments = (payload + offload.segment_size - 1) / offload.segment_size;
  return {payload + std::uint64_t{segments} * offload.header_length, segments};
}

class Policer {
 public:
  virtual ~Policer() = default;
  // `load` may pass now. Nothing is taken: the frame may yet fail for another reason.
  [[nodiscard]] virtual bool allows(const Load& load, Instant now) = 0;
  // It has passed, at the same instant.
  virtual void charge(const Load& load, Instant now) = 0;
  // When allows() will say so if nothing is charged until then; nullopt: never. An early answer costs another
  // question, a late one throughput.
  [[nodiscard]] virtual std::optional<Instant> when(const Load& load, Instant now) const = 0;
};

}  // namespace ladon::para
