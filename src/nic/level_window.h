// The window of the PF's registers through which the management software reads and sets service levels
// (spec/pf.h, kLevel): fields that are filled in at leisure and take effect with one command.
#pragma once

#include <array>
#include <cstdint>

#include "qos/level.h"
#include "spec/pf.h"

namespace ladon::nic {

class Engine;

class LevelWindow {
 public:
  explicit LevelWindow(Engine& engine) : engine_(engine) {}

  // `offset` within the window.
  [[nodiscard]] std::uint32_t read(std::uint32_t offset);
  void write(std::uint32_t offset, std::uint32_t value);
  void reset();

 private:
  struct Map;
  void write_command(std::uint32_t, std::uint32_t value);
  std::uint32_t read_result(std::uint32_t);
  std::uint32_t read_refusal(std::uint32_t which);
  template <auto Range>
  std::uint32_t read_rate(std::uint32_t field);
  template <auto Range>
  void write_rate(std::uint32_t field, std::uint32_t value);
  template <auto Turns>
  std::uint32_t read_turns(std::uint32_t);
  template <auto Turns>
  void write_turns(std::uint32_t, std::uint32_t value);
  std::uint32_t read_memory(std::uint32_t field);
  void write_memory(std::uint32_t field, std::uint32_t value);

  Engine& engine_;
  qos::ServiceLevel level_;  // the fields
  qos::LevelRefusal result_;
};

}  // namespace ladon::nic
