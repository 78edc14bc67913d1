// Ethernet frames for tests, and the checksums in the plainest possible form: what the offloads are judged
// by.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/mac.h"

namespace ladon::client {

using Frame = std::vector<std::byte>;

enum class Carries : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };

struct FrameSpec {
  MacAddress destination{{2, 0, 0, 0, 0, 2}}, source{{2, 0, 0, 0, 0, 1}};
  std::optional<std::uint16_t> vlan = std::nullopt;
  bool ipv6 = false;
  Carries carries = Carries::udp;
  std::size_t payload = 18;     // bytes behind the transport header, filled from `seed`
  std::size_t ip_options = 0;   // bytes, a multiple of 4 (IPv4) or 8 (IPv6: one destination-options header)
  std::size_t tcp_options = 0;  // bytes, a multiple of 4
  std::uint16_t source_port = 1000, destination_port = 2000, identification = 7;
  std::uint32_t sequence = 1;
  std::uint8_t tcp_flags = 0x10;
  std::uint32_t seed = 1;
  // Off: the transport checksum field holds the pseudo header's sum, as a driver leaves it for the device.
  bool transport_checksum = true;
};

struct FrameLayout {
  std::size_t network = 0, transport = 0, payload = 0, size = 0;
};
[[nodiscard]] FrameLayout layout_of(const FrameSpec& spec);
[[nodiscard]] Frame make_frame(const FrameSpec& spec);

// Byte by byte: the folded ones'-complement sum, not complemented.
[[nodiscard]] std::uint16_t plain_sum(ConstBytes bytes, std::uint32_t start = 0);
// Sum of the TCP or UDP pseudo header of the IP packet at `network`.
[[nodiscard]] std::uint16_t plain_pseudo_header(ConstBytes frame, std::size_t network, std::uint8_t protocol,
                                                std::size_t transport_length);
// Bit by bit.
[[nodiscard]] std::uint32_t plain_crc32c(ConstBytes bytes);
// True if every checksum in the frame is right; UDP over IPv4 may carry none.
[[nodiscard]] bool checksums_hold(ConstBytes frame);

}  // namespace ladon::client
