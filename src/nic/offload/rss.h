// Receive-side scaling: the Toeplitz hash over addresses and ports. Intel 82599 Datasheet 7.1.2.8; the hash
// and its published test vectors are Microsoft's ("Verifying the RSS Hash Calculation").
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "nic/offload/frame.h"

namespace ladon::nic::offload {

inline constexpr std::size_t kRssKeyBytes = 40;

// Which packets are hashed how: the bits of (VF)MRQC (8.2.3.7.12), and RSSE in bit 0.
inline constexpr std::uint32_t kRssEnable = 1u << 0, kRssTcpIpv4 = 1u << 16, kRssIpv4 = 1u << 17,
                               kRssIpv6 = 1u << 20, kRssTcpIpv6 = 1u << 21, kRssUdpIpv4 = 1u << 22,
                               kRssUdpIpv6 = 1u << 23;

// As the write-back's RSS type field says it (7.1.6.2).
enum class RssType : std::uint8_t {
  none = 0,
  tcp_ipv4 = 1,
  ipv4 = 2,
  tcp_ipv6 = 3,
  ipv6 = 5,
  udp_ipv4 = 7,
  udp_ipv6 = 8
};

struct RssHash {
  std::uint32_t hash = 0;  // 0 if type is none
  RssType type = RssType::none;
  constexpr bool operator==(const RssHash&) const = default;
};

// A key in a form that hashes fast. Changing it costs about as much as hashing a hundred packets.
class ToeplitzKey {
 public:
  ToeplitzKey() = default;  // the all-zero key: every hash is 0
  explicit ToeplitzKey(const std::array<std::uint8_t, kRssKeyBytes>& key);

  static constexpr std::size_t kMaxInput = 36;  // IPv6 addresses and ports
  // `input` of at most kMaxInput bytes, in network order: source and destination address, then ports.
  [[nodiscard]] std::uint32_t hash(ConstBytes input) const;

 private:
  // The hash is linear: the exclusive-or of what each four bits of input contribute at their place.
  std::array<std::array<std::uint32_t, 16>, 2 * kMaxInput> contribution_{};
};

// `types` is the value of VFMRQC. `snapshot` is what `headers` were parsed from. Fragments are hashed by
// their addresses alone.
[[nodiscard]] RssHash rss_hash(const ToeplitzKey& key, std::uint32_t types, const FrameHeaders& headers,
                               ConstBytes snapshot);

}  // namespace ladon::nic::offload
