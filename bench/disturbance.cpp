#include "disturbance.h"

#include <fcntl.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <stdexcept>

#include "client/frames.h"
#include "stream.h"

namespace ladon::bench {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr Gpa kExtra{0x4000'0000};  // beyond the memory of a bed's VMs
// 64 extents are what a port remembers; of these mappings a frame finds its own in there by chance at most.
constexpr std::uint32_t kNeighboursPages = 1024;
constexpr std::uint32_t kNeighboursFrames = 128;  // a run
constexpr std::size_t kFrame = 64;

Gpa page_address(std::uint64_t index) {
  return Gpa(kExtra.bits() + index * kPage);
}

std::vector<std::uint32_t> shuffled(std::uint32_t count, std::uint32_t seed) {
  std::vector<std::uint32_t> made(count);
  std::iota(made.begin(), made.end(), 0u);
  std::ranges::shuffle(made, std::mt19937(seed));
  return made;
}

MemoryFile open_memory(const FileDescriptor& file) {
  auto memory = MemoryFile::open(FileDescriptor(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0)));
  if (!memory) throw std::runtime_error("no memory for a benchmark's guest");
  return std::move(*memory);
}

FileDescriptor make_file(std::size_t bytes) {
  auto file = machine::sealed_memory(bytes);
  if (!file) throw std::runtime_error(file.error());
  return std::move(*file);
}

}  // namespace

ExtraMemory::ExtraMemory(RackBed& bed, unsigned station, std::size_t bytes)
    : bed_(bed), station_(station), file_(make_file(bytes)), memory_(open_memory(file_)) {}

void ExtraMemory::map(Gpa at, std::size_t page) {
  const auto mapped =
      bed_.slot(station_).dma_map({.range = Range<Gpa>::of(at, kPage).value(),
                                   .access = pcie::kReadWrite,
                                   .file = FileDescriptor(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0)),
                                   .file_offset = page * kPage});
  if (!mapped) throw std::runtime_error("a page cannot be mapped");
}

void ExtraMemory::unmap(Gpa at) {
  std::optional<vfio::Status> answer;
  bed_.slot(station_).dma_unmap(Range<Gpa>::of(at, kPage).value(),
                                [&answer](vfio::Status status) { answer = status; });
  for (int turns = 0; !answer && turns < 1000; ++turns) bed_.machine().run_once(Duration{0});
  if (!answer || !*answer) throw std::runtime_error("a page cannot be unmapped");
}

Disturbance::Disturbance(RackBed& bed, Before kind) : bed_(bed), kind_(kind) {
  if (kind == Before::remapping) {
    for (unsigned station = 0; station < 2; ++station) {
      extra_.emplace_back(bed, station, kPage);
      extra_.back().map(kExtra, 0);
    }
  }
  if (kind != Before::thrashing) return;
  neighbour_.emplace(open_driver(bed.station(2)));
  ExtraMemory& memory = extra_.emplace_back(bed, 2, kNeighboursPages * kPage);
  // Nobody has this address: the frames are read, looked at and dropped.
  client::FrameSpec spec{.destination = {{2, 0xee, 0, 0, 0, 1}}, .source = neighbour_->mac()};
  spec.payload = kFrame - client::layout_of(spec).payload;
  const client::Frame frame = client::make_frame(spec);
  // Pages of the file in another order than in the guest, so that no two mappings make one.
  const auto places = shuffled(kNeighboursPages, 1);
  for (std::uint32_t page = 0; page < kNeighboursPages; ++page) {
    memory.map(page_address(page), places[page]);
    std::ranges::copy(frame, memory.bytes().subspan(places[page] * kPage).begin());
  }
  pages_ = shuffled(kNeighboursPages, 2);
}

void Disturbance::run() {
  if (kind_ == Before::remapping) remap();
  if (kind_ == Before::thrashing) thrash();
}

void Disturbance::remap() {
  for (ExtraMemory& memory : extra_) {
    memory.unmap(kExtra);
    memory.map(kExtra, 0);
  }
}

void Disturbance::thrash() {
  client::TxRing& tx = neighbour_->tx();
  tx.reclaim();
  for (std::uint32_t i = 0; i < kNeighboursFrames; ++i) {
    const client::TxPiece piece{Iova(page_address(pages_[next_]).bits()), kFrame};
    next_ = (next_ + 1) % pages_.size();
    if (!tx.send(std::span(&piece, 1), {}, true)) throw std::runtime_error("the neighbour's ring is full");
  }
  tx.ring_doorbell();
  bed_.run();
}

}  // namespace ladon::bench
