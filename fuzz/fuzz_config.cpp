// Configuration requests of all hosts, and of a guest to what it is shown of its virtual function: only what
// was meant changes, and of that only what a specification makes writable; lists of capabilities stay
// walkable; no guest sees SR-IOV.
//
// The input: requests of ten bytes or so: who (host 0..2, 3 the guest), target (0xFF: two bytes more say
// which), width, offset (two bytes), value (four).
#include "config/hierarchy.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace ladon::fuzz;
  constexpr int kMostSteps = 100;
  Input input(bytes, size);
  config::Hierarchy hierarchy;
  for (int i = 0; i < kMostSteps && !input.empty(); ++i) hierarchy.step(input);
  hierarchy.check();
  return 0;
}
