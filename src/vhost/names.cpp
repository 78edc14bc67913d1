#include <array>

#include "vhost/refusal.h"

namespace ladon::vhost {

namespace {

template <class Reason>
struct Row {
  Reason reason;
  std::string_view name;
};

constexpr auto kRefusals = std::to_array<Row<Refusal>>({
    {Refusal::message_too_long, "message too long"},
    {Refusal::bad_version, "unknown version of the protocol"},
    {Refusal::output_overflow, "answers not read"},
    {Refusal::second_client, "second client"},
    {Refusal::no_answer, "request without an answer"},
    {Refusal::descriptors_lost, "descriptors lost"},
    {Refusal::too_many_descriptors, "too many descriptors"},
    {Refusal::descriptors_unexpected, "unexpected descriptors closed"},
    {Refusal::descriptors_missing, "descriptor missing"},
    {Refusal::unsolicited_reply, "reply to nothing"},
    {Refusal::request_unknown, "unknown request"},
    {Refusal::request_unsupported, "unsupported request"},
    {Refusal::bad_length, "bad message length"},
    {Refusal::bad_features, "features that were not offered"},
    {Refusal::bad_protocol_features, "protocol features that were not offered"},
    {Refusal::memory_regions, "bad number of memory regions"},
    {Refusal::memory_empty, "empty memory region"},
    {Refusal::memory_wraps, "memory region wraps around"},
    {Refusal::memory_overlap, "memory regions overlap"},
    {Refusal::memory_bad_file, "memory region of no memory file"},
    {Refusal::memory_not_writable, "memory region of a file that is not writable"},
    {Refusal::memory_outside_file, "memory region outside its file"},
    {Refusal::memory_too_large, "too much memory"},
    {Refusal::ring_unknown, "unknown ring"},
    {Refusal::ring_size, "bad ring size"},
    {Refusal::ring_started, "ring runs already"},
    {Refusal::ring_not_ready, "ring started too early"},
    {Refusal::ring_no_kick, "ring that is to be polled"},
    {Refusal::ring_address, "ring at a bad address"},
    {Refusal::ring_logging, "logging of dirty pages"},
    {Refusal::ring_not_an_eventfd, "not an eventfd"},
});

constexpr auto kRingFlaws = std::to_array<Row<RingFlaw>>({
    {RingFlaw::memory_gone, "ring memory gone"},
    {RingFlaw::available_index, "bad available index"},
    {RingFlaw::head_index, "bad head of a chain"},
    {RingFlaw::next_index, "bad next descriptor"},
    {RingFlaw::chain_too_long, "chain too long"},
    {RingFlaw::outside_memory, "buffer outside the memory"},
    {RingFlaw::empty_buffer, "empty buffer"},
    {RingFlaw::wrong_direction, "buffer of the wrong direction"},
    {RingFlaw::indirect_not_negotiated, "indirect table not negotiated"},
    {RingFlaw::indirect_nested, "indirect table in an indirect table"},
    {RingFlaw::indirect_with_next, "indirect table with a successor"},
    {RingFlaw::indirect_size, "bad size of an indirect table"},
    {RingFlaw::no_room_for_header, "no room for the header"},
});

constexpr auto kFrameDrops = std::to_array<Row<FrameDrop>>({
    {FrameDrop::ring_disabled, "ring disabled"},
    {FrameDrop::too_short, "too short"},
    {FrameDrop::too_long, "too long"},
    {FrameDrop::bad_checksum_request, "bad checksum request"},
    {FrameDrop::bad_segmentation, "bad segmentation"},
    {FrameDrop::not_connected, "guest not connected"},
    {FrameDrop::buffer_too_small, "receive buffer too small"},
    {FrameDrop::too_many_buffers, "too many receive buffers"},
    {FrameDrop::offload_not_negotiated, "offload not negotiated"},
    {FrameDrop::inconsistent, "inconsistent frame"},
});

template <class Rows>
constexpr bool in_order(const Rows& rows, std::size_t count) {
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (static_cast<std::size_t>(rows[i].reason) != i) return false;
  return rows.size() == count;
}
static_assert(in_order(kRefusals, Refusals::size));
static_assert(in_order(kRingFlaws, RingFlaws::size));
static_assert(in_order(kFrameDrops, FrameDrops::size));

}  // namespace

std::string_view name(Refusal refusal) {
  return kRefusals[static_cast<std::size_t>(refusal)].name;
}
std::string_view name(RingFlaw flaw) {
  return kRingFlaws[static_cast<std::size_t>(flaw)].name;
}
std::string_view name(FrameDrop drop) {
  return kFrameDrops[static_cast<std::size_t>(drop)].name;
}

}  // namespace ladon::vhost
