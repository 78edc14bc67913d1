#include "nic/tx_packet.h"

#include "nic/offload/frame.h"
#include "nic/options.h"
#include "nic/ring.h"

namespace ladon::nic {

namespace desc = spec::descriptor;
using offload::Network;
using offload::Transport;

namespace {

struct Raw {
  std::uint64_t address;
  std::uint32_t command, options;
};

Raw load(const std::byte* from) {
  return {load_le<std::uint64_t>(from), load_le<std::uint32_t>(from + desc::kTxCommand),
          load_le<std::uint32_t>(from + desc::kTxOptions)};
}

Transport transport_of(std::uint32_t command) {
  switch (command & desc::kTucmdL4Mask) {
    case desc::kTucmdTcp:
      return Transport::tcp;
    case desc::kTucmdUdp:
      return Transport::udp;
    case desc::kTucmdSctp:
      return Transport::sctp;
    default:
      return Transport::none;
  }
}

TxContext context_of(const Raw& raw) {
  const auto lengths = static_cast<std::uint32_t>(raw.address);
  return {.link_length = static_cast<std::uint16_t>(lengths >> desc::kContextMacLengthShift &
                                                    desc::kContextMacLengthMask),
          .network_length = static_cast<std::uint16_t>(lengths & desc::kContextIpLengthMask),
          .transport_length = static_cast<std::uint16_t>(raw.options >> desc::kContextL4LengthShift & 0xFF),
          .segment_size = static_cast<std::uint16_t>(raw.options >> desc::kContextMssShift),
          .vlan_tag = static_cast<std::uint16_t>(lengths >> desc::kContextVlanShift),
          .network = (raw.command & desc::kTucmdIpv4) != 0 ? Network::ipv4 : Network::ipv6,
          .transport = transport_of(raw.command)};
}

std::uint32_t context_index(std::uint32_t word) {
  return word >> desc::kTxContextIndexShift & 7;
}

VfFault check_length(const TxPacket& packet) {
  const std::uint32_t most =
      packet.segment ? kMaxLongPacket : kMaxFrame + static_cast<std::uint32_t>(offload::kVlanTag);
  const bool fits = packet.length >= offload::kEthernetHeader && packet.length <= most;
  return fits ? VfFault::none : VfFault::bad_packet_length;
}

}  // namespace

void TxParser::parse(ConstBytes descriptors, TxBatch& batch) {
  batch.packet_count = 0;
  batch.fault = VfFault::none;
  const auto count = static_cast<std::uint16_t>(descriptors.size() / kDescriptorBytes);
  std::uint16_t fragments = 0;
  bool inside = false;  // a packet has begun
  for (std::uint16_t i = 0; i < count; ++i) {
    const Raw raw = load(descriptors.data() + i * kDescriptorBytes);
    const std::uint32_t type = raw.command & desc::kTxTypeMask;
    if ((raw.command & desc::kTxExtension) == 0) {
      batch.fault = VfFault::legacy_descriptor;
      return;
    }
    if (type == desc::kTxTypeContext && !inside) {
      const std::uint32_t index = context_index(raw.options);
      if (index < contexts_.size()) contexts_[index] = context_of(raw);
      continue;
    }
    if (type != desc::kTxTypeData) {
      batch.fault = VfFault::unknown_descriptor;
      return;
    }

    TxPacket& packet = batch.packets[batch.packet_count];
    if (!inside) {
      inside = true;
      packet.first_fragment = fragments;
      packet.fragments = 0;
      packet.length = 0;
      // The first descriptor of a packet says what is to be done with all of it (7.2.3.2.4).
      packet.has_fcs = (raw.command & desc::kTxInsertFcs) != 0;
      packet.segment = (raw.command & desc::kTxSegment) != 0;
      packet.insert_vlan = (raw.command & desc::kTxVlanInsert) != 0;
      packet.insert_ip = (raw.options & desc::kTxInsertIpChecksum) != 0;
      packet.insert_transport = (raw.options & desc::kTxInsertL4Checksum) != 0;
      if (packet.offloads()) {
        const std::uint32_t index = context_index(raw.options);
        if (index >= contexts_.size()) {
          batch.fault = VfFault::bad_offload;
          return;
        }
        packet.context = contexts_[index];
      }
    }
    if (const std::uint32_t length = raw.command & desc::kTxLengthMask; length != 0) {
      batch.fragments[fragments++] = {raw.address, length};
      ++packet.fragments;
      packet.length += length;
    }
    if ((raw.command & desc::kTxEndOfPacket) == 0) continue;
    if (batch.fault = check_length(packet); batch.fault != VfFault::none) return;
    packet.report = (raw.command & desc::kTxReportStatus) != 0;
    packet.end = static_cast<std::uint16_t>(i + 1);
    ++batch.packet_count;
    inside = false;
  }
  if (batch.packet_count == 0 && count == kTxBatch) batch.fault = VfFault::too_many_descriptors;
}

}  // namespace ladon::nic
