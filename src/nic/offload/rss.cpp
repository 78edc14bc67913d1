#include "nic/offload/rss.h"

namespace ladon::nic::offload {
namespace {

// Bits `at` .. `at` + 31 of the key, the first bit of the first byte being bit 0.
[[nodiscard]] std::uint32_t window(const std::array<std::uint8_t, kRssKeyBytes>& key, std::size_t at) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    const std::size_t index = at / 8 + i;
    bits = bits << 8 | (index < key.size() ? key[index] : 0u);
  }
  return static_cast<std::uint32_t>(bits >> (8 - at % 8));
}

[[nodiscard]] RssType type_of(std::uint32_t types, const FrameHeaders& headers) {
  if ((types & kRssEnable) == 0 || headers.network == Network::none) return RssType::none;
  const bool ipv4 = headers.network == Network::ipv4;
  const auto enabled = [&](std::uint32_t v4, std::uint32_t v6) { return (types & (ipv4 ? v4 : v6)) != 0; };
  if (headers.transport == Transport::tcp && enabled(kRssTcpIpv4, kRssTcpIpv6))
    return ipv4 ? RssType::tcp_ipv4 : RssType::tcp_ipv6;
  if (headers.transport == Transport::udp && enabled(kRssUdpIpv4, kRssUdpIpv6))
    return ipv4 ? RssType::udp_ipv4 : RssType::udp_ipv6;
  if (enabled(kRssIpv4, kRssIpv6)) return ipv4 ? RssType::ipv4 : RssType::ipv6;
  return RssType::none;
}

}  // namespace

ToeplitzKey::ToeplitzKey(const std::array<std::uint8_t, kRssKeyBytes>& key) {
  for (std::size_t place = 0; place < contribution_.size(); ++place)
    for (std::size_t bits = 0; bits < 16; ++bits)
      for (std::size_t bit = 0; bit < 4; ++bit)
        if ((bits & (8u >> bit)) != 0) contribution_[place][bits] ^= window(key, place * 4 + bit);
}

std::uint32_t ToeplitzKey::hash(ConstBytes input) const {
  std::uint32_t result = 0;
  for (std::size_t i = 0; i < std::min(input.size(), kMaxInput); ++i) {
    const auto byte = std::to_integer<std::size_t>(input[i]);
    result ^= contribution_[2 * i][byte >> 4] ^ contribution_[2 * i + 1][byte & 0xF];
  }
  return result;
}

RssHash rss_hash(const ToeplitzKey& key, std::uint32_t types, const FrameHeaders& headers,
                 ConstBytes snapshot) {
  const RssType type = type_of(types, headers);
  if (type == RssType::none) return {};
  const bool ipv4 = headers.network == Network::ipv4;
  const std::size_t addresses = ipv4 ? 8 : 32;
  const bool ports = type != RssType::ipv4 && type != RssType::ipv6;
  std::array<std::byte, ToeplitzKey::kMaxInput> input;
  std::memcpy(input.data(), &snapshot[headers.network_offset + (ipv4 ? 12u : 8u)], addresses);
  if (ports) std::memcpy(&input[addresses], &snapshot[headers.transport_offset], 4);
  return {key.hash(ConstBytes(input).first(addresses + (ports ? 4u : 0u))), type};
}

}  // namespace ladon::nic::offload
