#include "qos/scheduler.h"

#include <algorithm>
#include <bit>

namespace ladon::qos {

namespace {

constexpr std::uint32_t kBits = 8;

std::uint64_t whole_bytes(const Bucket& bucket) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(bucket.units(), 0)) / kBits;
}

}  // namespace

Scheduler::Scheduler(const SchedulerOptions& options, Instant now)
    : quantum_(options.quantum),
      starvation_(options.starvation),
      flows_(options.flows),
      links_(options.flows),
      wheel_(options.flows) {
  set_capacity(options.capacity, options.capacity_burst, now);
  for (Flow& flow : flows_) flow.last = now;
}

void Scheduler::set_share(std::uint16_t id, const Share& share, Instant now) {
  Flow& flow = flows_[id];
  const std::uint32_t head = flow.head;
  deactivate(id);
  flow.share = share;
  flow.guaranteed = Bucket(share.guaranteed, share.guaranteed_burst * kBits);
  flow.most = Bucket(share.most, share.most_burst * kBits);
  flow.last = now;
  if (head != 0) activate(id, head, now);
}

void Scheduler::set_capacity(std::uint64_t bits_per_second, std::uint64_t burst_bits, Instant now) {
  limited_ = bits_per_second != 0;
  capacity_ = Bucket(bits_per_second, burst_bits);
  capacity_last_ = now;
}

// ---- tokens

void Scheduler::fill(Flow& flow, Instant now) {
  if (now <= flow.last) return;
  flow.guaranteed.advance(now - flow.last);
  flow.most.advance(now - flow.last);
  flow.last = now;
}

// A frame longer than the burst goes when the bucket is full: nobody waits for ever.
bool Scheduler::covers(const Bucket& bucket, std::uint32_t bytes) {
  return bucket.covers(std::min(std::uint64_t{bytes} * kBits, bucket.burst()));
}
Instant Scheduler::covered_at(const Bucket& bucket, std::uint32_t bytes, Instant now) {
  return now + bucket.until(std::min(std::uint64_t{bytes} * kBits, bucket.burst()));
}

void Scheduler::fill_capacity(Instant now) {
  if (now <= capacity_last_) return;
  capacity_.advance(now - capacity_last_);
  capacity_last_ = now;
}

// ---- who is where

void Scheduler::activate(std::uint16_t id, std::uint32_t head, Instant now) {
  flows_[id].head = head;
  place(id, now);
}

void Scheduler::deactivate(std::uint16_t id) {
  take_out(id);
  Flow& flow = flows_[id];
  flow.head = flow.deficit = 0;
  flow.visited = false;
}

// Puts a flow that is nowhere where it belongs.
void Scheduler::place(std::uint16_t id, Instant now) {
  Flow& flow = flows_[id];
  fill(flow, now);
  if (flow.share.most != 0 && !covers(flow.most, flow.head)) {
    flow.place = Place::held_back;
    wheel_.add(id, covered_at(flow.most, flow.head, now));
    return;
  }
  if (flow.share.guaranteed != 0) {
    if (covers(flow.guaranteed, flow.head)) {
      flow.place = Place::guaranteed;
      guaranteed_.push_back(links_, id);
      return;
    }
    // It is called from among the others when it is owed a frame again.
    wheel_.add(id, covered_at(flow.guaranteed, flow.head, now));
  }
  const std::uint8_t priority = flow.share.priority;
  flow.place = Place::shared;
  if (flow.deficit < flow.head) flow.visited = false;
  if (shared_[priority].empty()) {
    classes_ |= 1u << priority;
    passed_[priority] = 0;
  }
  shared_[priority].push_back(links_, id);
}

void Scheduler::take_out(std::uint16_t id) {
  Flow& flow = flows_[id];
  wheel_.remove(id);
  if (flow.place == Place::guaranteed) guaranteed_.remove(links_, id);
  if (flow.place == Place::shared) {
    const std::uint8_t priority = flow.share.priority;
    shared_[priority].remove(links_, id);
    if (shared_[priority].empty()) {
      classes_ &= ~(1u << priority);
      starving_ &= ~(1u << priority);
    }
  }
  flow.place = Place::none;
}

