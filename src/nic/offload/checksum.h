// Checksums that the NIC inserts into frames sent and verifies in frames received. Intel 82599 Datasheet
// 7.2.5 (transmit) and 7.1.11 (receive).
//
// On transmit the driver seeds the checksum field with the sum of the pseudo header, and the NIC sums from
// the start of the layer to the end of the frame, seed included; so it needs no pseudo header of its own and
// works behind any encapsulation whose length the context states.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "nic/offload/frame.h"
#include "nic/offload/sum.h"

namespace ladon::nic::offload {

// Why an offload that a descriptor asked for cannot be done.
enum class OffloadFlaw : std::uint8_t {
  none,
  link_length,       // MACLEN below 14 or beyond the snapshot
  network_length,    // IPLEN below 20 (IPv4) or 40 (IPv6), or beyond the snapshot
  transport_length,  // L4LEN too short for its protocol, or beyond the snapshot
  segment_size,      // MSS 0, or a segment would exceed 65535 bytes of IP packet
  payload_length,    // more payload than a descriptor can state
  protocol,          // SCTP cannot be segmented
  count_
};
[[nodiscard]] std::string_view name(OffloadFlaw flaw);

// What POPTS and the context ask for, in bytes.
struct ChecksumRequest {
  bool ip = false;                        // POPTS.IXSM
  Transport transport = Transport::none;  // POPTS.TXSM: the type that TUCMD.L4T states
  std::uint16_t link_length = 0;          // MACLEN
  std::uint16_t network_length = 0;       // IPLEN: from the IP header to the transport header
};

// The bytes of a frame behind its snapshot, in order.
using Rest = std::span<const ConstBytes>;

// Writes the checksums asked for into `snapshot`, the frame's first bytes: all fields must lie within it.
[[nodiscard]] std::expected<void, OffloadFlaw> insert_checksums(const ChecksumRequest& request,
                                                                Bytes snapshot, Rest rest);
// The same with the sum of the rest already at hand; not for SCTP (OffloadFlaw::protocol).
[[nodiscard]] std::expected<void, OffloadFlaw> insert_checksums(const ChecksumRequest& request,
                                                                Bytes snapshot, const InternetSum& rest);

// Sum of the TCP or UDP pseudo header. `snapshot` is what `headers` were parsed from.
[[nodiscard]] InternetSum pseudo_header(const FrameHeaders& headers, ConstBytes snapshot,
                                        std::uint32_t transport_length);

struct ChecksumStatus {
  bool ip_checked = false, ip_wrong = false;
  bool transport_checked = false, transport_wrong = false;
  bool udp = false;
  constexpr bool operator==(const ChecksumStatus&) const = default;
};

// What a receiver finds in a frame. Nothing is checked in fragments, behind a flaw, or where UDP over IPv4
// carries no checksum. Bytes behind the end of the IP packet (padding) do not count.
[[nodiscard]] ChecksumStatus verify_checksums(const FrameHeaders& headers, ConstBytes snapshot, Rest rest);
// The IPv4 header alone: for frames whose payload is known to be good.
[[nodiscard]] ChecksumStatus verify_ip_checksum(const FrameHeaders& headers, ConstBytes snapshot);

// As the status and error word of the receive write-back (spec::descriptor::kRxStatus) says it.
[[nodiscard]] std::uint32_t status_bits(const ChecksumStatus& status);

}  // namespace ladon::nic::offload
