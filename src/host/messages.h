// What a host's software may ask of its host, and what the host tells it, as plain values: one variant of
// requests, one of responses, one of events. Everything here can cross a socket. On real hardware the same
// requests are served by sysfs and VFIO/iommufd.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "pcie/id.h"
#include "pcie/transaction.h"

namespace ladon::host {

// Grows each time software takes a host over; requests with an older epoch are refused (fencing).
enum class Epoch : std::uint64_t {};

// One IOMMU protection domain of this host (iommufd: an I/O address space).
enum class IoDomain : std::uint32_t {};
// Memory of this host that has been pinned for DMA.
enum class Pin : std::uint32_t {};

// ---- configuration space of this host's own hierarchies, one a PCI segment; a function that is not there
// reads as all ones
struct ConfigRead {
  pcie::Sbdf bdf;
  std::uint16_t offset = 0;
  std::uint8_t width = 4;
};
struct ConfigWrite {
  pcie::Sbdf bdf;
  std::uint16_t offset = 0;
  std::uint8_t width = 4;
  std::uint32_t value = 0;
};
// ---- one load or store of the host's CPU: width 1, 2, 4 or 8, naturally aligned. A refused read is all
// ones.
struct Load {
  BusAddr at;
  std::uint8_t width = 4;
};
struct Store {
  BusAddr at;
  std::uint8_t width = 4;
  std::uint64_t value = 0;
};
// ---- bulk access to memory (at most kMaxBulk bytes)
inline constexpr std::uint32_t kMaxBulk = 64 * 1024;
struct ReadMemory {
  BusAddr at;
  std::uint32_t length = 0;
};
struct WriteMemory {
  BusAddr at;
  std::vector<std::byte> bytes;
};
// ---- memory for guests: `fd` (sealed or not) becomes reachable in this domain, whole, at an address that
// the host chooses, or at `at`. The same file pinned twice for one owner has one address; files are told
// apart within an owner only, since whoever made a file can forge its identity. The host duplicates the
// descriptor.
struct PinMemory {
  int fd = -1;
  std::uint64_t file_offset = 0, length = 0;
  std::optional<BusAddr> at;
  std::uint32_t owner = 0;  // whose memory it is, as the host's software numbers its guests
};
struct Unpin {
  Pin pin{};
};  // answered after every engine has passed a quiescent point
// ---- this host's IOMMUs: each segment has one, and what an I/O domain maps holds in all of them.
struct CreateIoDomain {};
struct DestroyIoDomain {
  IoDomain domain{};
};
struct AttachRid {
  IoDomain domain{};
  pcie::Sbdf rid;
};
struct DetachRid {
  pcie::Sbdf rid;
};  // answered after a quiescent point
// 4 KiB aligned; must not overlap an existing mapping of the domain.
struct IommuMap {
  IoDomain domain{};
  Iova iova;
  BusAddr to;
  std::uint64_t length = 0;
  pcie::AccessSet access;
};
// Removes every mapping inside the range; a mapping that reaches out of it is an error (nothing is removed).
struct IommuUnmap {
  IoDomain domain{};
  Iova iova;
  std::uint64_t length = 0;
};  // answered after a quiescent point
// ---- interrupts: a route lets `rid` raise `vector` at this host and answers the message that a device must
// send for it.
struct RouteInterrupt {
  pcie::Sbdf rid;
  std::uint32_t vector = 0;
};
struct UnrouteInterrupt {
  pcie::Sbdf rid;
  std::uint32_t vector = 0;
};
// ---- an interrupt to this host's own software (a second program of the same host)
struct SelfInterrupt {
  std::uint32_t vector = 0;
};
// ---- what is this host
struct Describe {};

using Request = std::variant<ConfigRead, ConfigWrite, Load, Store, ReadMemory, WriteMemory, PinMemory, Unpin,
                             CreateIoDomain, DestroyIoDomain, AttachRid, DetachRid, IommuMap, IommuUnmap,
                             RouteInterrupt, UnrouteInterrupt, SelfInterrupt, Describe>;

struct Done {};
struct Value {
  std::uint64_t value = 0;
};
struct Memory {
  std::vector<std::byte> bytes;
};
struct Pinned {
  Pin pin{};
  BusAddr at;
};  // where byte file_offset is
struct DomainCreated {
  IoDomain domain{};
};
struct MessageRoute {
  std::uint64_t address = 0;
  std::uint32_t data = 0;
};  // address in this host's domain
struct Description {
  pcie::Domain domain{};
  Range<BusAddr> dram = Range<BusAddr>::everything();        // all addresses that memory may take
  Range<BusAddr> own_memory = Range<BusAddr>::everything();  // the part that is the host's own now
  Range<BusAddr> mmio32 = Range<BusAddr>::everything();      // for 32-bit BARs
  Range<BusAddr> mmio64 = Range<BusAddr>::everything();      // for 64-bit BARs
  std::uint16_t segments = 1;                                // PCI segments, numbered from 0
};
using Response = std::variant<Done, Value, Memory, Pinned, DomainCreated, MessageRoute, Description>;

enum class Error : std::uint8_t {
  stale_epoch,
  bad_argument,
  no_memory,
  no_such_object,
  overlap,
  refused_by_fabric,
  limit,
  disconnected,
  count_
};
[[nodiscard]] std::string_view name(Error error);

using Result = std::expected<Response, Error>;

// ---- what the host tells its software
struct Interrupt {
  std::uint32_t vector = 0;
};
// A refused access that this host's IOMMU or interrupt remapping recorded.
struct Fault {
  pcie::Sbdf rid;
  std::uint64_t address = 0;
  pcie::Access access{};
  std::string reason;  // "component/table: reason"
};
using Event = std::variant<Interrupt, Fault>;

}  // namespace ladon::host
