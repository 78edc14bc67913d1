#include "nic/level_window.h"

#include <algorithm>

#include "base/register_map.h"
#include "nic/engine.h"

namespace ladon::nic {

namespace reg = spec::pf;
using qos::LevelError;
using qos::ServiceLevel;

struct LevelWindow::Map {
  using W = LevelWindow;
  using L = ServiceLevel;
  static constexpr auto kTable = make_register_map<W, reg::kLevelSize>(std::to_array<Register<W>>({
      {reg::kLevelCommand, 1, 4, "LEVEL_COMMAND", nullptr, &W::write_command},
      {reg::kLevelResult, 1, 4, "LEVEL_RESULT", &W::read_result},
      {reg::kLevelWanted, 2, 4, "LEVEL_WANTED/LEFT", &W::read_refusal},
      {reg::kLevelReceive, 3, 4, "LEVEL_RECEIVE", &W::read_rate<&L::receive>, &W::write_rate<&L::receive>},
      {reg::kLevelReceivePackets, 3, 4, "LEVEL_RECEIVE_PACKETS", &W::read_rate<&L::receive_packets>,
       &W::write_rate<&L::receive_packets>},
      {reg::kLevelReceiveCost, 3, 4, "LEVEL_RECEIVE_COST", &W::read_rate<&L::receive_cost>,
       &W::write_rate<&L::receive_cost>},
      {reg::kLevelTransmit, 3, 4, "LEVEL_TRANSMIT", &W::read_rate<&L::transmit>,
       &W::write_rate<&L::transmit>},
      {reg::kLevelReceiveTurns, 1, 4, "LEVEL_RECEIVE_TURNS", &W::read_turns<&L::receive_turns>,
       &W::write_turns<&L::receive_turns>},
      {reg::kLevelTransmitTurns, 1, 4, "LEVEL_TRANSMIT_TURNS", &W::read_turns<&L::transmit_turns>,
       &W::write_turns<&L::transmit_turns>},
      {reg::kLevelMemory, 3, 4, "LEVEL_MEMORY", &W::read_memory, &W::write_memory},
  }));
};

namespace {

constexpr std::uint32_t kVfMask = 0x3F;

// What a field counts in, in units of the level: rates of bits are in thousands.
template <auto Range>
constexpr std::uint64_t unit(std::uint32_t field) {
  constexpr bool bits = Range == &ServiceLevel::receive || Range == &ServiceLevel::transmit;
  return bits && field != reg::kRateBurst / 4 ? reg::kRateUnit : 1;
}

std::uint64_t& field_of(qos::RateRange& range, std::uint32_t field) {
  switch (field) {
    case reg::kRateGuaranteed / 4:
      return range.guaranteed;
    case reg::kRateMost / 4:
      return range.most;
    default:
      return range.burst;
  }
}

std::uint64_t& memory_field(qos::PartitionSize& memory, std::uint32_t field) {
  switch (field) {
    case 0:
      return memory.guaranteed;
    case 1:
      return memory.most;
    default:
      return memory.lendable;
  }
}

// A refusal counts in what the field counts in.
std::uint64_t unit_of(LevelError error) {
  return error == LevelError::receive_rate_short || error == LevelError::transmit_rate_short ? reg::kRateUnit
                                                                                             : 1;
}

std::uint32_t saturated(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, ~std::uint32_t{0}));
}

}  // namespace

std::uint32_t LevelWindow::read(std::uint32_t offset) {
  return Map::kTable.read(*this, offset);
}
void LevelWindow::write(std::uint32_t offset, std::uint32_t value) {
  Map::kTable.write(*this, offset, value);
}
void LevelWindow::reset() {
  level_ = {};
  result_ = {};
}

void LevelWindow::write_command(std::uint32_t, std::uint32_t value) {
  const auto vf = static_cast<std::uint16_t>(value & kVfMask);
  result_ = {};
  if (vf >= engine_.vfs()) {
    result_ = {LevelError::no_such_function, vf, engine_.vfs()};
  } else if ((value & reg::kLevelLoad) != 0) {
    level_ = engine_.services().level(vf);
  } else if ((value & reg::kLevelApply) != 0) {
    result_ = engine_.set_level(vf, level_).value_or(qos::LevelRefusal{});
  }
}

std::uint32_t LevelWindow::read_result(std::uint32_t) {
  return static_cast<std::uint32_t>(result_.error);
}
std::uint32_t LevelWindow::read_refusal(std::uint32_t which) {
  return saturated((which == 0 ? result_.wanted : result_.left) / unit_of(result_.error));
}

template <auto Range>
std::uint32_t LevelWindow::read_rate(std::uint32_t field) {
  return saturated(field_of(level_.*Range, field) / unit<Range>(field));
}
template <auto Range>
void LevelWindow::write_rate(std::uint32_t field, std::uint32_t value) {
  field_of(level_.*Range, field) = value * unit<Range>(field);
}

template <auto Turns>
std::uint32_t LevelWindow::read_turns(std::uint32_t) {
  const qos::Turns& turns = level_.*Turns;
  return std::uint32_t{turns.weight} << 16 | turns.priority;
}
template <auto Turns>
void LevelWindow::write_turns(std::uint32_t, std::uint32_t value) {
  level_.*Turns = {.priority = static_cast<std::uint8_t>(value),
                   .weight = static_cast<std::uint16_t>(value >> 16)};
}

std::uint32_t LevelWindow::read_memory(std::uint32_t field) {
  return saturated(memory_field(level_.memory, field));
}
void LevelWindow::write_memory(std::uint32_t field, std::uint32_t value) {
  memory_field(level_.memory, field) = value;
}

}  // namespace ladon::nic
