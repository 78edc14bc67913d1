// The physical function: configuration space with the SR-IOV capability, and the registers of spec/pf.h.
#pragma once

#include <cstdint>

#include "nic/engine.h"
#include "nic/level_window.h"
#include "nic/options.h"
#include "pcie/config_space.h"
#include "pcie/function.h"

namespace ladon::nic {

class Pf final : public pcie::Function {
 public:
  Pf(Engine& engine, const NicOptions& options);

  [[nodiscard]] std::uint32_t config_read(std::uint16_t offset, unsigned width) override;
  void config_write(std::uint16_t offset, unsigned width, std::uint32_t value) override;
  [[nodiscard]] std::vector<pcie::BarRange> decoded() const override { return config_.decoded(); }
  [[nodiscard]] bool bus_master() const override { return config_.bus_master(); }
  [[nodiscard]] std::uint64_t register_read(std::uint8_t bar, std::uint64_t offset, unsigned width) override;
  void register_write(std::uint8_t bar, std::uint64_t offset, unsigned width, std::uint64_t value) override;

 private:
  struct Map;  // pf_registers.cpp
  void reset();
  [[nodiscard]] std::uint32_t read_register(std::uint8_t bar, std::uint64_t offset);
  void write_register(std::uint8_t bar, std::uint64_t offset, std::uint32_t value);

  std::uint32_t read_id(std::uint32_t);
  std::uint32_t read_version(std::uint32_t);
  std::uint32_t read_control(std::uint32_t);
  void write_control(std::uint32_t, std::uint32_t value);
  std::uint32_t read_status(std::uint32_t);
  std::uint32_t read_vf_count(std::uint32_t);
  std::uint32_t read_capacity_receive(std::uint32_t);
  void write_capacity_receive(std::uint32_t, std::uint32_t value);
  std::uint32_t read_capacity_transmit(std::uint32_t);
  void write_capacity_transmit(std::uint32_t, std::uint32_t value);
  std::uint32_t read_memory_pool(std::uint32_t);
  std::uint32_t read_memory_free(std::uint32_t);
  std::uint32_t read_memory_lent(std::uint32_t);
  std::uint32_t read_memory_lent_of_guarantees(std::uint32_t);
  std::uint32_t read_cause(std::uint32_t);
  void write_cause(std::uint32_t, std::uint32_t value);
  std::uint32_t read_mask(std::uint32_t);
  void write_mask(std::uint32_t, std::uint32_t value);
  std::uint32_t read_mailbox_pending(std::uint32_t word);
  std::uint32_t read_reset_pending(std::uint32_t word);
  void write_reset_pending(std::uint32_t word, std::uint32_t value);
  std::uint32_t read_fault_pending(std::uint32_t word);
  void write_fault_pending(std::uint32_t word, std::uint32_t value);
  std::uint32_t read_filter_low(std::uint32_t i);
  void write_filter_low(std::uint32_t i, std::uint32_t value);
  std::uint32_t read_filter_high(std::uint32_t i);
  void write_filter_high(std::uint32_t i, std::uint32_t value);
  std::uint32_t read_filter_vf(std::uint32_t i);
  void write_filter_vf(std::uint32_t i, std::uint32_t value);

  std::uint32_t read_page_table(std::uint32_t word);
  void write_page_table(std::uint32_t word, std::uint32_t value);

  Engine& engine_;
  pcie::ConfigSpace config_;
  LevelWindow levels_;
};

}  // namespace ladon::nic
