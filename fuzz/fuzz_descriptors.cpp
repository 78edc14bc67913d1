// A hostile guest at its virtual function, driven beside the native driver: whatever it does, the device
// survives, its neighbours' frames still pass unharmed and are all counted, nothing of theirs reaches it, and
// the management software can quiesce and scrub its function.
//
// The input: whether DMA completes late (one bit), then actions: a byte as descriptors::Guest::act lists
// them, and its operands.
#include "descriptors/guest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace ladon::fuzz;
  constexpr int kMostActions = 400;
  Input input(bytes, size);
  descriptors::Guest guest(input);
  for (int i = 0; i < kMostActions && !input.empty(); ++i) guest.act();
  guest.check();
  return 0;
}
