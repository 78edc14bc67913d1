// The engine where somebody's service level asks for order: functions send, and receive what is kept for
// them, in the turns that the schedulers give them.
#include <utility>

#include "nic/dma_tag.h"
#include "nic/engine.h"

namespace ladon::nic {

// The circumstances of all functions may have changed with the level of one.
void Engine::levels_changed() {
  const bool transmit = services_.transmit_in_turns();
  if (std::exchange(transmit_in_turns_, transmit) != transmit) {
    turns_.assign(vfs_.size(), {});
    for (std::uint16_t i = 0; i < vfs(); ++i) {
      services_.transmit().deactivate(i);
      vfs_[i]->set_allowance(transmit ? 0 : Vf::kNoTurns);
      // Whoever waited for a turn looks again at what it has.
      for (unsigned queue = 0; queue < Vf::kQueues; ++queue) ready_.add(i * Vf::kQueues + queue);
    }
  }
  for (const auto& vf : vfs_) {
    vf->refresh();
    if (services_.receive_in_turns()) vf->keep_frames();
  }
  end_keeping();
  hurry_borrowers();
}

// Without a limit nothing is kept any longer; what is kept already still goes its way.
void Engine::end_keeping() {
  receive_in_turns_ = services_.receive_in_turns();
  for (const auto& vf : vfs_) {
    if (!services_.receive_in_turns()) vf->stop_keeping();
    receive_in_turns_ |= vf->keeps();
  }
}

// Memory has been called in: stored frames that lie in it and have waited for buffers do so no longer.
void Engine::hurry_borrowers() {
  calls_seen_ = services_.memory().calls();
  for (std::uint16_t i = 0; i < vfs(); ++i)
    if (vfs_[i]->keeps() && services_.memory().called_in(i)) ready_.add(kStoreSource + i);
}

// Something is ready: those who go in turns are told to the schedulers, the others wait in round_.
void Engine::offer(unsigned source) {
  if (source >= kStoreSource) {
    const auto vf = static_cast<std::uint16_t>(source - kStoreSource);
    if (vfs_[vf]->keeps() && !vfs_[vf]->store().empty() && !services_.receive().active(vf))
      services_.receive().activate(vf, vfs_[vf]->store().front_charge(), now_);
  } else if (source == kWireSource || !transmit_in_turns_) {
    round_.add(source);
  } else {
    const auto vf = static_cast<std::uint16_t>(source / Vf::kQueues);
    turns_[vf].offer(source % Vf::kQueues);
    if (!services_.transmit().active(vf)) services_.transmit().activate(vf, turns_[vf].head(), now_);
  }
}

std::size_t Engine::run_turns(std::size_t budget) {
  std::size_t moved = 0;
  bool anyone = true;
  while (moved < budget && anyone) {
    anyone = false;
    if (services_.memory().calls() != calls_seen_) [[unlikely]]
      hurry_borrowers();
    while (!ready_.empty()) offer(ready_.take_first());
    if (receive_in_turns_) {
      if (const auto turn = services_.receive().next(now_)) {
        moved += receive_turn(*turn);
        anyone = true;
      }
    }
    if (transmit_in_turns_) {
      if (const auto turn = services_.transmit().next(now_)) {
        moved += transmit_turn(*turn);
        anyone = true;
      }
    }
    if (!round_.empty()) {
      moved += run_queue(round_.take_first());
      anyone = true;
    }
    flush();
    now_ = clock_.now();
  }
  return moved;
}

std::size_t Engine::transmit_turn(const qos::Scheduler::Turn& turn) {
  Vf& vf = *vfs_[turn.flow];
  QueueTurns& queues = turns_[turn.flow];
  const unsigned queue = queues.take();
  vf.set_allowance(turn.bytes);
  const auto progress = vf.tx(queue).run();
  const auto sent = static_cast<std::uint32_t>(turn.bytes - vf.allowance());
  vf.set_allowance(0);
  queues.set(queue, progress.wants != 0 ? progress.wants : progress.more ? QueueTurns::kUnknown : 0);
  services_.transmit().served(turn, sent, queues.head(), now_);
  return progress.packets;
}

std::size_t Engine::receive_turn(const qos::Scheduler::Turn& turn) {
  Vf& vf = *vfs_[turn.flow];
  std::size_t frames = 0;
  std::uint32_t bytes = 0;
  bool waits = false;
  while (vf.keeps() && !vf.store().empty() && !waits) {
    const std::uint32_t charge = vf.store().front_charge();
    if (bytes + charge > turn.bytes) break;
    waits = !vf.deliver_kept();
    if (waits) break;
    bytes += charge;
    ++frames;
  }
  const bool more = vf.keeps() && !vf.store().empty() && !waits;
  services_.receive().served(turn, bytes, more ? vf.store().front_charge() : 0, now_);
  if (!services_.receive_in_turns()) end_keeping();
  return frames;
}

void Engine::keep(Vf& to, const Frame& frame) {
  to.keep(frame);
  ready_.add(kStoreSource + to.index());
}

std::optional<Instant> Engine::next_turn(Instant now) const {
  std::optional<Instant> first;
  const auto consider = [&](const qos::Scheduler& scheduler) {
    const auto due = scheduler.deadline(now);
    if (due && (!first || *due < *first)) first = due;
  };
  if (transmit_in_turns_) consider(services_.transmit());
  if (receive_in_turns_) consider(services_.receive());
  return first;
}

}  // namespace ladon::nic
