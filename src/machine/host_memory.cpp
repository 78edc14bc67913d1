#include "machine/host_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <system_error>

namespace ladon::machine {
namespace {

constexpr std::uint64_t kAlignment = 2 << 20;  // so that large pages fit
constexpr std::size_t kMaxPins = 65'536;

std::uint64_t round_up(std::uint64_t bytes) {
  return (bytes + kAlignment - 1) & ~(kAlignment - 1);
}

std::shared_ptr<MemoryFile> own_file(std::uint64_t bytes) {
  FileDescriptor fd(::memfd_create("ladon-host-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    throw std::system_error(errno, std::generic_category(), "host memory");
  auto file = MemoryFile::open(std::move(fd));
  if (!file) throw std::system_error(ENOMEM, std::generic_category(), std::string(name(file.error())));
  return std::make_shared<MemoryFile>(std::move(*file));
}

}  // namespace

HostMemory::HostMemory(Range<BusAddr> own, Range<BusAddr> guests, Reservations reserved, Guests kept)
    : own_(own), guests_(guests), reserved_(std::move(reserved)), kept_(kept) {
  pieces_.emplace(own_.first(), Piece{.range = own_, .file = own_file(own_.span() + 1)});
}

bool HostMemory::same_file(const Piece& piece, const host::PinMemory& request,
                           const MemoryFile::Description& description) {
  return piece.owner == request.owner && piece.description.identity == description.identity &&
         piece.description.size == description.size;
}

bool HostMemory::is_free(Range<BusAddr> range) const {
  auto after = pieces_.upper_bound(range.last());
  return after == pieces_.begin() || std::prev(after)->second.range.last() < range.first();
}

// The owner's reserved place, or else the first that fits: there are few guests on a host.
std::optional<Range<BusAddr>> HostMemory::free_range(std::uint64_t length, std::uint32_t owner) const {
  const auto own = reserved_.find(owner);
  if (own != reserved_.end() && own->second.span() + 1 == length && is_free(own->second)) return own->second;
  std::map<BusAddr, Range<BusAddr>> taken;
  for (const auto& [first, piece] : pieces_) taken.emplace(first, piece.range);
  for (const auto& [whose, range] : reserved_) taken.emplace(range.first(), range);
  std::uint64_t at = round_up(guests_.first().bits());
  for (const auto& [first, range] : taken) {
    const auto candidate = Range<BusAddr>::of(BusAddr(at), length);
    if (candidate && candidate->last() < first) break;
    if (range.last().bits() >= at) at = round_up(range.last().bits() + 1);
  }
  const auto range = Range<BusAddr>::of(BusAddr(at), length);
  if (!range || !guests_.contains(*range)) return std::nullopt;
  return range;
}

std::expected<HostMemory::NewPin, host::Error> HostMemory::pin(const host::PinMemory& request) {
  if (pins_.size() >= kMaxPins) return std::unexpected(host::Error::limit);
  const auto description = MemoryFile::describe(request.fd);
  if (!description || request.length == 0 || request.file_offset > description->size ||
      request.length > description->size - request.file_offset)
    return std::unexpected(host::Error::bad_argument);
  const host::Pin pin{next_pin_};

  if (!request.at) {
    for (auto& [first, piece] : pieces_) {
      if (!piece.whole_file || !same_file(piece, request, *description)) continue;
      ++piece.users;
      pins_.emplace(pin, first);
      ++next_pin_;
      return NewPin{{pin, first.plus(request.file_offset).value()}, piece.range, false};
    }
  }
  const bool whole = !request.at;
  const auto range =
      whole ? free_range(description->size, request.owner) : Range<BusAddr>::of(*request.at, request.length);
  if (!range) return std::unexpected(whole ? host::Error::no_memory : host::Error::bad_argument);
  if (!guests_.contains(*range)) return std::unexpected(host::Error::bad_argument);
  if (!is_free(*range)) return std::unexpected(host::Error::overlap);

  std::shared_ptr<MemoryFile> file;
  if (kept_ == Guests::bytes) {
    file = file_of(request, *description);
    if (!file) return std::unexpected(host::Error::no_memory);
  }
  pieces_.emplace(range->first(), Piece{.range = *range,
                                        .file = std::move(file),
                                        .description = *description,
                                        .file_offset = whole ? 0 : request.file_offset,
                                        .owner = request.owner,
                                        .whole_file = whole});
  pins_.emplace(pin, range->first());
  ++next_pin_;
  const BusAddr at = whole ? range->first().plus(request.file_offset).value() : range->first();
  return NewPin{{pin, at}, *range, true};
}

std::shared_ptr<MemoryFile> HostMemory::file_of(const host::PinMemory& request,
                                                const MemoryFile::Description& description) {
  std::set<const MemoryFile*> files;
  std::uint64_t mapped = description.size;
  for (const auto& [first, piece] : pieces_) {
    if (same_file(piece, request, description)) return piece.file;
    if (files.insert(piece.file.get()).second) mapped += piece.file->size();
  }
  // Every file is mapped whole, however little of it is pinned: a guest could use up the address space with
  // large, empty files.
  if (mapped > 2 * guests_.span()) return nullptr;
  auto opened = MemoryFile::open(FileDescriptor(::fcntl(request.fd, F_DUPFD_CLOEXEC, 0)));
  return opened ? std::make_shared<MemoryFile>(std::move(*opened)) : nullptr;
}

HostMemory::Leaving HostMemory::unpin(host::Pin pin) {
  const auto found = pins_.find(pin);
  if (found == pins_.end()) return {};
  auto& piece = pieces_.at(found->second);
  pins_.erase(found);
  if (--piece.users > 0) return {.known = true, .range = std::nullopt};
  piece.whole_file = false;  // a new pin of the same file must not share what is leaving
  return {.known = true, .range = piece.range};
}

void HostMemory::drop(Range<BusAddr> range) {
  pieces_.erase(range.first());
}

std::optional<HostMemory::Place> HostMemory::find(BusAddr at) {
  auto after = pieces_.upper_bound(at);
  if (after == pieces_.begin()) return std::nullopt;
  const Piece& piece = std::prev(after)->second;
  if (!piece.range.contains(at) || piece.file == nullptr) return std::nullopt;
  const std::uint64_t into = at.bits() - piece.range.first().bits();
  return Place{.file = piece.file.get(),
               .offset = piece.file_offset + into,
               .left = piece.range.span() - into + 1,
               .range = piece.range};
}

bool HostMemory::read(BusAddr at, Bytes into) {
  const auto place = find(at);
  return place && into.size() <= place->left && place->file->read(place->offset, into);
}

bool HostMemory::write(BusAddr at, ConstBytes from) {
  const auto place = find(at);
  return place && from.size() <= place->left && place->file->write(place->offset, from);
}

}  // namespace ladon::machine
