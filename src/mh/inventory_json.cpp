#include "mh/journal.h"
#include "mh/json.h"

namespace ladon::mh {

namespace {

Json json_of(const Range<BusAddr>& range) {
  return Json::array({range.first().bits(), range.last().bits()});
}
Range<BusAddr> range_of(const Json& json) {
  const auto range = Range<BusAddr>::between(BusAddr(json.at(0).get<std::uint64_t>()),
                                             BusAddr(json.at(1).get<std::uint64_t>()));
  if (!range) throw std::out_of_range("a range that ends before it begins");
  return *range;
}

Json json_of(const std::array<host::Bar, 6>& bars) {
  Json json = Json::array();
  for (const auto& bar : bars)
    json.push_back({{"size", bar.size},
                    {"wide", bar.wide},
                    {"prefetchable", bar.prefetchable},
                    {"base", bar.base.bits()}});
  return json;
}
std::array<host::Bar, 6> bars_of(const Json& json) {
  std::array<host::Bar, 6> bars{};
  for (std::size_t i = 0; i < bars.size(); ++i)
    bars[i] = {get<std::uint64_t>(json.at(i), "size"), json.at(i).at("wide").get<bool>(),
               json.at(i).at("prefetchable").get<bool>(), BusAddr(get<std::uint64_t>(json.at(i), "base"))};
  return bars;
}

Json json_of(const host::SriovFunction& s) {
  return {{"capability", s.capability},     {"vfs", s.vfs},
          {"first_offset", s.first_offset}, {"stride", s.stride},
          {"vf_device", s.vf_device},       {"bars", json_of(s.bars)}};
}
host::SriovFunction sriov_of(const Json& j) {
  return {get<std::uint16_t>(j, "capability"),   get<std::uint16_t>(j, "vfs"),
          get<std::uint16_t>(j, "first_offset"), get<std::uint16_t>(j, "stride"),
          get<std::uint16_t>(j, "vf_device"),    bars_of(j.at("bars"))};
}

Json json_of(const host::PciFunction& f) {
  Json json{{"bdf", mh::json_of(f.bdf)}, {"vendor", f.vendor},       {"device", f.device},
            {"bridge", f.bridge},        {"secondary", f.secondary}, {"subordinate", f.subordinate},
            {"bars", json_of(f.bars)}};
  if (f.parent) json["parent"] = *f.parent;
  if (f.sriov) json["sriov"] = json_of(*f.sriov);
  return json;
}
host::PciFunction function_of(const Json& j) {
  host::PciFunction f{.bdf = address_of(j.at("bdf")),
                      .vendor = get<std::uint16_t>(j, "vendor"),
                      .device = get<std::uint16_t>(j, "device"),
                      .parent = {},
                      .bridge = j.at("bridge").get<bool>(),
                      .secondary = get<std::uint8_t>(j, "secondary"),
                      .subordinate = get<std::uint8_t>(j, "subordinate"),
                      .bars = bars_of(j.at("bars")),
                      .sriov = {}};
  if (j.contains("parent")) f.parent = get<std::size_t>(j, "parent");
  if (j.contains("sriov")) f.sriov = sriov_of(j.at("sriov"));
  return f;
}

Json json_of(const Ntb& n) {
  return {{"bdf", mh::json_of(n.bdf)},
          {"peer", number(n.peer)},
          {"control", n.control.bits()},
          {"msi", n.msi.bits()},
          {"dma", n.dma.bits()},
          {"dma_size", n.dma_size},
          {"register_size", n.register_size},
          {"windows", n.windows},
          {"lut_entries", n.lut_entries},
          {"granule", n.granule},
          {"requester_table", n.requester_table},
          {"by_device", n.by_device},
          {"whole_bar", n.whole_bar}};
}
Ntb ntb_of(const Json& j) {
  return {.bdf = address_of(j.at("bdf")),
          .peer = pcie::Domain{get<std::uint16_t>(j, "peer")},
          .control = BusAddr(get<std::uint64_t>(j, "control")),
          .msi = BusAddr(get<std::uint64_t>(j, "msi")),
          .dma = BusAddr(get<std::uint64_t>(j, "dma")),
          .dma_size = get<std::uint64_t>(j, "dma_size"),
          .register_size = get<std::uint64_t>(j, "register_size"),
          .windows = get<std::uint16_t>(j, "windows"),
          .lut_entries = get<std::uint16_t>(j, "lut_entries"),
          .granule = get<std::uint64_t>(j, "granule"),
          .requester_table = j.at("requester_table").get<bool>(),
          .by_device = j.at("by_device").get<bool>(),
          .whole_bar = j.at("whole_bar").get<bool>()};
}

Json json_of(const Nic& n) {
  return {{"pf", mh::json_of(n.pf)},
          {"registers", n.registers.bits()},
          {"vfs", n.vfs},
          {"first_offset", n.first_offset},
          {"stride", n.stride},
          {"vf_device", n.vf_device},
          {"vf_registers", n.vf_registers.bits()},
          {"vf_msix", n.vf_msix.bits()},
          {"vf_registers_size", n.vf_registers_size},
          {"vf_msix_size", n.vf_msix_size},
          {"packet_memory", n.packet_memory}};
}
Nic nic_of(const Json& j) {
  return {.pf = address_of(j.at("pf")),
          .registers = BusAddr(get<std::uint64_t>(j, "registers")),
          .vfs = get<std::uint16_t>(j, "vfs"),
          .first_offset = get<std::uint16_t>(j, "first_offset"),
          .stride = get<std::uint16_t>(j, "stride"),
          .vf_device = get<std::uint16_t>(j, "vf_device"),
          .vf_registers = BusAddr(get<std::uint64_t>(j, "vf_registers")),
          .vf_msix = BusAddr(get<std::uint64_t>(j, "vf_msix")),
          .vf_registers_size = get<std::uint64_t>(j, "vf_registers_size"),
          .vf_msix_size = get<std::uint64_t>(j, "vf_msix_size"),
          .packet_memory = get<std::uint64_t>(j, "packet_memory")};
}

}  // namespace

std::string to_json(const Inventory& inventory) {
  const auto& d = inventory.host;
  Json json{
      {"domain", number(d.domain)},  {"dram", json_of(d.dram)},     {"own_memory", json_of(d.own_memory)},
      {"mmio32", json_of(d.mmio32)}, {"mmio64", json_of(d.mmio64)}, {"segments", d.segments},
      {"functions", Json::array()},  {"ntbs", Json::array()},       {"nics", Json::array()}};
  for (const auto& f : inventory.functions) json["functions"].push_back(json_of(f));
  for (const auto& n : inventory.ntbs) json["ntbs"].push_back(json_of(n));
  for (const auto& n : inventory.nics) json["nics"].push_back(json_of(n));
  return json.dump();
}

std::expected<Inventory, std::string> inventory_from_json(std::string_view text) {
  return parse<Inventory>(text, [](const Json& json) {
    Inventory inventory;
    inventory.host = {pcie::Domain{get<std::uint16_t>(json, "domain")},
                      range_of(json.at("dram")),
                      range_of(json.at("own_memory")),
                      range_of(json.at("mmio32")),
                      range_of(json.at("mmio64")),
                      get<std::uint16_t>(json, "segments")};
    for (const auto& f : json.at("functions")) inventory.functions.push_back(function_of(f));
    for (const auto& n : json.at("ntbs")) inventory.ntbs.push_back(ntb_of(n));
    for (const auto& n : json.at("nics")) inventory.nics.push_back(nic_of(n));
    return inventory;
  });
}

}  // namespace ladon::mh
