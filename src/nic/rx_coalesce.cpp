// Receive coalescing at a queue: segments that go on where the last frame of the ring ends are put behind it,
// in its last buffer and the next ones, before anything of it is written back. So no byte is copied twice or
// kept anywhere but in its place, the order of frames in the ring is the order of their arrival, and what
// does not fit a run is an ordinary frame. A run ends with the batch: nobody waits for it.
#include <algorithm>

#include "nic/rx_queue.h"
#include "nic/vf.h"
#include "spec/descriptor.h"

namespace ladon::nic {

namespace desc = spec::descriptor;
using offload::Segment;
using pcie::Access;

namespace {

// Verified good; what is not known to be is left to the receiver segment by segment.
bool verified(std::uint32_t status) {
  return (status & (desc::kRxL4Checked | desc::kRxL4Error | desc::kRxIpError)) == desc::kRxL4Checked;
}

}  // namespace

bool RxQueue::gather(const Frame& frame, const Completion& completion, FrameSource& source) {
  std::optional<offload::Segment> segment;
  if (verified(completion.status)) {
    const auto headers = frame.headers ? *frame.headers : offload::parse_frame(frame.head, frame.length);
    segment = offload::coalescible(headers, frame.head, frame.length);
  }
  if (segment && run_.segments() != 0 && append(frame, completion, *segment)) return true;
  if (!end_run()) return false;
  const std::uint32_t first = used_;
  if (!deliver(frame, completion, source)) return false;
  if (segment && !segment->push) begin_run(frame, completion, *segment, first);
  return true;
}

void RxQueue::begin_run(const Frame& frame, const Completion& completion, const Segment& segment,
                        std::uint32_t first) {
  for (std::uint32_t i = first; i != used_; ++i)
    if (slot(i).outstanding != 0) return;
  if (slot(first).length() < segment.header || used_ - first > kMostRunSlots) return;
  using Taken = qos::OffloadContexts::Taken;
  if (vf_.contexts().take(qos::ContextKind::coalescing) != Taken::yes) return;
  run_.begin(frame.head, segment);
  run_completion_ = completion;
  run_first_ = first;
  run_starts_.fill(0);
  run_starts_[0] = 1;
}

// False, and nothing has changed, if the segment is not the run's next or there is no place for it.
bool RxQueue::append(const Frame& frame, const Completion& completion, const Segment& segment) {
  if (completion != run_completion_ || !run_.continues(frame.head, segment)) return false;
  Slot& last = slot(used_ - 1);
  const std::uint32_t held = last.length(), space = std::min(buffer_bytes_ - held, segment.payload);
  const std::uint32_t more = (segment.payload - space + buffer_bytes_ - 1) / buffer_bytes_;
  const std::uint32_t slots = used_ - run_first_;
  if (slots + more > kMostRunSlots || fetched_ - used_ < more) return false;
  // All places first: a part of a segment is nothing.
  std::array<std::byte*, kMostRunSlots + 1> places{};
  if (space != 0) places[0] = vf_.port().direct(Iova(last.buffer + held), space, Access::write);
  if (space != 0 && places[0] == nullptr) return false;
  for (std::uint32_t i = 0, left = segment.payload - space; i < more; ++i) {
    const std::uint32_t length = std::min(left, buffer_bytes_);
    places[i + 1] = vf_.port().direct(Iova(slot(used_ + i).buffer), length, Access::write);
    if (places[i + 1] == nullptr) return false;
    left -= length;
  }
  ++run_starts_[space != 0 ? slots - 1 : slots];
  std::uint32_t offset = segment.header;
  if (space != 0) {
    copy_part(frame, offset, space, places[0]);
    last.high += std::uint64_t{space} << 32;
    vf_.hold_memory(space);
    offset += space;
  }
  for (std::uint32_t i = 0; i < more; ++i) {
    const std::uint32_t length = std::min(frame.length - offset, buffer_bytes_);
    copy_part(frame, offset, length, places[i + 1]);
    fill(slot(used_++), completion, length, desc::kRxDone);
    offset += length;
  }
  run_.add(frame.head, segment);
  vf_.count_coalesced();
  if (segment.push) (void)end_run();
  return true;
}

// Says of the run's descriptors what they hold now. False if the tables refuse the headers' place, which they
// did not a moment ago.
bool RxQueue::end_run() {
  if (run_.segments() == 0) return true;
  const std::uint32_t segments = run_.segments();
  const ConstBytes headers = run_.headers();
  run_.end();
  vf_.give_back_context(qos::ContextKind::coalescing);
  if (segments == 1) return true;
  std::byte* const memory = vf_.port().direct(Iova(slot(run_first_).buffer),
                                              static_cast<std::uint32_t>(headers.size()), Access::write);
  if (memory == nullptr) {
    stop(VfFault::rx_buffer_refused);
    return false;
  }
  std::ranges::copy(headers, memory);
  for (std::uint32_t i = run_first_; i != used_; ++i) {
    Slot& each = slot(i);
    const std::uint32_t starting =
        std::min<std::uint32_t>(run_starts_[i - run_first_], desc::kRxCoalescedMost);
    const bool last = i + 1 == used_;
    each.low = std::uint64_t{run_completion_.hash} << 32 | run_completion_.info |
               starting << desc::kRxCoalescedShift;
    each.high = std::uint64_t{run_completion_.vlan} << 48 | std::uint64_t{each.length()} << 32 |
                desc::kRxDone | (last ? run_completion_.status | desc::kRxEndOfPacket : 0);
  }
  return true;
}

}  // namespace ladon::nic
