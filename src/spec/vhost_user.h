// The messages of vhost-user. QEMU, docs/interop/vhost-user.rst: "Message Specification" (header and
// payloads), "Protocol features", "Front-end message types". In the machine's byte order: little endian.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ladon::spec::vhost_user {

// Header: request, flags, size of the payload; 32 bits each.
inline constexpr std::size_t kHeaderBytes = 12;
inline constexpr std::uint32_t kVersionMask = 3, kVersion = 1, kReply = 1u << 2, kNeedReply = 1u << 3;

enum class Request : std::uint32_t {
  get_features = 1,
  set_features = 2,
  set_owner = 3,
  reset_owner = 4,
  set_mem_table = 5,
  set_log_base = 6,
  set_log_fd = 7,
  set_vring_num = 8,
  set_vring_addr = 9,
  set_vring_base = 10,
  get_vring_base = 11,
  set_vring_kick = 12,
  set_vring_call = 13,
  set_vring_err = 14,
  get_protocol_features = 15,
  set_protocol_features = 16,
  get_queue_num = 17,
  set_vring_enable = 18,
  send_rarp = 19,
  net_set_mtu = 20,
  set_backend_req_fd = 21,
  iotlb_msg = 22,
  set_vring_endian = 23,
  get_config = 24,
  set_config = 25,
  reset_device = 34,
  set_status = 39,
  get_status = 40,
};

// The feature bit, among the device's, that says that there are protocol features.
inline constexpr std::uint64_t kProtocolFeatures = 1u << 30;
// Protocol features.
inline constexpr std::uint64_t kMultiQueue = 1u << 0, kReplyAck = 1u << 3, kResetDevice = 1u << 13,
                               kStatus = 1u << 16;

// Payload of SET_VRING_KICK, CALL and ERR.
inline constexpr std::uint64_t kVringIndexMask = 0xFF, kVringNoDescriptor = 1u << 8;
// Flag of SET_VRING_ADDR.
inline constexpr std::uint32_t kVringLog = 1;

inline constexpr std::size_t kMaxRegions = 8, kRegionBytes = 32, kVringStateBytes = 8,
                             kVringAddressBytes = 40;

}  // namespace ladon::spec::vhost_user
