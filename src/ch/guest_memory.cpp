#include "ch/guest_memory.h"

#include <algorithm>
#include <utility>

#include "base/memory_file.h"

namespace ladon::ch {

namespace {

// Calls `done` when all parts of something are done, with the last failure if there was one.
class Gather {
 public:
  explicit Gather(GuestMemory::Done done) : shared_(std::make_shared<Shared>(std::move(done))) {}
  GuestMemory::Done part() {
    ++shared_->left;
    return [shared = shared_](GuestMemory::Outcome outcome) { finish(*shared, outcome); };
  }
  // No more parts come.
  void close() { finish(*shared_, {}); }

 private:
  struct Shared {
    explicit Shared(GuestMemory::Done d) : done(std::move(d)) {}
    GuestMemory::Done done;
    std::size_t left = 1;
    GuestMemory::Outcome outcome;
  };
  static void finish(Shared& shared, GuestMemory::Outcome outcome) {
    if (!outcome) shared.outcome = outcome;
    if (--shared.left == 0) shared.done(shared.outcome);
  }
  std::shared_ptr<Shared> shared_;
};

std::optional<std::uint64_t> size_of(int fd) {
  const auto described = MemoryFile::describe(fd);
  return described ? std::optional(described->size) : std::nullopt;
}

}  // namespace

std::string_view name(SlotRefusal refusal) {
  switch (refusal) {
    case SlotRefusal::busy:
      return "busy";
    case SlotRefusal::no_vf:
      return "no VF";
    case SlotRefusal::bad_register:
      return "bad register";
    case SlotRefusal::bad_map:
      return "bad map";
    case SlotRefusal::bad_unmap:
      return "bad unmap";
    case SlotRefusal::host_error:
      return "host error";
    case SlotRefusal::not_at_once:
      return "not answered at once";
    case SlotRefusal::count_:
      break;
  }
  return "?";
}

std::shared_ptr<GuestMemory> GuestMemory::make(host::HostBridge& bridge, bool bare, std::uint32_t owner) {
  return std::shared_ptr<GuestMemory>(new GuestMemory(bridge, bare, owner));
}

void GuestMemory::request(host::Request request, std::move_only_function<void(const host::Result&)> then) {
  // This memory lives until the last answer: what was pinned must not be lost with it.
  bridge_.submit(std::move(request), [self = shared_from_this(),
                                      then = std::move(then)](host::Result result) mutable { then(result); });
}

void GuestMemory::with_space(WithSpace then) {
  if (space_) return then(space_);
  awaiting_space_.push_back(std::move(then));
  if (awaiting_space_.size() > 1) return;
  request(host::CreateIoDomain{}, [this](const host::Result& result) {
    const auto* created = result ? std::get_if<host::DomainCreated>(&*result) : nullptr;
    if (created != nullptr) space_ = created->domain;
    for (auto& waiting : std::exchange(awaiting_space_, {})) waiting(space_);
    settle();  // a close may have waited for nothing else
  });
}

bool GuestMemory::overlaps(const Range<Gpa>& range) const {
  auto next = mappings_.upper_bound(range.last());
  if (next == mappings_.begin()) return false;
  const auto& [gpa, mapping] = *--next;
  return Range<Gpa>::of(gpa, mapping.length)->overlaps(range);
}

std::vector<GuestMemory::Granted> GuestMemory::granted() const {
  std::vector<Granted> all;
  for (const auto& [gpa, mapping] : mappings_) {
    if (mapping.busy) continue;
    const std::uint64_t first = mapping.at.bits() - std::min(mapping.before, mapping.at.bits());
    all.push_back({.gpa = gpa,
                   .at = mapping.at,
                   .length = mapping.length,
                   .access = mapping.access,
                   .placed = BusAddr(first),
                   .placed_length = mapping.whole});
  }
  return all;
}

bool GuestMemory::settled() const {
  return std::ranges::none_of(mappings_, [](const auto& entry) { return entry.second.busy; });
}

void GuestMemory::map(Gpa gpa, std::uint64_t length, int fd, std::uint64_t file_offset,
                      pcie::AccessSet access, Done done) {
  const auto range = Range<Gpa>::of(gpa, length);
  if (!range || !gpa.is_aligned(kPage) || length % kPage != 0 || file_offset % kPage != 0 ||
      overlaps(*range) || mappings_.size() >= kMaxMappings || closed_)
    return done(std::unexpected(SlotRefusal::bad_map));
  const auto at = bare_ ? std::optional(BusAddr(gpa.bits())) : std::nullopt;
  // At a place of its own only what was asked for is pinned; elsewhere the whole file.
  const auto file = at ? std::nullopt : size_of(fd);
  mappings_[gpa] = {.length = length,
                    .access = access,
                    .at = {},
                    .before = file ? file_offset : 0,
                    .whole = file.value_or(length),
                    .pin = {}};
  request(host::PinMemory{fd, file_offset, length, at, owner_},
          [this, gpa, access, done = std::move(done)](const host::Result& result) mutable {
            const auto* pinned = result ? std::get_if<host::Pinned>(&*result) : nullptr;
            if (pinned != nullptr) return map_pinned(gpa, *pinned, access, std::move(done));
            mappings_.erase(gpa);
            done(std::unexpected(SlotRefusal::host_error));
            settle();
          });
}

void GuestMemory::map_pinned(Gpa gpa, const host::Pinned& pinned, pcie::AccessSet access, Done done) {
  mappings_[gpa].pin = pinned.pin;
  mappings_[gpa].at = pinned.at;
  with_space(
      [this, gpa, pinned, access, done = std::move(done)](std::optional<host::IoDomain> space) mutable {
        auto fail = [this, gpa](Done told) {
          unpin(gpa, [told = std::move(told)]() mutable { told(std::unexpected(SlotRefusal::host_error)); });
        };
        if (!space) return fail(std::move(done));
        const std::uint64_t length = mappings_[gpa].length;
        request(host::IommuMap{*space, Iova(gpa.bits()), pinned.at, length, access},
                [this, gpa, fail, done = std::move(done)](const host::Result& result) mutable {
                  if (!result) return fail(std::move(done));
                  mappings_[gpa].busy = false;
                  done({});
                  if (closed_) remove(gpa, [](Outcome) {});
                });
      });
}

void GuestMemory::unmap(Range<Gpa> range, Done done) {
  std::vector<Gpa> inside;
  auto at = mappings_.upper_bound(range.last());
  while (at != mappings_.begin()) {
    const auto& [gpa, mapping] = *--at;
    const auto mapped = *Range<Gpa>::of(gpa, mapping.length);
    if (!mapped.overlaps(range)) break;
    if (!range.contains(mapped) || mapping.busy) return done(std::unexpected(SlotRefusal::bad_unmap));
    inside.push_back(gpa);
  }
  Gather gather(std::move(done));
  for (const Gpa gpa : inside) remove(gpa, gather.part());
  gather.close();
}

void GuestMemory::remove(Gpa gpa, Done done) {
  Mapping& mapping = mappings_[gpa];
  mapping.busy = true;
  // Answered after a quiescent point: only then may the memory go back to its owner.
  request(host::IommuUnmap{*space_, Iova(gpa.bits()), mapping.length},
          [this, gpa, done = std::move(done)](const host::Result& result) mutable {
            if (result || closed_)  // closed: no one is attached, and the space goes too
              return unpin(gpa, [done = std::move(done)]() mutable { done({}); });
            mappings_[gpa].busy = false;
            done(std::unexpected(SlotRefusal::host_error));
          });
}

void GuestMemory::unpin(Gpa gpa, Then done) {
  // Whoever is told may let go of us.
  const auto finish = [self = shared_from_this(), gpa](Then then) {
    self->mappings_.erase(gpa);
    then();
    self->settle();
  };
  const auto pin = mappings_[gpa].pin;
  if (!pin) return finish(std::move(done));
  request(host::Unpin{*pin},
          [finish, done = std::move(done)](const host::Result&) mutable { finish(std::move(done)); });
}

void GuestMemory::close(Then done) {
  const auto self = shared_from_this();  // whoever is told may let go of us
  closed_ = std::move(done);
  std::vector<Gpa> all;
  for (const auto& [gpa, mapping] : mappings_)
    if (!mapping.busy) all.push_back(gpa);
  for (const Gpa gpa : all) remove(gpa, [](Outcome) {});
  settle();
}

void GuestMemory::settle() {
  if (!closed_ || !*closed_ || !mappings_.empty() || !awaiting_space_.empty()) return;
  Then done = std::exchange(*closed_, Then{});
  if (!space_) return done();
  request(host::DestroyIoDomain{*std::exchange(space_, std::nullopt)},
          [done = std::move(done)](const host::Result&) mutable { done(); });
}

void GuestMemory::attach(pcie::Sbdf rid, Done done) {
  with_space([this, rid, now = ++attachment_, done = std::move(done)](auto space) mutable {
    if (!space) return done(std::unexpected(SlotRefusal::host_error));
    if (attachment_ != now) return done(std::unexpected(SlotRefusal::busy));
    request(host::AttachRid{*space, rid}, [done = std::move(done)](const host::Result& result) mutable {
      done(result ? Outcome{} : std::unexpected(SlotRefusal::host_error));
    });
  });
}

void GuestMemory::detach(pcie::Sbdf rid, Then done) {
  ++attachment_;
  request(host::DetachRid{rid}, [done = std::move(done)](const host::Result&) mutable { done(); });
}

}  // namespace ladon::ch
