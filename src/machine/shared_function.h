// A virtual function that a host's software drives for those of its guests that share it
// (doc/paravirtual.md): the driver's rings in memory of its own, the switch, and a vhost-user socket for each
// guest. The engine's thread makes it and serves its register accesses; everything else happens on the thread
// of the host's software.
#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_fd.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "base/memory_file.h"
#include "ch/vf_slot.h"
#include "client/vf_driver.h"
#include "machine/posted_registers.h"
#include "machine/rack_build.h"
#include "machine/shared_port.h"
#include "para/mux.h"
#include "para/vf_uplink.h"
#include "para/vhost_guest.h"

namespace ladon::machine {

class SharedFunction {
 public:
  struct Options {
    std::string host, nic;
    std::string directory;  // of the guests' sockets, GUEST.vhost
    PlacedGuest software;   // whose function it is
    std::vector<const GuestSpec*> guests;
    std::function<void()> wake_engine;
    std::function<void()> idle;  // serves the host's guests for a moment; on the software's thread
  };
  // On the engine's thread, before the other one runs: attaches to the slot as a guest would, with memory
  // that holds the rings and nothing else, and listens for the guests. The error is a sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<SharedFunction>, std::string> make(
      Options options, std::shared_ptr<ch::VfSlot> slot, EventLoop& loop, const Clock& clock, const Log& log);
  ~SharedFunction();
  SharedFunction(const SharedFunction&) = delete;
  SharedFunction& operator=(const SharedFunction&) = delete;

  // ---- the engine's thread
  bool serve() { return registers_.serve(); }
  void assigned(bool is) {
    assigned_.store(is, std::memory_order_release);
    look_.store(true, std::memory_order_release);
  }
  // Any thread: the rack ends.
  void close() { registers_.close(); }

  // ---- the software's thread
  // Moves frames; true if there is more to do at once.
  bool poll();
  // Starts the function, looks after its link, and starts it again when it was reset. Waits for the mailbox,
  // and lets Options::idle run meanwhile.
  void control();
  // When poll() or control() must be called at the latest.
  // `controls`: or when it is to be looked after.
  [[nodiscard]] Instant next_deadline(bool controls) const;
  // False if there is no such guest.
  bool set_limits(std::string_view guest, const SharedLimits& limits);
  [[nodiscard]] SharedFunctionReport report() const;
  [[nodiscard]] bool started() const { return started_; }

 private:
  struct Guest {
    const GuestSpec* spec = nullptr;
    SharedLimits limits;
    std::unique_ptr<para::Policer> transmit, receive;
    para::Port* port = nullptr;
    std::unique_ptr<para::VhostGuest> link;
  };
  SharedFunction(Options options, std::shared_ptr<ch::VfSlot> slot, MemoryFile memory, EventFd interrupt,
                 EventLoop& loop, const Clock& clock, const Log& log);
  [[nodiscard]] std::expected<void, std::string> attach(const FileDescriptor& memory, ch::VfSlot& slot);
  [[nodiscard]] std::expected<void, std::string> add_guests();
  void apply(Guest& guest, const SharedLimits& limits);
  void start();
  void check();

  Options options_;
  const Clock& clock_;
  Log log_;
  EventLoop& loop_;
  MemoryFile memory_;
  EventFd interrupt_;
  PostedRegisters registers_;
  client::VfDriver driver_;
  para::VfUplink uplink_;
  para::Mux mux_;
  std::vector<Guest> guests_;
  std::vector<para::VfUplink::Station> stations_;
  std::atomic<bool> assigned_{false};
  std::atomic<bool> look_{false};  // that has changed
  bool started_ = false;
  bool controlling_ = false;  // control() is on the stack: the driver's mailbox is in use
  bool interrupted_ = false;  // its vectors are masked until they are rearmed
  Instant next_control_;
  std::uint64_t starts_ = 0;
};

}  // namespace ladon::machine
