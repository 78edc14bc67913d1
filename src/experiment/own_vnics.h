// The direct path: each virtual machine has a virtual function of its own, with the stock driver, and the
// device limits it.
#pragma once

#include <expected>
#include <memory>

#include "base/log.h"
#include "experiment/testbed.h"
#include "machine/runner.h"

namespace ladon::experiment {

class OwnVnics final : public Testbed {
 public:
  // To be called before other threads exist. The error is a sentence.
  [[nodiscard]] static std::expected<std::unique_ptr<OwnVnics>, std::string> start(const lab::Assets& assets,
                                                                                   const std::string& logs,
                                                                                   const Log& log);

  [[nodiscard]] port::RemoteHost& remote() override { return *runner_->remote(0); }
  [[nodiscard]] std::array<WebGuest, kVms>& guests() override { return *guests_; }
  void set_capacity(const DeviceCapacity& capacity) override;
  void set_limit(const std::optional<Limit>& limit) override;
  [[nodiscard]] Counted counted() override;

 private:
  explicit OwnVnics(std::unique_ptr<machine::Runner> runner) : runner_(std::move(runner)) {}

  std::unique_ptr<machine::Runner> runner_;
  std::unique_ptr<std::array<WebGuest, kVms>> guests_;
};

}  // namespace ladon::experiment
