// A transmit ring as a VF driver keeps it: advanced descriptors, a buffer of 2 KiB behind each, completion by
// the "done" bit of descriptors that asked for it. Intel 82599 Datasheet 7.2.3.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "client/mmio.h"
#include "client/vf_mailbox.h"
#include "spec/descriptor.h"

namespace ladon::client {

enum class Layer4 : std::uint8_t { udp = 0, tcp = 1, sctp = 2 };  // as TUCMD.L4T

// What a frame asks of the device. All lengths in bytes.
struct TxOffload {
  bool ip_checksum = false, l4_checksum = false, segment = false;
  bool ipv4 = true;
  Layer4 layer4 = Layer4::tcp;
  std::uint16_t link_length = 14, network_length = 20;
  std::uint16_t transport_length = 0, segment_size = 0;  // with segment
  std::optional<std::uint16_t> vlan = std::nullopt;      // the device inserts this tag

  [[nodiscard]] bool needs_context() const { return ip_checksum || l4_checksum || segment || vlan; }
};

// A part of a frame in memory that the device reaches.
struct TxPiece {
  Iova at;
  std::uint32_t length = 0;
};

class TxRing {
 public:
  static constexpr std::uint32_t kBuffer = 2048;

  // Takes ring and buffers from `arena`; `size` descriptors, a multiple of 8. `report_every`: of how many
  // packets one asks for its completion (1: the kernel's driver; 32: DPDK's) by transmit_batch.
  [[nodiscard]] static std::expected<TxRing, VfError> make(Mmio& registers, std::uint16_t queue,
                                                           std::uint16_t size, Arena& arena,
                                                           std::uint16_t report_every = 1);

  // Programs and enables the queue; the ring is empty afterwards.
  [[nodiscard]] std::expected<void, VfError> start();
  void stop();

  // Copies the frame into the ring's buffers; false if the ring has no room now. The doorbell rings at once
  // unless `more` follows.
  [[nodiscard]] bool send(ConstBytes frame, const TxOffload& offload = {}, bool more = false);
  // The same of a frame in pieces, one behind the other.
  [[nodiscard]] bool send(ConstBytes head, std::span<const ConstBytes> rest, const TxOffload& offload,
                          bool more);
  // Descriptors that a copied frame of `bytes` takes, its context included.
  [[nodiscard]] static constexpr std::uint32_t descriptors_for(std::uint32_t bytes) {
    return (bytes + kBuffer - 1) / kBuffer + 1;
  }
  // The same without a copy.
  [[nodiscard]] bool send(std::span<const TxPiece> pieces, const TxOffload& offload = {}, bool more = false);
  void ring_doorbell();
  // Takes back what the device has completed; returns how many descriptors that were.
  std::uint32_t reclaim();
  [[nodiscard]] bool idle() const { return clean_ == next_; }
  [[nodiscard]] std::uint32_t room() const;  // descriptors that can be written before reclaim()

  // For benchmarks: every buffer holds `frame` (at most kBuffer bytes), then transmit_batch sends up to
  // `count` of them and touches no payload. Returns how many it sent.
  void fill(ConstBytes frame);
  std::uint32_t transmit_batch(std::uint32_t count);

  // For tests of malformed rings: two words as they are.
  void put_raw(std::uint64_t low, std::uint64_t high);
  [[nodiscard]] std::uint32_t next() const { return next_; }
  [[nodiscard]] std::uint16_t size() const { return size_; }
  [[nodiscard]] Bytes memory() const { return ring_.bytes; }

 private:
  TxRing(Mmio& registers, std::uint16_t queue, std::uint16_t size, std::uint16_t report_every)
      : registers_(&registers), queue_(queue), size_(size), report_every_(report_every), watch_(size) {}
  [[nodiscard]] std::uint32_t reg(std::uint32_t offset) const;
  [[nodiscard]] std::byte* descriptor(std::uint32_t index) const {
    return ring_.bytes.data() + index * spec::descriptor::kSize;
  }
  [[nodiscard]] Iova buffer(std::uint32_t index) const {
    return Iova(buffers_.base.bits() + std::uint64_t{index} * kBuffer);
  }
  [[nodiscard]] std::uint32_t after(std::uint32_t index) const { return index + 1 == size_ ? 0 : index + 1; }
  void watch(std::uint32_t index);
  void put(std::uint64_t low, std::uint32_t command, std::uint32_t options);
  void put_context(const TxOffload& offload);
  void put_data(Iova at, std::uint32_t length, const TxOffload& offload, std::uint32_t payload, bool last);

  Mmio* registers_;
  std::uint16_t queue_, size_, report_every_;
  GuestMemory ring_{}, buffers_{};
  std::uint32_t next_ = 0;   // first free descriptor
  std::uint32_t clean_ = 0;  // first that is not known to be done
  std::uint32_t unreported_ = 0;
  std::uint32_t frame_length_ = 0;
  // Descriptors that will report, oldest at watch_head_: a ring as large as the descriptors'.
  std::vector<std::uint16_t> watch_;
  std::uint32_t watch_head_ = 0, watched_ = 0;
};

}  // namespace ladon::client
