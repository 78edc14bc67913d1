// A small rack, programmed through its registers and table interfaces, and beside it the model that knows
// what these have accepted. Every step's own answer is checked here; where accesses go is probe.h's.
#pragma once

#include <set>
#include <utility>
#include <vector>

#include "fabric/rig.h"
#include "tables/model.h"
#include "tables/operands.h"

namespace ladon::fuzz::tables {

class Rack {
 public:
  // The first byte chooses the defences that are off; of the second, bit 0 deferred invalidation and bit 1
  // whether the audit is asked at the end.
  explicit Rack(Script& script);

  // One step, as the script says.
  void step(Script& script);

  [[nodiscard]] fabric::test::Rig& rig() { return rig_; }
  [[nodiscard]] const Model& model() const { return model_; }
  [[nodiscard]] bool is_audited() const { return audited_; }
  // What the last step was about: addresses at which something may have changed.
  [[nodiscard]] const std::vector<std::uint64_t>& touched() const { return touched_; }

 private:
  void open_window(Script& script);
  void close_window(Script& script);
  void set_lut(Script& script);
  void clear_lut(Script& script);
  void write_register(Script& script);
  void set_link(Script& script);
  void create_domain(Script& script);
  void destroy_domain(Script& script);
  void attach(Script& script);
  void detach(Script& script);
  void map(Script& script);
  void unmap(Script& script);
  void flush(Script& script);
  void route(Script& script);
  void unroute(Script& script);
  void map_vm(Script& script);
  void unmap_vm(Script& script);
  void add_memory(Script& script);
  void remove_memory(Script& script);
  void configure(Script& script);
  void assign(Script& script);

  // One of the host's I/O domains; now and then one that never was.
  [[nodiscard]] std::uint32_t io_domain(Script& script, pcie::Domain domain) const;
  [[nodiscard]] Host& host(pcie::Domain domain) { return model_.hosts[static_cast<std::size_t>(domain)]; }
  // ---- what an interface does when it accepts; each says whether it should
  bool model_map(std::vector<PageMap>& maps, const PageMap& map);
  bool model_unmap(std::vector<PageMap>& maps, const Span& range, std::vector<PageMap>& gone);
  void model_route(pcie::Domain domain, pcie::Bdf rid, std::uint32_t vector, const iommu::Message& message);
  void touch(const Span& span);

  std::uint8_t off_, how_;  // the first two bytes
  bool deferred_, audited_;
  fabric::test::Rig rig_;
  Model model_;
  std::vector<std::uint64_t> touched_;
  std::vector<std::uint32_t> created_;  // how many I/O domains each host has ever had
};

}  // namespace ladon::fuzz::tables
