// The client's memory: DMA_MAP and DMA_UNMAP.
#include "base/memory_file.h"
#include "vfio/session.h"

namespace ladon::vfio {

Session::Outcome Session::on(const DmaMapRequest& request) {
  const auto range = maps_.check(request.address, request.size, request.file_offset);
  if (!range) return refuse(range.error());
  if (descriptors_->empty()) {
    // Memory that the client keeps to itself (a ROM). The range is taken, but no device ever reaches it.
    maps_.add(*range, false);
    return answer({});
  }
  FileDescriptor file = std::move(descriptors_->front());
  descriptors_->erase(descriptors_->begin());
  const auto description = MemoryFile::describe(file.get());
  if (!description) return refuse(Refusal::dma_bad_file);
  if (request.file_offset > description->size || request.size > description->size - request.file_offset)
    return refuse(Refusal::dma_outside_file);
  const auto status = device_.dma_map(
      {.range = *range,
       .access = pcie::AccessSet{static_cast<std::uint8_t>(request.flags)},  // the same two bits
       .file = std::move(file),
       .file_offset = request.file_offset});
  if (status) maps_.add(*range, true);
  return answer(status);
}

Session::Outcome Session::on(const DmaUnmapRequest& request) {
  std::expected<std::vector<DmaTable::Entry>, Refusal> entries = maps_.all();
  if (!request.all) entries = maps_.inside(request.address, request.size);
  if (!entries) return refuse(entries.error());
  encode_unmapped(header_, request, out_);
  // Held open until all have been asked for: a device may complete each at once.
  Completion all_asked = wait();
  for (const DmaTable::Entry& entry : *entries) {
    if (entry.reachable)
      device_.dma_unmap(entry.range, wait([this, range = entry.range] { maps_.remove(range); }));
    else
      maps_.remove(entry.range);
  }
  all_asked(Status{});
  return {};
}

}  // namespace ladon::vfio
