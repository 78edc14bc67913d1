// The header in front of every frame in a network device's ring (virtio 1.2, 5.1.6), to and from Offload.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>

#include "base/bytes.h"
#include "spec/virtio.h"
#include "vhost/frame.h"
#include "vhost/refusal.h"

namespace ladon::vhost {

// What device and driver have agreed on about frames.
struct NetFeatures {
  bool checksum = false, tso4 = false, tso6 = false;                    // the guest may leave so
  bool guest_checksum = false, guest_tso4 = false, guest_tso6 = false;  // and takes so
  bool mergeable = false;
  std::uint32_t header_bytes = spec::virtio::kHeaderBytes;

  // `features` are the device's feature bits, as negotiated.
  [[nodiscard]] static NetFeatures of(std::uint64_t features);
  // The guest takes frames with this left to be done.
  [[nodiscard]] bool guest_takes(const Offload& offload) const;
};

using NetHeader = std::array<std::byte, spec::virtio::kHeaderBytes>;

// What a guest asks for with a frame of `length` bytes that begins with `head`: min(length, kSnapshot) bytes.
[[nodiscard]] std::expected<Offload, FrameDrop> read_header(const NetHeader& header, ConstBytes head,
                                                            std::uint32_t length,
                                                            const NetFeatures& features);
// The header for a frame of `length` bytes that goes to the guest in `buffers` buffers. The guest takes it.
[[nodiscard]] std::expected<NetHeader, FrameDrop> make_header(const Offload& offload, std::uint32_t length,
                                                              std::uint16_t buffers,
                                                              const NetFeatures& features);

}  // namespace ladon::vhost
