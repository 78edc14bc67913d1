// The management side of one NTB (spec/ntb.h): windows, requester-ID look-up tables, link.
#pragma once

#include <expected>
#include <string>

#include "host/blocking_host.h"
#include "mh/plan.h"

namespace ladon::mh {

struct DriverError {
  std::string message;  // for a person
};
using Done = std::expected<void, DriverError>;

class NtbDriver {
 public:
  NtbDriver(host::BlockingHost& host, const Ntb& ntb) : host_(host), ntb_(ntb) {}

  // Each is idempotent: what is already so stays undisturbed.
  [[nodiscard]] Done open_window(Direction direction, std::uint16_t index, const Window& window);
  [[nodiscard]] Done close_window(Direction direction, std::uint16_t index);
  [[nodiscard]] Done set_lut(Direction direction, std::uint16_t index, const LutEntry& entry);
  [[nodiscard]] Done clear_lut(Direction direction, std::uint16_t index);
  [[nodiscard]] Done set_link(bool up);

  // As the registers say now; nullopt: disabled.
  [[nodiscard]] std::expected<std::optional<Window>, DriverError> window(Direction direction,
                                                                         std::uint16_t index);
  [[nodiscard]] std::expected<std::optional<LutEntry>, DriverError> lut(Direction direction,
                                                                        std::uint16_t index);

 private:
  [[nodiscard]] BusAddr window_at(Direction direction, std::uint16_t index) const;
  [[nodiscard]] BusAddr lut_at(Direction direction, std::uint16_t index) const;
  [[nodiscard]] std::expected<std::uint32_t, DriverError> load(BusAddr at);
  [[nodiscard]] Done store(BusAddr at, std::uint32_t value);

  host::BlockingHost& host_;
  Ntb ntb_;
};

}  // namespace ladon::mh
