// A receiver that waits for interrupts, tested against a rack that loses them, against a completion that is
// late, and against the classic mistake of NTBs: a look-up table without the entry for completions.
// doc/testkit.md walks through it.
#include <ladon/testkit/rack.h>

#include <cstdio>
#include <cstdlib>

namespace kit = ladon::testkit;

// ---- what is under test: takes frames when the VF has interrupted, and looks all the same when it has not
// for long.
class Receiver {
 public:
  explicit Receiver(kit::Guest guest, unsigned patience) : guest_(guest), patience_(patience) {}

  // One turn of its event loop. How many frames there are by now.
  unsigned turn() {
    const auto interrupts = guest_.interrupts(0);
    const bool called = interrupts != seen_;
    seen_ = interrupts;
    waited_ = called ? 0 : waited_ + 1;
    if (called || waited_ > patience_) {
      while (guest_.receive()) ++frames_;
      waited_ = 0;
    }
    return frames_;
  }

 private:
  kit::Guest guest_;
  unsigned patience_, waited_ = 0, frames_ = 0;
  std::uint64_t seen_ = 0;
};

namespace {

constexpr const char* kRack = R"(
name: two-hosts
nics:
  - {name: nic0, vfs: 8}
hosts:
  - {name: mh, role: management, memory: 512MiB}
  - name: ch1
    role: compute
    memory: 512MiB
    vms:
      - {name: sender, memory: 64MiB, vf: {nic: nic0, index: 0}}
  - name: ch2
    role: compute
    memory: 512MiB
    vms:
      - {name: receiver, memory: 64MiB, vf: {nic: nic0, index: 1}}
)";

void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::exit(1);
}

kit::Frame frame(const kit::Guest& from, const kit::Guest& to) {
  kit::Frame made(100, std::byte{0x11});
  for (std::size_t i = 0; i < 6; ++i)
    made[i] = std::byte{to.mac()[i]}, made[6 + i] = std::byte{from.mac()[i]};
  made[12] = std::byte{0x88}, made[13] = std::byte{0xB5};
  return made;
}

// A frame is sent; whether the receiver has it in so many turns.
bool passes(kit::Rack& rack, kit::Guest& sender, kit::Guest& to, Receiver& receiver, unsigned turns) {
  const unsigned before = receiver.turn();
  check(sender.send(frame(sender, to)), "the transmit ring has room");
  return rack.run_until([&] { return receiver.turn() > before; }, turns);
}

}  // namespace

int main() {
  auto made = kit::Rack::from_text(kRack);
  if (!made) return std::fprintf(stderr, "%s\n", made.error().c_str()), 1;
  kit::Rack& rack = *made;
  kit::Guest sender = rack.guest("sender"), guest = rack.guest("receiver");
  check(sender.open() && guest.open(), "both drivers open");

  Receiver patient(guest, 500);
  check(passes(rack, sender, guest, patient, 400), "an interrupt is enough");
  {
    const kit::Fault lost = rack.lose_interrupts("receiver");
    check(passes(rack, sender, guest, patient, 2000), "a lost interrupt is made up for");
  }
  {
    kit::Fault late = rack.delay_completions("sender");
    check(!passes(rack, sender, guest, patient, 100), "nothing is sent before its descriptor has been read");
    late.mend();
    const unsigned before = patient.turn();
    check(rack.run_until([&] { return patient.turn() > before; }), "and then it is");
  }
  {
    const kit::Fault one_way = rack.lose_entry("receiver", kit::Way::completion);
    check(!guest.dma(0x1000, kit::Access::write).refused, "writes arrive");
    const kit::Path read = guest.dma(0x1000, kit::Access::read);
    check(read.refused && read.verdict == "missing", "reads never return");
    std::printf("%s\n", to_string(read).c_str());
  }
  check(rack.audit().empty(), "nobody reaches more, or less, than was granted");
  return 0;
}
