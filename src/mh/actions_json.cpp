#include <array>

#include "mh/actions.h"
#include "mh/json.h"

namespace ladon::mh {

namespace {

Json json_of(VfId vf) {
  return Json::array({vf.nic, vf.vf});
}
Json json_of(DomainId id) {
  return Json{{"kind", number(id.kind)}, {"a", id.a}, {"b", id.b}};
}
template <class Id>
Json json_of_place(const Id& id) {
  return Json{{"ntb", id.ntb}, {"direction", number(id.direction)}, {"index", id.index}};
}
Json json_of(const Mapping& m) {
  return Json{{"to", m.to.bits()}, {"length", m.length}, {"access", m.access.bits}};
}

VfId vf_of(const Json& json) {
  if (!json.is_array() || json.size() != 2) throw std::out_of_range("vf: two numbers are wanted");
  return {json.at(0).get<std::uint16_t>(), json.at(1).get<std::uint16_t>()};
}
DomainId space_of(const Json& json) {
  return {get_enum(json, "kind", DomainId::Kind::host), get<std::uint16_t>(json, "a"),
          get<std::uint16_t>(json, "b")};
}
template <class Id>
Id place_of(const Json& json) {
  return {get<std::uint16_t>(json, "ntb"), get_enum(json, "direction", Direction::inbound),
          get<std::uint16_t>(json, "index")};
}
pcie::AccessSet access_of(const Json& json) {
  const auto bits = get<std::uint8_t>(json, "access");
  if (bits > pcie::kReadWrite.bits) throw std::out_of_range("access: 0 to 3");
  return {bits};
}
Mapping mapping_of(const Json& json) {
  return {BusAddr(get<std::uint64_t>(json, "to")), get<std::uint64_t>(json, "length"), access_of(json)};
}
pcie::Sbdf rid_of(const Json& json) {
  return address_of(json.at("rid"));
}

struct ToJson {
  Json operator()(const QuiesceVf& a) const { return {{"vf", json_of(a.vf)}}; }
  Json operator()(const CloseWindow& a) const { return {{"window", json_of_place(a.window)}}; }
  Json operator()(const ClearLut& a) const { return {{"entry", json_of_place(a.entry)}}; }
  Json operator()(const DropLink& a) const { return {{"ntb", a.ntb}}; }
  Json operator()(const DetachSpace& a) const {
    return {{"space", json_of(a.space)}, {"rid", mh::json_of(a.rid)}};
  }
  Json operator()(const UnmapPages& a) const {
    return {{"space", json_of(a.space)}, {"iova", a.iova.bits()}, {"mapping", json_of(a.mapping)}};
  }
  Json operator()(const DestroySpace& a) const { return {{"space", json_of(a.space)}}; }
  Json operator()(const ScrubVf& a) const { return {{"vf", json_of(a.vf)}}; }
  Json operator()(const CreateSpace& a) const { return {{"space", json_of(a.space)}}; }
  Json operator()(const MapPages& a) const {
    return {{"space", json_of(a.space)}, {"iova", a.iova.bits()}, {"mapping", json_of(a.mapping)}};
  }
  Json operator()(const AttachSpace& a) const {
    return {{"space", json_of(a.space)}, {"rid", mh::json_of(a.rid)}};
  }
  Json operator()(const SetLut& a) const {
    return {{"id", json_of_place(a.id)}, {"rid", a.entry.rid.bits}, {"proxy", a.entry.proxy}};
  }
  Json operator()(const OpenWindow& a) const {
    return {{"id", json_of_place(a.id)}, {"bar", a.window.bar},      {"offset", a.window.offset},
            {"length", a.window.length}, {"to", a.window.to.bits()}, {"access", a.window.access.bits}};
  }
  Json operator()(const RaiseLink& a) const { return {{"ntb", a.ntb}}; }
  Json operator()(const EnableVf& a) const {
    return {{"vf", json_of(a.vf)},
            {"grant", mh::json_of(a.setup.grant)},
            {"requester", a.setup.requester},
            {"vf_device", a.setup.vf_device},
            {"segment", number(a.setup.segment)},
            {"registers", a.setup.registers},
            {"msix", a.setup.msix},
            {"message_base", a.setup.message_base}};
  }
  Json operator()(const SetLevel& a) const {
    return {{"vf", json_of(a.vf)}, {"level", mh::json_of(a.level)}};
  }
  Json operator()(const DefaultLevels& a) const { return {{"nic", a.nic}}; }
  Json operator()(const SetCapacity& a) const {
    return {{"nic", a.nic}, {"capacity", mh::json_of(a.capacity)}};
  }
  Json operator()(const ChangeVf& a) const {
    return {{"vf", json_of(a.vf)}, {"grant", mh::json_of(a.grant)}};
  }
};

OpenWindow open_window_of(const Json& j) {
  return {place_of<WindowId>(j.at("id")),
          {get<std::uint8_t>(j, "bar"), get<std::uint64_t>(j, "offset"), get<std::uint64_t>(j, "length"),
           BusAddr(get<std::uint64_t>(j, "to")), access_of(j)}};
}
EnableVf enable_of(const Json& j) {
  return {vf_of(j.at("vf")),
          {.grant = grant_of(j.at("grant")),
           .requester = get<std::uint16_t>(j, "requester"),
           .vf_device = get<std::uint16_t>(j, "vf_device"),
           .segment = pcie::HostSegment{get<std::uint16_t>(j, "segment")},
           .registers = get<std::uint64_t>(j, "registers"),
           .msix = get<std::uint64_t>(j, "msix"),
           .message_base = get<std::uint64_t>(j, "message_base")}};
}

struct Kind {
  std::string_view name;
  Action (*read)(const Json&);
};
// In the order of Action's alternatives.
constexpr std::array<Kind, std::variant_size_v<Action>> kKinds{{
    {"quiesce_vf", [](const Json& j) -> Action { return QuiesceVf{vf_of(j.at("vf"))}; }},
    {"close_window", [](const Json& j) -> Action { return CloseWindow{place_of<WindowId>(j.at("window"))}; }},
    {"clear_lut", [](const Json& j) -> Action { return ClearLut{place_of<LutId>(j.at("entry"))}; }},
    {"drop_link", [](const Json& j) -> Action { return DropLink{get<std::uint16_t>(j, "ntb")}; }},
    {"detach_space", [](const Json& j) -> Action { return DetachSpace{space_of(j.at("space")), rid_of(j)}; }},
    {"unmap_pages",
     [](const Json& j) -> Action {
       return UnmapPages{space_of(j.at("space")), Iova(get<std::uint64_t>(j, "iova")),
                         mapping_of(j.at("mapping"))};
     }},
    {"destroy_space", [](const Json& j) -> Action { return DestroySpace{space_of(j.at("space"))}; }},
    {"scrub_vf", [](const Json& j) -> Action { return ScrubVf{vf_of(j.at("vf"))}; }},
    {"create_space", [](const Json& j) -> Action { return CreateSpace{space_of(j.at("space"))}; }},
    {"map_pages",
     [](const Json& j) -> Action {
       return MapPages{space_of(j.at("space")), Iova(get<std::uint64_t>(j, "iova")),
                       mapping_of(j.at("mapping"))};
     }},
    {"attach_space", [](const Json& j) -> Action { return AttachSpace{space_of(j.at("space")), rid_of(j)}; }},
    {"set_lut",
     [](const Json& j) -> Action {
       return SetLut{place_of<LutId>(j.at("id")),
                     {pcie::Bdf(get<std::uint16_t>(j, "rid")), get<std::uint8_t>(j, "proxy")}};
     }},
    {"open_window", [](const Json& j) -> Action { return open_window_of(j); }},
    {"raise_link", [](const Json& j) -> Action { return RaiseLink{get<std::uint16_t>(j, "ntb")}; }},
    {"enable_vf", [](const Json& j) -> Action { return enable_of(j); }},
    {"set_level",
     [](const Json& j) -> Action { return SetLevel{vf_of(j.at("vf")), level_of(j.at("level"))}; }},
    {"default_levels", [](const Json& j) -> Action { return DefaultLevels{get<std::uint16_t>(j, "nic")}; }},
    {"set_capacity",
     [](const Json& j) -> Action {
       return SetCapacity{get<std::uint16_t>(j, "nic"), capacity_of(j.at("capacity"))};
     }},
    {"change_vf",
     [](const Json& j) -> Action { return ChangeVf{vf_of(j.at("vf")), grant_of(j.at("grant"))}; }},
}};

}  // namespace

std::string to_json(const Action& action) {
  Json json = std::visit(ToJson{}, action);
  json["do"] = kKinds[action.index()].name;
  return json.dump();
}

std::expected<Action, std::string> action_from_json(std::string_view line) {
  return parse<Action>(line, [](const Json& json) {
    const auto wanted = json.at("do").get<std::string>();
    for (const Kind& kind : kKinds)
      if (kind.name == wanted) return kind.read(json);
    throw std::out_of_range("do: no such action");
  });
}

}  // namespace ladon::mh
