#include "client/frames.h"

namespace ladon::client {
namespace {

std::size_t transport_header(Carries carries) {
  return carries == Carries::tcp ? 20 : carries == Carries::udp ? 8 : 12;
}
std::size_t checksum_field(Carries carries) {
  return carries == Carries::tcp ? 16 : carries == Carries::udp ? 6 : 8;
}

void put_network(const FrameSpec& spec, const FrameLayout& at, Frame& frame) {
  std::byte* const ip = &frame[at.network];
  const auto protocol = std::byte{static_cast<std::uint8_t>(spec.carries)};
  if (spec.ipv6) {
    ip[0] = std::byte{0x60};
    store_be(ip + 4, static_cast<std::uint16_t>(at.size - at.network - 40));
    ip[6] = spec.ip_options != 0 ? std::byte{60} : protocol;
    ip[7] = std::byte{64};
    for (std::uint8_t i = 0; i < 32; ++i) ip[8 + i] = std::byte(static_cast<std::uint8_t>(0xFD + i * 7));
    if (spec.ip_options != 0) {
      ip[40] = protocol;
      ip[41] = std::byte(static_cast<std::uint8_t>(spec.ip_options / 8 - 1));
    }
    return;
  }
  ip[0] = std::byte(static_cast<std::uint8_t>(0x40 | (20 + spec.ip_options) / 4));
  store_be(ip + 2, static_cast<std::uint16_t>(at.size - at.network));
  store_be(ip + 4, spec.identification);
  ip[8] = std::byte{64};
  ip[9] = protocol;
  store_be(ip + 12, std::uint32_t{0x0A00'0001});
  store_be(ip + 16, std::uint32_t{0x0A00'0002});
  store_be(ip + 10, static_cast<std::uint16_t>(~plain_sum({ip, 20 + spec.ip_options})));
}

void put_transport(const FrameSpec& spec, const FrameLayout& at, Frame& frame) {
  std::byte* const header = &frame[at.transport];
  const std::size_t length = at.size - at.transport;
  store_be(header, spec.source_port);
  store_be(header + 2, spec.destination_port);
  if (spec.carries == Carries::tcp) {
    store_be(header + 4, spec.sequence);
    header[12] = std::byte(static_cast<std::uint8_t>((20 + spec.tcp_options) / 4 << 4));
    header[13] = std::byte{spec.tcp_flags};
    store_be(header + 14, std::uint16_t{0xFFFF});
  } else if (spec.carries == Carries::udp) {
    store_be(header + 4, static_cast<std::uint16_t>(length));
  }
  std::byte* const field = header + checksum_field(spec.carries);
  if (spec.carries == Carries::sctp) {
    if (spec.transport_checksum) store_le(field, plain_crc32c({header, length}));
    return;
  }
  store_be(field, plain_pseudo_header(frame, at.network, static_cast<std::uint8_t>(spec.carries), length));
  if (!spec.transport_checksum) return;
  auto value = static_cast<std::uint16_t>(~plain_sum({header, length}));
  if (value == 0 && spec.carries == Carries::udp) value = 0xFFFF;
  store_be(field, value);
}

}  // namespace

FrameLayout layout_of(const FrameSpec& spec) {
  FrameLayout at;
  at.network = spec.vlan ? 18 : 14;
  at.transport = at.network + (spec.ipv6 ? 40 : 20) + spec.ip_options;
  at.payload =
      at.transport + transport_header(spec.carries) + (spec.carries == Carries::tcp ? spec.tcp_options : 0);
  at.size = at.payload + spec.payload;
  return at;
}

Frame make_frame(const FrameSpec& spec) {
  const FrameLayout at = layout_of(spec);
  Frame frame(at.size);
  std::memcpy(&frame[0], spec.destination.bytes.data(), 6);
  std::memcpy(&frame[6], spec.source.bytes.data(), 6);
  if (spec.vlan) {
    store_be(&frame[12], std::uint16_t{0x8100});
    store_be(&frame[14], *spec.vlan);
  }
  store_be(&frame[at.network - 2], static_cast<std::uint16_t>(spec.ipv6 ? 0x86DD : 0x0800));
  std::uint32_t state = spec.seed;
  for (std::size_t i = at.payload; i < at.size; ++i) {
    state = state * 1664525 + 1013904223;
    frame[i] = std::byte(static_cast<std::uint8_t>(state >> 24));
  }
  put_network(spec, at, frame);
  put_transport(spec, at, frame);
  return frame;
}

std::uint16_t plain_sum(ConstBytes bytes, std::uint32_t start) {
  std::uint32_t sum = start;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += std::to_integer<std::uint32_t>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
    sum = (sum & 0xFFFF) + (sum >> 16);
  }
  return static_cast<std::uint16_t>((sum & 0xFFFF) + (sum >> 16));
}

std::uint16_t plain_pseudo_header(ConstBytes frame, std::size_t network, std::uint8_t protocol,
                                  std::size_t transport_length) {
  const bool ipv6 = std::to_integer<unsigned>(frame[network]) >> 4 == 6;
  const ConstBytes addresses = ipv6 ? frame.subspan(network + 8, 32) : frame.subspan(network + 12, 8);
  return plain_sum(addresses, protocol + static_cast<std::uint32_t>(transport_length));
}

std::uint32_t plain_crc32c(ConstBytes bytes) {
  std::uint32_t crc = 0xFFFF'FFFF;
  for (const std::byte byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F6'3B78u : 0u);
  }
  return ~crc;
}

bool checksums_hold(ConstBytes frame) {
  const std::size_t network = load_be<std::uint16_t>(&frame[12]) == 0x8100 ? 18 : 14;
  const bool ipv6 = std::to_integer<unsigned>(frame[network]) >> 4 == 6;
  std::size_t transport = network + (ipv6 ? 40 : (std::to_integer<std::size_t>(frame[network]) & 15) * 4);
  auto protocol = std::to_integer<std::uint8_t>(frame[network + (ipv6 ? 6u : 9u)]);
  if (ipv6 && protocol == 60) {
    protocol = std::to_integer<std::uint8_t>(frame[transport]);
    transport += (std::to_integer<std::size_t>(frame[transport + 1]) + 1) * 8;
  }
  const std::size_t end =
      network + (ipv6 ? 40u : 0u) + load_be<std::uint16_t>(&frame[network + (ipv6 ? 4u : 2u)]);
  if (!ipv6 && plain_sum(frame.subspan(network, transport - network)) != 0xFFFF) return false;
  const ConstBytes layer = frame.subspan(transport, end - transport);
  if (protocol == static_cast<std::uint8_t>(Carries::sctp)) {
    Frame blank(layer.begin(), layer.end());
    store_le(&blank[8], std::uint32_t{0});
    return plain_crc32c(blank) == load_le<std::uint32_t>(&layer[8]);
  }
  if (protocol == static_cast<std::uint8_t>(Carries::udp) && load_be<std::uint16_t>(&layer[6]) == 0)
    return !ipv6;
  return plain_sum(layer, plain_pseudo_header(frame, network, protocol, layer.size())) == 0xFFFF;
}

}  // namespace ladon::client
