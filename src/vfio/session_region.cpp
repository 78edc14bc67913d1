// Accesses to the device's regions: the hot path, which allocates nothing.
#include "vfio/session.h"

namespace ladon::vfio {

std::optional<Refusal> Session::check_access(std::uint32_t region, std::uint64_t offset, std::uint64_t length,
                                             bool write) const {
  if (region >= regions_.size()) return Refusal::region_unknown;
  const RegionInfo& info = regions_[region];
  if (write && !info.writable) return Refusal::region_not_writable;
  if (!write && !info.readable) return Refusal::region_not_readable;
  if (length == 0) return Refusal::region_empty_access;
  if (length > max_transfer_) return Refusal::transfer_too_large;
  if (offset > info.size || length > info.size - offset) return Refusal::region_outside;
  return std::nullopt;
}

Session::Outcome Session::on(const RegionReadRequest& request) {
  if (const auto bad = check_access(request.region, request.offset, request.count, false))
    return refuse(*bad);
  const Bytes into = encode_region_read(header_, request, out_);
  const auto status = device_.region_read(request.region, request.offset, into);
  if (!status) refusals_.add(Refusal::device);
  return status;
}

Session::Outcome Session::on(const RegionWriteRequest& request) {
  const auto outcome = write(request);
  if (outcome && header_.wants_reply()) encode_region_written(header_, request, out_);
  return outcome;
}

Session::Outcome Session::on(const WriteMultiRequest& request) {
  if (!write_multiple_) return refuse(Refusal::command_unsupported);
  // Each is a posted write of its own: one that is refused does not stop those behind it.
  std::uint64_t done = 0;
  for (std::uint64_t i = 0; i < request.count; ++i) {
    if (const auto one = request.at(i))
      done += write(*one).has_value() ? 1 : 0;
    else
      refusals_.add(Refusal::transfer_too_large);
  }
  encode_writes_done(header_, done, out_);
  return {};
}

Session::Outcome Session::write(const RegionWriteRequest& request) {
  if (const auto bad = check_access(request.region, request.offset, request.data.size(), true))
    return refuse(*bad);
  const auto status = device_.region_write(request.region, request.offset, request.data);
  if (!status) refusals_.add(Refusal::device);
  return status;
}

}  // namespace ladon::vfio
