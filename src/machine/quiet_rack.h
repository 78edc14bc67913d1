// A rack that is looked at and carries no traffic: the emulated hardware, the hosts' parts and the management
// host's software of a rack file in the caller's thread, with a synthetic guest in every place. No socket, no
// process, no file for a guest; what the tables hold is what they hold when all guests of the file run.
//
//   auto rack = QuietRack::build(load_rack(path).value());
//   audit::audit(*(*rack)->tables(), grants(**rack));
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "base/quiescence.h"
#include "base/time.h"
#include "base/wire.h"
#include "ch/host_part.h"
#include "host/blocking_host.h"
#include "machine/hardware.h"
#include "machine/rack_build.h"
#include "machine/rack_file.h"
#include "mh/journal.h"
#include "mh/service.h"

namespace ladon::machine {

class QuietRack {
 public:
  // With every guest attached. The error is a sentence for a person.
  [[nodiscard]] static std::expected<std::unique_ptr<QuietRack>, std::string> build(const Rack& rack);
  ~QuietRack();

  // Lets hardware and software do what they have to do for one another, until nothing is left.
  void settle();
  // A guest comes; false if it did not get its VF, memory and interrupts.
  [[nodiscard]] bool attach(const PlacedGuest& guest);
  // It goes, and its VF is scrubbed.
  void detach(const PlacedGuest& guest);

  [[nodiscard]] const Rack& rack() const { return rack_; }
  [[nodiscard]] fabric::Fabric& fabric() { return hardware_->fabric(); }
  [[nodiscard]] std::shared_ptr<const fabric::Tables> tables() const { return hardware_->fabric().tables(); }
  [[nodiscard]] Hardware& hardware() { return *hardware_; }
  [[nodiscard]] const mh::Service& management() const { return *service_; }
  [[nodiscard]] ch::HostPart* part(pcie::Domain domain) const {
    return parts_[static_cast<std::size_t>(domain)].get();
  }

 private:
  explicit QuietRack(const Rack& rack);
  [[nodiscard]] std::expected<void, std::string> start_parts();
  [[nodiscard]] std::expected<void, std::string> start_management();
  [[nodiscard]] std::expected<void, std::string> attach_guests();
  bool turn();

  class NoWire final : public Wire {
   public:
    bool send(ConstBytes) override { return false; }
    std::size_t receive(Bytes) override { return 0; }
    [[nodiscard]] bool carrier() const override { return false; }
  };

  Rack rack_;
  ManualClock clock_;
  NoWire wire_;
  Quiescence quiescence_;
  Quiescence::Reader& engine_;
  std::unique_ptr<Hardware> hardware_;
  std::vector<std::unique_ptr<ch::HostPart>> parts_;  // by domain; null where no guest is
  std::unique_ptr<mh::Journal> journal_;
  std::unique_ptr<host::BlockingHost> management_host_;
  std::unique_ptr<mh::Service> service_;
};

}  // namespace ladon::machine
