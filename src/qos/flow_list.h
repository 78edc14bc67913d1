// Lists of flows in the order of their turns. A flow is in one list at most, so that its links lie in one
// array and nothing is allocated.
#pragma once

#include <cstdint>
#include <vector>

namespace ladon::qos {

inline constexpr std::uint16_t kNoFlow = 0xFFFF;

struct FlowLink {
  std::uint16_t next = kNoFlow, previous = kNoFlow;
};
using FlowLinks = std::vector<FlowLink>;

class FlowList {
 public:
  [[nodiscard]] bool empty() const { return first_ == kNoFlow; }
  [[nodiscard]] std::uint16_t front() const { return first_; }
  void push_back(FlowLinks& links, std::uint16_t flow) {
    links[flow] = {.next = kNoFlow, .previous = last_};
    (last_ == kNoFlow ? first_ : links[last_].next) = flow;
    last_ = flow;
  }
  void remove(FlowLinks& links, std::uint16_t flow) {
    const FlowLink link = links[flow];
    (link.previous == kNoFlow ? first_ : links[link.previous].next) = link.next;
    (link.next == kNoFlow ? last_ : links[link.next].previous) = link.previous;
  }
  void rotate(FlowLinks& links) {
    if (first_ == last_) return;
    const std::uint16_t flow = first_;
    remove(links, flow);
    push_back(links, flow);
  }

 private:
  std::uint16_t first_ = kNoFlow, last_ = kNoFlow;
};

}  // namespace ladon::qos
