// One access on its way through the model: the model's own.
#pragma once

#include <optional>
#include <vector>

#include "tables/model.h"

namespace ladon::fuzz::tables {

class Way {
 public:
  Way(const Model& model, const pcie::Transaction& wanted)
      : model_(model),
        wanted_(wanted),
        at_(pcie::address_bits(wanted.address)),
        rid_(wanted.rid.bdf.bits),
        translated_(std::holds_alternative<BusAddr>(wanted.address) && pcie::is_device(wanted.origin)) {}
  std::optional<End> run();
  [[nodiscard]] std::size_t crossings() const { return crossings_.size(); }

 private:
  static constexpr std::size_t kMostCrossings = 8;
  struct Crossing {
    std::size_t ntb;
    bool outbound;
    std::uint16_t before;  // the requester on the side of entry
  };
  enum class Device : std::uint8_t { nobody, processor, nic, ntb_management, ntb_link };
  struct Arrival {
    Device device = Device::nobody;
    std::size_t index = 0;
    bool operator==(const Arrival&) const = default;
  };

  std::optional<End> begin();
  std::optional<End> into_switch(std::size_t port);
  std::optional<End> to_root(std::size_t domain);
  std::optional<End> at_root(std::size_t domain);
  std::optional<End> below(std::size_t port);
  std::optional<End> at_ntb(std::size_t ntb, bool management);
  std::optional<End> cross(std::size_t ntb, bool outbound, std::uint8_t bar, std::uint64_t offset);
  std::optional<End> interrupt(std::size_t domain) const;
  bool translate(std::size_t domain);
  [[nodiscard]] bool checked(std::size_t domain) const;

  // ---- the completion of a read
  [[nodiscard]] bool completes(const End& end) const;
  [[nodiscard]] std::uint16_t completer(const End& end) const;
  [[nodiscard]] Arrival home() const;
  // To whom a completion goes that is at this domain's root, or below a port of the switch.
  [[nodiscard]] Arrival route(std::size_t domain, std::optional<std::size_t> from_port,
                              std::uint16_t requester) const;
  [[nodiscard]] Arrival device_below(std::size_t port) const;

  const Model& model_;
  const pcie::Transaction& wanted_;
  std::uint64_t at_;
  std::uint16_t rid_;
  bool translated_;
  std::vector<Crossing> crossings_;
  std::size_t here_ = 0;                       // the domain in which it ended
  std::optional<std::size_t> completer_port_;  // the switch port, or the NTB, above what it hit
};

}  // namespace ladon::fuzz::tables