// What the flow waited for in the wheel has come, or is to be waited for a little longer.
void Scheduler::expired(std::uint16_t id, Instant now) {
  Flow& flow = flows_[id];
  if (flow.place == Place::shared) {
    fill(flow, now);
    if (!covers(flow.guaranteed, flow.head))
      return wheel_.add(id, covered_at(flow.guaranteed, flow.head, now));
  }
  take_out(id);
  place(id, now);
}

// ---- turns

// The flow of that priority whose turn it is: the first one whose deficit suffices. A flow that is given its
// quantum has enough, so this looks at two at most.
std::uint16_t Scheduler::front_of(std::uint8_t priority) {
  FlowList& list = shared_[priority];
  while (true) {
    Flow& flow = flows_[list.front()];
    if (!flow.visited) {
      flow.visited = true;
      flow.deficit += quantum(flow);
    }
    if (flow.deficit >= flow.head) return list.front();
    flow.visited = false;
    list.rotate(links_);
  }
}

// `bytes`, or what the flow's maximum rate and the capacity leave of them; its next frame at least, which all
// of them cover.
std::uint32_t Scheduler::most_bytes(const Flow& flow, std::uint64_t bytes) const {
  if (flow.share.most != 0) bytes = std::min(bytes, whole_bytes(flow.most));
  if (limited_) bytes = std::min(bytes, whole_bytes(capacity_));
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(bytes, flow.head));
}

std::optional<Scheduler::Turn> Scheduler::next(Instant now) {
  wheel_.advance(now, [&](std::uint16_t id) { expired(id, now); });
  if (!anyone()) return std::nullopt;
  const bool starved = starving_ != 0;
  const bool owed = !starved && !guaranteed_.empty();
  const auto priority =
      static_cast<std::uint8_t>(starved ? std::countr_zero(starving_) : 31 - std::countl_zero(classes_));
  const std::uint16_t id = owed ? guaranteed_.front() : front_of(priority);
  Flow& flow = flows_[id];
  head_ = flow.head;
  if (limited_) {
    fill_capacity(now);
    if (!covers(capacity_, flow.head)) return std::nullopt;
  }
  fill(flow, now);
  // A heavy flow's quantum is cut into turns, so that nobody's guarantee waits for the whole of it.
  const std::uint64_t bytes = owed ? whole_bytes(flow.guaranteed) : flow.deficit;
  return Turn{id, most_bytes(flow, std::min<std::uint64_t>(bytes, quantum_))};
}

void Scheduler::served(const Turn& turn, std::uint32_t bytes, std::uint32_t head, Instant now) {
  Flow& flow = flows_[turn.flow];
  const std::uint64_t bits = std::uint64_t{bytes} * kBits;
  fill(flow, now);
  if (limited_) capacity_.take(bits);
  if (flow.share.most != 0) flow.most.take(bits);
  // Whatever a flow is given counts towards what it is owed.
  if (flow.share.guaranteed != 0) flow.guaranteed.take_some(bits);
  if (flow.place == Place::shared) flow.deficit -= std::min(flow.deficit, bytes);
  count_passed(flow.place, flow.share.priority, bytes);
  if (head == 0) return deactivate(turn.flow);
  flow.head = head;
  // It stays at the front while its visit lasts.
  if (flow.place == Place::shared && flow.deficit >= head &&
      (flow.share.most == 0 || covers(flow.most, head)) &&
      (flow.share.guaranteed == 0 || !covers(flow.guaranteed, head)))
    return;
  take_out(turn.flow);
  place(turn.flow, now);
}

void Scheduler::count_passed(Place place, std::uint8_t priority, std::uint32_t bytes) {
  std::uint32_t waiting = classes_;
  if (place == Place::shared) {
    passed_[priority] = 0;
    starving_ &= ~(1u << priority);
    waiting &= ~(1u << priority);
  }
  for (; waiting != 0; waiting &= waiting - 1) {
    const auto other = static_cast<std::uint32_t>(std::countr_zero(waiting));
    passed_[other] += bytes;
    if (passed_[other] >= starvation_) starving_ |= 1u << other;
  }
}

std::optional<Instant> Scheduler::deadline(Instant now) const {
  std::optional<Instant> first = wheel_.next();
  if (!anyone()) return first;
  if (!limited_) return now;
  const Instant covered = covered_at(capacity_, head_, capacity_last_);
  return first ? std::min(*first, std::max(covered, now)) : std::max(covered, now);
}

}  // namespace ladon::qos
