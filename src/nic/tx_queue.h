// One transmit queue, as a machine of stages over a batch of descriptors:
//   idle -> fetching (descriptors) -> moving (payload to the switch, packet by packet) -> draining (until all
//   deliveries have landed) -> writing back -> idle
// A stage whose DMA is pending parks the queue; the completion makes it ready and run() goes on where it
// stopped. Live ports never answer `pending`, so a batch goes through in one call. Intel 82599
// Datasheet 7.2.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/time.h"
#include "nic/counters.h"
#include "nic/frame.h"
#include "nic/offload/segment.h"
#include "nic/ring.h"
#include "nic/tx_packet.h"
#include "pcie/dma.h"

namespace ladon::nic {

class Vf;
struct DmaWork;

class TxQueue {
 public:
  TxQueue(Vf& vf, std::uint8_t id, std::uint8_t index);

  [[nodiscard]] bool live() const { return live_; }
  struct Progress {
    std::uint32_t packets = 0;
    bool more = false;        // call again; otherwise a doorbell or a completion makes the queue ready
    std::uint32_t wants = 0;  // bytes: call again when the function may send so many
  };
  Progress run();
  void completed(const DmaWork& work, pcie::DmaStatus status);
  [[nodiscard]] FrameSource& source() { return source_; }

  // Nothing of this queue's is under way.
  [[nodiscard]] bool quiet() const { return outstanding_ == 0 && source_.outstanding() == 0; }
  // The last of this queue's frames has landed, or been lost.
  void deliveries_done();
  void refresh();
  void reset();
  void scrub();  // after reset, when quiet

  RingRegisters ring;
  [[nodiscard]] std::uint32_t head() const { return head_; }
  void set_head(std::uint32_t value);
  [[nodiscard]] std::uint32_t tail() const { return tail_; }
  void set_tail(std::uint32_t value);
  [[nodiscard]] std::uint32_t control() const { return control_; }
  void set_control(std::uint32_t value);
  // Kept, without effect: completion is reported in descriptors alone, as the drivers ask for.
  std::uint32_t head_write_back_low = 0, head_write_back_high = 0;

 private:
  enum class Stage : std::uint8_t { idle, fetching, moving, draining, writing_back };
  enum class Moved : std::uint8_t { done, waiting, faulted };
  static constexpr std::size_t kStagingBytes = std::size_t{128} << 10;
  static constexpr std::uint32_t kUsualHead = 128;

  bool begin();
  bool read_descriptors(std::uint32_t first, std::uint32_t count, std::size_t at);
  void parse();
  bool move();
  Moved move_packet(const TxPacket& packet);
  void resolve();
  bool gather_direct(const TxPacket& packet);
  bool issue_reads();
  bool snapshot(const TxPacket& packet);
  Moved send(const TxPacket& packet);
  // NicOptions::Mutations::no_snapshot.
  void look_again(const TxPacket& packet);
  Moved send_whole(const TxPacket& packet);
  Moved send_segments(const TxPacket& packet);
  [[nodiscard]] std::uint16_t segment_size(const TxPacket& packet) const;
  void give_back_context();
  void slice(std::uint32_t offset, std::uint32_t length);
  Moved hand_over(Bytes head, std::uint32_t length, const TxPacket& packet);
  bool settle_tag(Frame& frame, Bytes& head, const TxPacket& packet);
  Moved refuse(VfDrop reason, const TxPacket& packet);
  Moved fail(VfFault fault);
  void write_back();
  void finish();
  void stop(VfFault fault);
  void abandon();

  Vf& vf_;
  FrameSource source_;
  std::uint8_t id_, index_;
  bool live_ = false, stopped_ = false, abandoned_ = false;
  bool has_context_ = false;  // of segmentation, charged to the function's partition
  bool report_ = false;       // a write-back is to cause an interrupt
  Stage stage_ = Stage::idle;
  VfFault stop_for_ = VfFault::none;  // when the packets before it are done
  std::uint32_t head_ = 0, tail_ = 0, control_ = 0;
  std::uint32_t outstanding_ = 0;  // reads and write-backs; deliveries are counted by source_
  RingShape shape_;

  // The batch.
  std::uint32_t count_ = 0;       // descriptors
  std::uint32_t next_ = 0;        // packet
  std::uint32_t staged_end_ = 0;  // packets before it have been read to staging_
  std::uint32_t segment_ = 0;     // of the packet
  std::uint32_t wants_ = 0;       // the length of the frame at hand, if it waits for the function's turn
  std::optional<offload::Segmenter> segmenter_;
  std::uint16_t segment_size_ = 0;  // of the payload of one of its frames
  bool whole_ = false;              // which is longer than the driver asked for
  TxParser parser_;
  TxBatch batch_;
  std::array<std::byte, kTxBatch * kDescriptorBytes> raw_{};
  std::array<std::uint32_t, kTxBatch> staged_at_{};  // where in staging_ a packet is
  std::unique_ptr<std::byte[]> staging_;
  std::size_t staging_used_ = 0, staging_high_water_ = 0;

  // Where fragments are, for the duration of one run(); null: not directly reachable.
  std::array<const std::byte*, kTxBatch> resolved_{};

  // The packet: its head, a private copy; what follows it; the slice of that which one segment takes.
  alignas(64) std::array<std::byte, offload::kMaxSnapshot> head_bytes_{}, segment_head_{};
  std::uint32_t head_length_ = 0;
  std::array<ConstBytes, kMaxPacketDescriptors> pieces_{}, slices_{};
  std::size_t pieces_first_ = 0, pieces_end_ = 0, slices_end_ = 0;
};

}  // namespace ladon::nic
