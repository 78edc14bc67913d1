// The wires of a rack's NICs, as the rack file wants them, with whatever is at their other ends.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/time.h"
#include "machine/rack_file.h"
#include "port/counted_wire.h"
#include "port/remote_host.h"

namespace ladon::machine {

struct NicWire {
  std::unique_ptr<port::CountedWire> wire;
  std::unique_ptr<port::RemoteHost> remote;  // a tap's other end
  WireKind kind = WireKind::none;            // what it became: a tap without privileges becomes a peer
};

// One a NIC. A tap for which the system gives no privileges becomes an in-process peer, and `log` says so. To
// be called before other threads exist. The error names the NIC.
[[nodiscard]] std::expected<std::vector<NicWire>, std::string> make_wires(const Rack& rack,
                                                                          const Clock& clock, const Log& log);

// A wire that is only asked for frames when its descriptor has said that there are some: a system call saved
// in every round of the engine.
class ReadyWire final : public Wire {
 public:
  explicit ReadyWire(port::CountedWire& wire) : wire_(wire), ready_(wire.fd() < 0) {}
  void readable() { ready_ = true; }

  bool send(ConstBytes frame) override { return wire_.send(frame); }
  std::size_t receive(Bytes into) override {
    if (!ready_) return 0;
    const std::size_t length = wire_.receive(into);
    if (length == 0) ready_ = wire_.fd() < 0;
    return length;
  }
  [[nodiscard]] bool carrier() const override { return wire_.carrier(); }

 private:
  port::CountedWire& wire_;
  bool ready_;
};

}  // namespace ladon::machine
