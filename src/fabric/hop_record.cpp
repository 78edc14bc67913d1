#include "fabric/hop_record.h"

#include <algorithm>
#include <string_view>

#include "base/bytes.h"
#include "fabric/format.h"

namespace ladon::fabric {
namespace {

void put_text(std::vector<std::byte>& bytes, std::string_view text) {
  text = text.substr(0, 255);
  bytes.push_back(static_cast<std::byte>(text.size()));
  const auto characters = std::as_bytes(std::span(text));
  bytes.insert(bytes.end(), characters.begin(), characters.end());
}

// The access ends at its last hop: of the request, unless its completion was refused on the way back.
bool is_end(const Resolution& resolution, Leg leg, std::size_t index) {
  const Fault* fault = resolution.fault();
  const bool on_completion = fault != nullptr && fault->on_completion;
  const auto& hops = leg == Leg::request ? resolution.hops : resolution.return_hops;
  return index + 1 == hops.size() && on_completion == (leg == Leg::completion);
}

}  // namespace

void make_hop_record(const Tables& tables, const pcie::Transaction& transaction, const Resolution& resolution,
                     Leg leg, std::size_t index, std::uint64_t number, std::vector<std::byte>& bytes) {
  const Hop& hop = (leg == Leg::request ? resolution.hops : resolution.return_hops)[index];
  const bool end = is_end(resolution, leg, index);
  bytes.assign(kHopRecordTexts, std::byte{0});
  std::byte* at = bytes.data();
  const auto byte = [at](std::size_t offset, auto value) { at[offset] = static_cast<std::byte>(value); };
  byte(0, kHopRecordVersion);
  byte(1, transaction.access);
  byte(2, leg);
  byte(3, index);
  store_le(at + 4, static_cast<std::uint16_t>(hop.domain));
  store_le(at + 6, static_cast<std::uint16_t>(hop.segment));
  store_le(at + 8, hop.rid_in.bdf.bits);
  store_le(at + 10, hop.rid_out.bdf.bits);
  store_le(at + 12, transaction.data);
  store_le(at + 16, hop.in);
  store_le(at + 24, hop.out);
  store_le(at + 32, transaction.length);
  store_le(at + 36, transaction.tag);
  byte(38, !end ? 0 : resolution.refused() ? kRefusedHop : kTargetHop);
  store_le(at + 40, number);
  put_text(bytes, name(hop.table));
  put_text(bytes, tables.name(hop.component));
  put_text(bytes, end ? describe_outcome(tables, resolution) : std::string());
}

}  // namespace ladon::fabric
