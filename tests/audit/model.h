// Where one access of one page goes in a small rack, by plain rules and lists searched from end to end: an
// oracle for the audit that shares no code with resolve(). PCIe 6.0 2.2.9 (completions), 6.12 (ACS).
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "audit/facts.h"
#include "audit/reach.h"

namespace ladon::audit::test {

struct Ends {
  Kind kind{};
  unsigned domain = 0;
  unsigned segment = 0;   // of the domain: from where a device's request came to memory or interrupts
  Page page = 0;          // interrupts: of 0xFEE00000's, that the message is sent to
  std::uint16_t rid = 0;  // interrupts: as that domain sees it
};

class Model {
 public:
  explicit Model(const Facts& facts) : facts_(facts) {}

  // nullopt: refused, or a read whose completion does not come back.
  [[nodiscard]] std::optional<Ends> follow(const Initiator& who, Page page, pcie::Access access,
                                           bool translated, std::uint16_t rid);
  // An access has gone through more NTBs than the model will follow (a loop, or nearly).
  [[nodiscard]] bool too_deep() const { return too_deep_; }

  // The vectors that messages to this page of the block raise under this requester ID.
  [[nodiscard]] std::vector<Interval> vectors(const Ends& message) const;
  [[nodiscard]] std::uint16_t own_rid(const Initiator& who) const;

 private:
  struct Access {
    Page page;
    pcie::Access kind;
    bool translated;
    std::uint16_t rid;
    // Where a device's request is; a processor's is everywhere.
    unsigned segment = 0;
    bool by_processor = false;
  };
  struct Crossing {
    std::size_t ntb;
    bool outbound;
    std::uint16_t before;
  };
  using Way = std::optional<Ends>;

  Way through_second_level(const HostFacts& host, std::uint16_t vm, unsigned domain, Access a);
  Way into_switch(std::size_t port, Access a);
  Way up(Access a);
  Way to_root(unsigned domain, Access a);
  Way at_root(unsigned domain, Access a);
  Way below(std::size_t port, Access a);
  Way at_ntb(std::size_t ntb, bool management, Access a);
  Way cross(std::size_t ntb, bool outbound, std::uint8_t bar, Page offset, Access a);
  std::optional<Page> translate(unsigned domain, const Access& a) const;
  [[nodiscard]] bool port_window_holds(std::size_t port, Page page) const;

  // ---- completions
  enum class Device { nobody, processor, nic, ntb_management, ntb_link };  // nic: `index` says which
  struct Arrival {
    Device device = Device::nobody;
    std::size_t index = 0;
  };
  [[nodiscard]] bool completes(const Initiator& who, const Ends& end, std::uint16_t requester) const;
  // Where a completion is: in a segment, and below a port or a link if it is not at the root.
  struct Place {
    unsigned domain = 0, segment = 0;
    std::optional<std::size_t> port;
    bool at_link = false;
  };
  [[nodiscard]] Arrival route(const Place& from, std::uint16_t requester) const;
  [[nodiscard]] Arrival device_below(std::size_t port) const;

  const Facts& facts_;
  std::vector<Crossing> crossings_;
  std::uint16_t last_rid_ = 0;  // the requester as the completer saw it
  bool too_deep_ = false;
};

}  // namespace ladon::audit::test
