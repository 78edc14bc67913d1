#include "vfio/version.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace ladon::vfio {

namespace {

using nlohmann::json;

// Names of docs/interop/vfio-user.rst, "VFIO_USER_VERSION".
constexpr const char* kCapabilities = "capabilities";
constexpr const char* kMaxMsgFds = "max_msg_fds";
constexpr const char* kMaxDataXferSize = "max_data_xfer_size";
constexpr const char* kMaxDmaMapsName = "max_dma_maps";
constexpr const char* kPgsizes = "pgsizes";
constexpr const char* kWriteMultiple = "write_multiple";

// False if it is there and is no unsigned number.
[[nodiscard]] bool take_number(const json& from, const char* key, std::optional<std::uint64_t>& into) {
  const auto found = from.find(key);
  if (found == from.end()) return true;
  if (!found->is_number_unsigned()) return false;
  into = found->get<std::uint64_t>();
  return true;
}

[[nodiscard]] std::expected<Capabilities, Refusal> read_capabilities(const json& from) {
  if (!from.is_object()) return std::unexpected(Refusal::bad_capability);
  Capabilities caps;
  const bool numbers = take_number(from, kMaxMsgFds, caps.max_descriptors) &&
                       take_number(from, kMaxDataXferSize, caps.max_transfer) &&
                       take_number(from, kMaxDmaMapsName, caps.max_dma_maps) &&
                       take_number(from, kPgsizes, caps.page_sizes);
  if (!numbers) return std::unexpected(Refusal::bad_capability);
  if (const auto found = from.find(kWriteMultiple); found != from.end()) {
    if (!found->is_boolean()) return std::unexpected(Refusal::bad_capability);
    caps.write_multiple = found->get<bool>();
  }
  return caps;
}

}  // namespace

std::expected<VersionRequest, Refusal> decode_version(ConstBytes body) {
  if (body.size() < 4 || body.size() > 4 + kMaxVersionData) return std::unexpected(Refusal::bad_length);
  VersionRequest request{.major = load_le<std::uint16_t>(body.data()),
                         .minor = load_le<std::uint16_t>(body.data() + 2),
                         .has_data = false,
                         .capabilities = {}};
  const ConstBytes data = body.subspan(4);
  if (data.empty()) return request;
  request.has_data = true;
  if (data.back() != std::byte{0}) return std::unexpected(Refusal::version_no_nul);

  const auto* text = reinterpret_cast<const char*>(data.data());
  const json parsed = json::parse(text, std::find(text, text + data.size(), '\0'), nullptr, false);
  if (!parsed.is_object()) return std::unexpected(Refusal::version_no_json);
  if (const auto found = parsed.find(kCapabilities); found != parsed.end()) {
    auto caps = read_capabilities(*found);
    if (!caps) return std::unexpected(caps.error());
    request.capabilities = *caps;
  }
  return request;
}

std::expected<VersionReply, Refusal> negotiate(const VersionRequest& request) {
  if (request.major != kMajorVersion) return std::unexpected(Refusal::major_version);
  VersionReply reply;
  if (!request.has_data) return reply;
  json data = json::object();
  if (request.capabilities) {
    const Capabilities& offered = *request.capabilities;
    if (offered.page_sizes && (*offered.page_sizes & kPageBytes) == 0)
      return std::unexpected(Refusal::bad_capability);
    json caps = json::object();
    const auto agree = [&caps](const char* key, const auto& theirs, std::uint64_t ours) {
      if (theirs) caps[key] = std::min(*theirs, ours);
      return theirs ? std::min(*theirs, ours) : ours;
    };
    agree(kMaxMsgFds, offered.max_descriptors, kMaxDescriptors);
    reply.max_transfer = agree(kMaxDataXferSize, offered.max_transfer, kMaxTransfer);
    reply.max_dma_maps = agree(kMaxDmaMapsName, offered.max_dma_maps, kMaxDmaMaps);
    if (offered.page_sizes) caps[kPgsizes] = kPageBytes;
    reply.write_multiple = offered.write_multiple.value_or(false);
    if (offered.write_multiple) caps[kWriteMultiple] = reply.write_multiple;
    data[kCapabilities] = std::move(caps);
  }
  reply.data = data.dump();
  return reply;
}

}  // namespace ladon::vfio
