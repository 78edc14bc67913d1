// What the management software sees and sets of one virtual function: its block of the PF's registers
// (spec/pf.h from kVf on).
#pragma once

#include <cstdint>

#include "nic/engine.h"
#include "nic/vf.h"

namespace ladon::nic {

class VfAdmin {
 public:
  VfAdmin(Engine& engine, Vf& vf) : engine_(engine), vf_(vf) {}

  // `offset` within the block.
  [[nodiscard]] std::uint32_t read(std::uint32_t offset);
  void write(std::uint32_t offset, std::uint32_t value);

 private:
  struct Map;
  template <class Change>
  void change(Change apply);

  std::uint32_t read_control(std::uint32_t);
  void write_control(std::uint32_t, std::uint32_t value);
  std::uint32_t read_status(std::uint32_t);
  std::uint32_t read_mac_low(std::uint32_t);
  void write_mac_low(std::uint32_t, std::uint32_t value);
  std::uint32_t read_mac_high(std::uint32_t);
  void write_mac_high(std::uint32_t, std::uint32_t value);
  std::uint32_t read_vlan(std::uint32_t);
  void write_vlan(std::uint32_t, std::uint32_t value);
  void write_vlan_filter(std::uint32_t, std::uint32_t value);
  std::uint32_t read_max_frame(std::uint32_t);
  void write_max_frame(std::uint32_t, std::uint32_t value);
  std::uint32_t read_receive_mode(std::uint32_t);
  void write_receive_mode(std::uint32_t, std::uint32_t value);
  void write_multicast(std::uint32_t, std::uint32_t value);
  std::uint32_t read_fault(std::uint32_t);
  std::uint32_t read_mailbox_control(std::uint32_t);
  void write_mailbox_control(std::uint32_t, std::uint32_t value);
  std::uint32_t read_mailbox_word(std::uint32_t i);
  void write_mailbox_word(std::uint32_t i, std::uint32_t value);
  std::uint32_t read_received_packets(std::uint32_t);
  std::uint32_t read_received_bytes(std::uint32_t half);
  std::uint32_t read_sent_packets(std::uint32_t);
  std::uint32_t read_sent_bytes(std::uint32_t half);
  std::uint32_t read_dropped(std::uint32_t);
  std::uint32_t read_spoofed(std::uint32_t);
  std::uint32_t read_dma_faults(std::uint32_t);
  std::uint32_t read_refused_rate(std::uint32_t);
  std::uint32_t read_refused_memory(std::uint32_t);
  std::uint32_t read_memory_held(std::uint32_t);
  std::uint32_t read_memory_lent(std::uint32_t);
  std::uint32_t read_memory_pending(std::uint32_t);
  std::uint32_t read_memory_calls(std::uint32_t);
  std::uint32_t read_refused_called(std::uint32_t);
  std::uint32_t read_coalesced(std::uint32_t);
  std::uint32_t read_received_whole(std::uint32_t);
  void write_counter_clear(std::uint32_t, std::uint32_t);

  Engine& engine_;
  Vf& vf_;
};

}  // namespace ladon::nic
