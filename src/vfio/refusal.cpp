#include "vfio/refusal.h"

#include <array>
#include <cerrno>

namespace ladon::vfio {

namespace {

struct Row {
  Refusal refusal;
  std::string_view name;
  Error error;
};

constexpr auto kRows = std::to_array<Row>({
    {Refusal::message_too_short, "message too short", Error::invalid},
    {Refusal::message_too_long, "message too long", Error::too_big},
    {Refusal::output_overflow, "replies not read", Error::no_space},
    {Refusal::second_client, "second client", Error::busy},
    {Refusal::descriptors_lost, "descriptors lost", Error::invalid},
    {Refusal::too_many_descriptors, "too many descriptors", Error::invalid},
    {Refusal::descriptors_unexpected, "unexpected descriptors closed", Error::invalid},
    {Refusal::bad_type, "neither command nor reply", Error::invalid},
    {Refusal::unsolicited_reply, "reply to nothing", Error::invalid},
    {Refusal::version_not_first, "version not first", Error::invalid},
    {Refusal::version_repeated, "version repeated", Error::invalid},
    {Refusal::command_unknown, "unknown command", Error::not_supported},
    {Refusal::command_unsupported, "unsupported command", Error::not_supported},
    {Refusal::bad_length, "bad message length", Error::invalid},
    {Refusal::bad_argsz, "bad argsz", Error::invalid},
    {Refusal::bad_flags, "bad flags", Error::invalid},
    {Refusal::major_version, "unsupported major version", Error::not_supported},
    {Refusal::version_no_nul, "version data not terminated", Error::invalid},
    {Refusal::version_no_json, "version data not a JSON object", Error::invalid},
    {Refusal::bad_capability, "bad capability", Error::invalid},
    {Refusal::dma_empty, "empty DMA range", Error::invalid},
    {Refusal::dma_wraps, "DMA range wraps around", Error::invalid},
    {Refusal::dma_unaligned, "unaligned DMA range", Error::invalid},
    {Refusal::dma_too_large, "DMA range too large", Error::invalid},
    {Refusal::dma_exists, "DMA range overlaps another", Error::exists},
    {Refusal::dma_limit, "too many DMA maps", Error::no_space},
    {Refusal::dma_bad_file, "DMA map of no memory file", Error::invalid},
    {Refusal::dma_outside_file, "DMA map outside its file", Error::invalid},
    {Refusal::dma_no_such_map, "no such DMA map", Error::not_found},
    {Refusal::dma_cuts_a_map, "unmap cuts a DMA map", Error::invalid},
    {Refusal::region_unknown, "unknown region", Error::invalid},
    {Refusal::region_not_readable, "region not readable", Error::invalid},
    {Refusal::region_not_writable, "region not writable", Error::invalid},
    {Refusal::region_outside, "access outside the region", Error::invalid},
    {Refusal::region_empty_access, "access of no bytes", Error::invalid},
    {Refusal::transfer_too_large, "transfer too large", Error::too_big},
    {Refusal::irq_unknown, "unknown interrupt type", Error::invalid},
    {Refusal::irq_outside, "unknown interrupt vector", Error::invalid},
    {Refusal::irq_descriptors, "not one eventfd for each vector", Error::invalid},
    {Refusal::irq_not_an_eventfd, "not an eventfd", Error::invalid},
    {Refusal::irq_not_maskable, "interrupt not maskable", Error::not_supported},
    {Refusal::irq_action, "unsupported interrupt action", Error::not_supported},
    {Refusal::device, "refused by the device", Error::io},
});

constexpr bool in_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i)
    if (static_cast<std::size_t>(kRows[i].refusal) != i) return false;
  return kRows.size() == Refusals::size;
}
static_assert(in_order());

}  // namespace

std::string_view name(Refusal refusal) {
  return kRows[static_cast<std::size_t>(refusal)].name;
}

Error error_of(Refusal refusal) {
  return kRows[static_cast<std::size_t>(refusal)].error;
}

int errno_of(Error error) {
  switch (error) {
    case Error::invalid:
      return EINVAL;
    case Error::not_found:
      return ENOENT;
    case Error::exists:
      return EEXIST;
    case Error::no_memory:
      return ENOMEM;
    case Error::no_space:
      return ENOSPC;
    case Error::too_big:
      return E2BIG;
    case Error::not_supported:
      return ENOTSUP;
    case Error::busy:
      return EBUSY;
    case Error::io:
      return EIO;
  }
  return EINVAL;
}

}  // namespace ladon::vfio
