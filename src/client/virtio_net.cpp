#include "client/virtio_net.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "spec/virtio.h"

namespace ladon::client {

namespace {

namespace virtio = spec::virtio;

[[nodiscard]] std::optional<VirtioQueue> made(std::uint64_t features, std::uint16_t size, Arena& arena) {
  return VirtioQueue::make({.size = size,
                            .event_idx = (features & virtio::kRingEventIdx) != 0,
                            .indirect = (features & virtio::kRingIndirect) != 0},
                           arena);
}

[[nodiscard]] VirtioNetHeader load_header(ConstBytes from) {
  const auto u16 = [from](std::size_t at) { return load_le<std::uint16_t>(&from[at]); };
  VirtioNetHeader header{.flags = std::to_integer<std::uint8_t>(from[virtio::kHeaderFlags]),
                         .gso_type = std::to_integer<std::uint8_t>(from[virtio::kHeaderGsoType]),
                         .header_length = u16(virtio::kHeaderLength),
                         .gso_size = u16(virtio::kHeaderGsoSize),
                         .checksum_start = u16(virtio::kHeaderChecksumStart),
                         .checksum_offset = u16(virtio::kHeaderChecksumOffset)};
  if (from.size() >= virtio::kHeaderBytes) header.buffers = u16(virtio::kHeaderBuffers);
  return header;
}

void store_header(const VirtioNetHeader& header, Bytes to) {
  std::array<std::byte, virtio::kHeaderBytes> bytes{};
  bytes[virtio::kHeaderFlags] = std::byte{header.flags};
  bytes[virtio::kHeaderGsoType] = std::byte{header.gso_type};
  store_le(&bytes[virtio::kHeaderLength], header.header_length);
  store_le(&bytes[virtio::kHeaderGsoSize], header.gso_size);
  store_le(&bytes[virtio::kHeaderChecksumStart], header.checksum_start);
  store_le(&bytes[virtio::kHeaderChecksumOffset], header.checksum_offset);
  store_le(&bytes[virtio::kHeaderBuffers], header.buffers);
  std::copy_n(bytes.begin(), to.size(), to.begin());
}

}  // namespace

VirtioQueue VirtioNet::make_queue(const VirtioNetOptions& options, std::uint16_t size, Arena& arena) {
  auto queue = made(options.features, size, arena);
  if (!queue) throw std::runtime_error("a virtio driver with too little memory");
  return std::move(*queue);
}

VirtioNet::VirtioNet(const VirtioNetOptions& options, GuestMemory memory)
    : options_(options),
      header_bytes_((options.features & (virtio::kVersion1 | virtio::kNetMergeable)) != 0
                        ? virtio::kHeaderBytes
                        : virtio::kLegacyHeaderBytes),
      arena_(memory),
      rx_(make_queue(options, options.rx_size, arena_)),
      tx_(make_queue(options, options.tx_size, arena_)) {
  const auto rx = arena_.take(std::size_t{options.rx_size} * (options.rx_buffer + kGap)),
             tx = arena_.take(std::size_t{options.tx_size} * options.tx_buffer);
  if (!rx || !tx) throw std::runtime_error("a virtio driver with too little memory");
  rx_memory_ = *rx, tx_memory_ = *tx;
  std::ranges::fill(rx_memory_.bytes, kCanary);
  for (std::uint64_t i = options.rx_size; i-- > 0;) free_rx_.push_back(i);
  for (std::uint64_t i = options.tx_size; i-- > 0;) free_tx_.push_back(i);
}

bool VirtioNet::offer_rx(std::uint64_t index) {
  std::array<VirtioQueue::Buffer, 16> pieces;
  const std::uint32_t count = std::min<std::uint32_t>(options_.rx_pieces, pieces.size());
  std::uint64_t at = rx_memory_.base.bits() + index * (options_.rx_buffer + kGap);
  const std::uint32_t part = options_.rx_buffer / count;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t length = i + 1 == count ? options_.rx_buffer - part * i : part;
    pieces[i] = {Iova(at), length, true};
    at += length;
  }
  return rx_.add(std::span(pieces).first(count), index);
}

bool VirtioNet::fill() {
  while (!free_rx_.empty() && offer_rx(free_rx_.back())) free_rx_.pop_back();
  return rx_.publish();
}

