// Tables of NTBs, IOMMUs and whatever else resolve() reads, programmed through their own interfaces with
// legal and illegal values alike, against a model that searches lists. After every step accesses of all
// initiators go where the model says, extents end where something else begins, remembered accesses that were
// not declared void still hold; at the end the audit agrees.
//
// The input: defences that are off (six bits), deferred invalidation and audit (two bits), then steps: 0..20
// as tables::Rack::step lists them, 0xC0 and above one access of any form.
#include "input.h"
#include "tables/probe.h"
#include "tables/rack.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace ladon::fuzz;
  constexpr int kMostSteps = 64;
  tables::Script script(bytes, size);
  tables::Rack rack(script);
  tables::Prober prober(rack);
  for (int i = 0; i < kMostSteps && !script.empty(); ++i) {
    if (script.peek() >= 0xC0) {
      (void)script.u8();
      prober.any(script);
      continue;
    }
    rack.step(script);
    prober.after_step();
  }
  prober.sweep();
  return 0;
}
