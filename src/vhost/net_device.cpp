#include "vhost/net_device.h"

namespace ladon::vhost {

namespace {

namespace virtio = spec::virtio;
using spec::vhost_user::kProtocolFeatures;

}  // namespace

std::uint64_t NetDevice::offer(Offloads offloads) {
  std::uint64_t features = virtio::kVersion1 | virtio::kRingEventIdx | virtio::kRingIndirect |
                           virtio::kNetMergeable | kProtocolFeatures;
  if (!offloads.checksum) return features;
  features |= virtio::kNetChecksum | virtio::kNetGuestChecksum;
  if (offloads.segmentation)
    features |= virtio::kNetHostTso4 | virtio::kNetHostTso6 | virtio::kNetGuestTso4 | virtio::kNetGuestTso6;
  return features;
}

SplitRing::Features NetDevice::ring_features() const {
  return {.event_idx = (features_ & virtio::kRingEventIdx) != 0,
          .indirect = (features_ & virtio::kRingIndirect) != 0};
}

void NetDevice::set_features(std::uint64_t features) {
  features_ = features;
  net_ = NetFeatures::of(features);
  receive_.vring().set_features(ring_features());
  transmit_.vring().set_features(ring_features());
}

void NetDevice::set_memory(GuestMemory memory) {
  auto& next = memories_[current_ ^ 1];
  next.emplace(std::move(memory));
  receive_.vring().move_to(*next);
  transmit_.vring().move_to(*next);
  transmit_.prepare(*next);
  memories_[current_].reset();
  current_ ^= 1;
}

Vring* NetDevice::vring(std::uint32_t queue) {
  if (queue == virtio::kReceiveQueue) return &receive_.vring();
  if (queue == virtio::kTransmitQueue) return &transmit_.vring();
  return nullptr;
}

Vring::Outcome NetDevice::start(Vring& vring) {
  if (vring.started()) return {};  // it has only got another eventfd
  const auto started = vring.start(memory_or_null(), ring_features());
  if (!started) return started;
  // vhost-user, "Ring states": disabled until SET_VRING_ENABLE, which is one of the protocol features.
  if ((features_ & kProtocolFeatures) == 0) vring.set_enabled(true);
  // New receive buffers are nothing to wake up for, unless a frame waits for them.
  if (&vring == &receive_.vring()) receive_.stop_waiting();
  return {};
}

void NetDevice::reset() {
  for (Vring* vring : {&receive_.vring(), &transmit_.vring()}) {
    static_cast<void>(vring->stop());
    vring->set_enabled(false);
  }
  set_features(0);
}

void NetDevice::forget() {
  reset();
  receive_.vring().forget();
  transmit_.vring().forget();
  memories_[current_].reset();
}

bool NetDevice::link() const {
  const auto carries = [](const Vring& vring) { return vring.running() && vring.enabled(); };
  return carries(receive_.vring()) && carries(transmit_.vring());
}

}  // namespace ladon::vhost