std::optional<VirtioNet::Received> VirtioNet::receive() {
  Received received;
  std::uint32_t left = 1;
  for (bool first = true; left > 0; first = false, --left) {
    const auto used = rx_.take();
    if (!used || used->length > options_.rx_buffer || (first && used->length < header_bytes_)) {
      broken_ = broken_ || used || !first;  // the buffers of one frame come all at once
      return std::nullopt;
    }
    ConstBytes bytes = rx_buffer(used->token).first(used->length);
    if (first) {
      received.header = load_header(bytes.first(header_bytes_));
      if ((options_.features & virtio::kNetMergeable) != 0) left = received.header.buffers;
      if (left == 0) return broken_ = true, std::nullopt;
      bytes = bytes.subspan(header_bytes_);
    }
    received.bytes.insert(received.bytes.end(), bytes.begin(), bytes.end());
    std::ranges::fill(rx_buffer(used->token), kCanary);
    free_rx_.push_back(used->token);
  }
  return received;
}

bool VirtioNet::send(ConstBytes frame, const VirtioNetHeader& header, std::span<const std::uint32_t> cuts) {
  const std::size_t bytes = header_bytes_ + frame.size();
  if (free_tx_.empty() || bytes > options_.tx_buffer) return false;
  const std::uint64_t index = free_tx_.back();
  const Bytes buffer = tx_buffer(index);
  store_header(header, buffer.first(header_bytes_));
  std::ranges::copy(frame, buffer.begin() + header_bytes_);
  std::vector<VirtioQueue::Buffer> pieces;
  const std::uint64_t base = tx_memory_.base.bits() + index * options_.tx_buffer;
  std::uint32_t at = 0;
  for (const std::uint32_t cut : cuts) {
    if (cut == 0 || at + cut >= bytes) break;
    pieces.push_back({Iova(base + at), cut, false});
    at += cut;
  }
  pieces.push_back({Iova(base + at), static_cast<std::uint32_t>(bytes - at), false});
  if (!tx_.add(pieces, index)) return false;
  free_tx_.pop_back();
  return true;
}

void VirtioNet::reclaim() {
  while (const auto used = tx_.take()) {
    broken_ = broken_ || used->length != 0;
    free_tx_.push_back(used->token);
  }
}

bool VirtioNet::broken() const {
  return broken_ || rx_.broken() || tx_.broken() || !canaries_hold();
}

bool VirtioNet::canaries_hold() const {
  for (std::uint64_t i = 0; i < options_.rx_size; ++i) {
    const Bytes gap = rx_memory_.bytes.subspan(i * (options_.rx_buffer + kGap) + options_.rx_buffer, kGap);
    if (!std::ranges::all_of(gap, [](std::byte b) { return b == kCanary; })) return false;
  }
  // A buffer that is not the device's has been given back, read and painted again.
  return std::ranges::all_of(free_rx_, [this](std::uint64_t i) {
    return std::ranges::all_of(rx_buffer(i), [](std::byte b) { return b == kCanary; });
  });
}

void VirtioNet::preload(ConstBytes frame) {
  preloaded_ = static_cast<std::uint32_t>(header_bytes_ + frame.size());
  for (std::uint64_t i = 0; i < options_.tx_size; ++i) {
    store_header({}, tx_buffer(i).first(header_bytes_));
    std::ranges::copy(frame, tx_buffer(i).begin() + header_bytes_);
  }
}

std::uint32_t VirtioNet::transmit_batch(std::uint32_t count) {
  reclaim();
  std::uint32_t sent = 0;
  for (; sent < count && !free_tx_.empty(); ++sent) {
    const std::uint64_t index = free_tx_.back();
    const VirtioQueue::Buffer whole{Iova(tx_memory_.base.bits() + index * options_.tx_buffer), preloaded_};
    if (!tx_.add({&whole, 1}, index)) break;
    free_tx_.pop_back();
  }
  tx_.publish();
  return sent;
}

std::uint32_t VirtioNet::receive_batch(std::uint32_t count) {
  std::uint32_t received = 0;
  for (; received < count; ++received) {
    const auto used = rx_.take();
    if (!used) break;
    free_rx_.push_back(used->token);
  }
  fill();
  return received;
}

}  // namespace ladon::client
