// One hop of an access as bytes, for captures: what tools/wireshark/ladon.lua takes apart. Little endian:
//
//    0 u8  version, 1             16 u64 address in
//    1 u8  access: 1 read, 2 write  24 u64 address out
//    2 u8  leg: 0 request,        32 u32 length, bytes
//          1 completion           36 u16 tag
//    3 u8  hop of the leg, from 0 38 u8  kTargetHop: the access ended here; kRefusedHop: it was refused here
//    4 u16 domain                 39 u8  0
//    6 u16 segment                40 u64 number of the access: the same in all its hops
//    8 u16 requester in           48     three texts, each a length byte and so many bytes: the table,
//   10 u16 requester out                 where it is in the rack, and what became of the access (empty where
//   12 u32 data of a write               it went on)
//          of four bytes
//
// Segments are numbered as in the rack; requesters are bus:device.function.
#pragma once

#include <cstdint>
#include <vector>

#include "fabric/resolve.h"
#include "fabric/tables.h"
#include "pcie/transaction.h"

namespace ladon::fabric {

inline constexpr std::uint8_t kHopRecordVersion = 1;
inline constexpr std::size_t kHopRecordTexts = 48;  // offset
inline constexpr std::uint8_t kTargetHop = 1, kRefusedHop = 2;

enum class Leg : std::uint8_t { request, completion };

// The record of the leg's hop `index`, into `bytes`, whose memory is reused.
void make_hop_record(const Tables& tables, const pcie::Transaction& transaction, const Resolution& resolution,
                     Leg leg, std::size_t index, std::uint64_t number, std::vector<std::byte>& bytes);

}  // namespace ladon::fabric
