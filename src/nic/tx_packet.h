// Packets as transmit descriptors describe them: a pure function from a private copy of descriptors to
// packets, so that no check can be undone by a guest that rewrites its ring. Intel 82599 Datasheet 7.2.3.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "nic/fault.h"
#include "nic/offload/checksum.h"
#include "nic/offload/segment.h"
#include "spec/descriptor.h"

namespace ladon::nic {

// Descriptors taken in one batch, and the most that one packet may have (the datasheet's limit is 40).
inline constexpr std::uint32_t kTxBatch = 64, kMaxPacketDescriptors = kTxBatch;
// Bytes of a packet to be segmented: 64 KiB and its headers.
inline constexpr std::uint32_t kMaxLongPacket = 65536 + 256;

// What a context descriptor says.
struct TxContext {
  std::uint16_t link_length = 0, network_length = 0, transport_length = 0;  // MACLEN, IPLEN, L4LEN
  std::uint16_t segment_size = 0, vlan_tag = 0;
  offload::Network network = offload::Network::none;
  offload::Transport transport = offload::Transport::none;

  [[nodiscard]] std::uint32_t headers() const { return link_length + network_length + transport_length; }
};

struct TxFragment {
  std::uint64_t address = 0;
  std::uint32_t length = 0;
};

struct TxPacket {
  std::uint16_t first_fragment = 0, fragments = 0;
  std::uint16_t end = 0;  // descriptors from the start of the batch to the end of this packet
  bool report = false;    // RS: write back when done
  bool has_fcs = false;   // IFCS
  bool segment = false;   // TSE
  bool insert_ip = false, insert_transport = false, insert_vlan = false;
  std::uint32_t length = 0;
  TxContext context;  // valid if an offload is asked for

  [[nodiscard]] bool offloads() const { return segment || insert_ip || insert_transport || insert_vlan; }
};

struct TxBatch {
  std::array<TxPacket, kTxBatch> packets;
  std::array<TxFragment, kTxBatch> fragments;
  std::uint32_t packet_count = 0;
  // What is wrong with the packet behind the last one; `none` if the batch merely ends.
  VfFault fault = VfFault::none;
};

class TxParser {
 public:
  // `descriptors`: a multiple of 16 bytes, at most kTxBatch of them. A packet without an end is left out, and
  // is to be read again with what follows it; if nothing precedes it and the batch is full it is a fault.
  void parse(ConstBytes descriptors, TxBatch& batch);
  void reset() { contexts_ = {}; }

 private:
  std::array<TxContext, spec::descriptor::kContexts> contexts_{};
};

}  // namespace ladon::nic
