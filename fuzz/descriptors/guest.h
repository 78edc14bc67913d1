// A guest that does what it likes with its virtual function: registers, rings, descriptors, resets, DMA that
// completes late, never, or is refused half-way; and two well-behaved neighbours who must not notice.
#pragma once

#include "descriptors/watch.h"
#include "input.h"
#include "nic/rig.h"

namespace ladon::fuzz::descriptors {

class Guest {
 public:
  // The first byte: whether its DMA completes late.
  explicit Guest(Input& input);

  // One action, as the input says.
  void act();
  // The neighbours' frames pass, counters add up, and nothing of the guest's is left once it is scrubbed.
  void check();

 private:
  std::uint32_t queue_base();
  std::uint32_t register_offset();
  std::uint64_t address();

  void write_register();
  void read_register();
  void put_data();
  void put_context();
  void put_receive();
  void ring_doorbell();
  void write_tail();
  void poke_memory();
  void poll();
  void complete();
  void advance();
  void configure();
  void reopen();
  void send_frame();
  void wire_receives();
  void manage();
  void neighbours_talk();

  void finish();
  void check_neighbours();
  void check_counters();
  [[nodiscard]] bool send(std::uint16_t from, std::uint16_t to, std::uint32_t seed);

  Input& input_;
  nic::testing::Rig rig_;
  Watch watch_;
};

}  // namespace ladon::fuzz::descriptors
