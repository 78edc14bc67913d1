-- Takes apart what a rack's capture says of its fabric: one hop of one access a packet (src/fabric/hop_record.h).
--
--   wireshark -X lua_script:tools/wireshark/ladon.lua rack.pcapng
--
-- Packets of interfaces of link type USER0 (147) are handed to it.

local ladon = Proto("ladon", "Ladon fabric")

local accesses = { [1] = "read", [2] = "write" }
local legs = { [0] = "request", [1] = "completion" }
local ends = { [0] = "went on", [1] = "arrived", [2] = "refused" }

local fields = {
  version = ProtoField.uint8("ladon.version", "Version"),
  access = ProtoField.uint8("ladon.access", "Access", base.DEC, accesses),
  leg = ProtoField.uint8("ladon.leg", "Leg", base.DEC, legs),
  hop = ProtoField.uint8("ladon.hop", "Hop"),
  domain = ProtoField.uint16("ladon.domain", "Domain"),
  segment = ProtoField.uint16("ladon.segment", "Segment"),
  requester_in = ProtoField.string("ladon.requester_in", "Requester before"),
  requester_out = ProtoField.string("ladon.requester_out", "Requester after"),
  data = ProtoField.uint32("ladon.data", "Data of a write of four bytes", base.HEX),
  address_in = ProtoField.uint64("ladon.address_in", "Address before", base.HEX),
  address_out = ProtoField.uint64("ladon.address_out", "Address after", base.HEX),
  length = ProtoField.uint32("ladon.length", "Length"),
  tag = ProtoField.uint16("ladon.tag", "Tag"),
  ending = ProtoField.uint8("ladon.ending", "Ending", base.DEC, ends),
  number = ProtoField.uint64("ladon.number", "Access number"),
  table_name = ProtoField.string("ladon.table", "Table"),
  component = ProtoField.string("ladon.component", "Component"),
  outcome = ProtoField.string("ladon.outcome", "Outcome"),
}
ladon.fields = fields

local malformed = ProtoExpert.new("ladon.malformed", "Malformed hop record", expert.group.MALFORMED, expert.severity.ERROR)
local refused = ProtoExpert.new("ladon.refused", "Refused access", expert.group.RESPONSE_CODE, expert.severity.WARN)
ladon.experts = { malformed, refused }

local FIXED = 48

local function requester(range)
  local bits = range:le_uint()
  return string.format("%02x:%02x.%x", bit.rshift(bits, 8), bit.band(bit.rshift(bits, 3), 31), bit.band(bits, 7))
end

-- The text at `offset`, and where the next one starts; nil if it does not fit.
local function text(buffer, offset)
  if offset >= buffer:len() then return nil end
  local length = buffer(offset, 1):uint()
  if offset + 1 + length > buffer:len() then return nil end
  return buffer(offset + 1, length), offset + 1 + length
end

function ladon.dissector(buffer, packet, root)
  packet.cols.protocol = "Ladon"
  local tree = root:add(ladon, buffer())
  if buffer:len() < FIXED or buffer(0, 1):uint() ~= 1 then
    tree:add_proto_expert_info(malformed)
    return
  end
  tree:add(fields.version, buffer(0, 1))
  tree:add(fields.access, buffer(1, 1))
  tree:add(fields.leg, buffer(2, 1))
  tree:add(fields.hop, buffer(3, 1))
  tree:add_le(fields.domain, buffer(4, 2))
  tree:add_le(fields.segment, buffer(6, 2))
  tree:add(fields.requester_in, buffer(8, 2), requester(buffer(8, 2)))
  tree:add(fields.requester_out, buffer(10, 2), requester(buffer(10, 2)))
  tree:add_le(fields.data, buffer(12, 4))
  tree:add_le(fields.address_in, buffer(16, 8))
  tree:add_le(fields.address_out, buffer(24, 8))
  tree:add_le(fields.length, buffer(32, 4))
  tree:add_le(fields.tag, buffer(36, 2))
  tree:add(fields.ending, buffer(38, 1))
  tree:add_le(fields.number, buffer(40, 8))

  local values, offset = {}, FIXED
  for _, field in ipairs({ fields.table_name, fields.component, fields.outcome }) do
    local range, next_offset = text(buffer, offset)
    if range == nil then
      tree:add_proto_expert_info(malformed)
      return
    end
    if range:len() > 0 then tree:add(field, range) end
    values[#values + 1] = range:len() > 0 and range:string() or ""
    offset = next_offset
  end

  local where = string.format("%s, %s", values[2], values[1])
  local what = string.format("#%s %s %s %s of %d at 0x%s", tostring(buffer(40, 8):le_uint64()), requester(buffer(8, 2)),
    legs[buffer(2, 1):uint()] or "?", accesses[buffer(1, 1):uint()] or "?", buffer(32, 4):le_uint(),
    buffer(16, 8):le_uint64():tohex())
  if buffer(38, 1):uint() == 2 then tree:add_proto_expert_info(refused, values[3]) end
  packet.cols.src = requester(buffer(8, 2))
  packet.cols.dst = values[2]
  packet.cols.info = values[3] == "" and string.format("%s: %s", what, where)
    or string.format("%s: %s: %s", what, where, values[3])
end

-- Wireshark's WTAP_ENCAP_USER0, which is LINKTYPE_USER0.
DissectorTable.get("wtap_encap"):add(wtap.USER0, ladon)
