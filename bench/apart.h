// The engine and the drivers on two processors, as a switch and its guests are: the engine moves frames both
// ways between two virtual functions whose drivers another thread runs. What lies in memory goes from one
// processor's caches to the other's, and doorbells are posted from one thread to the other.
#pragma once

namespace ladon::bench {

// "vf/apart/LAYOUT/BYTES". Counters:
//   packets_per_second                what passed
//   packets_per_second_median         of a busy engine: turns that moved nothing are not counted; the median
//                                     over spells of some thousand frames
//   busy                              share of the time in which the engine moved frames
void register_apart_benchmarks();

}  // namespace ladon::bench
