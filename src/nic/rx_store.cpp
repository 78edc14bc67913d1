#include "nic/rx_store.h"

#include <algorithm>
#include <utility>

namespace ladon::nic {

void RxStore::resize(std::uint64_t bytes) {
  // The account counts frames; beside them lie their records, for the shortest frames a third of their
  // length.
  const std::size_t size = std::max<std::size_t>(bytes, charged_) * 3 / 2 + 2 * extent(kMaxFrame);
  if (size == size_) return;
  RxStore larger(source_.id());
  larger.bytes_ = std::make_unique_for_overwrite<std::byte[]>(size);
  larger.size_ = size;
  while (!empty()) {
    larger.push(front());
    pop();
  }
  bytes_ = std::move(larger.bytes_);
  size_ = size;
  head_ = larger.head_;
  tail_ = larger.tail_;
  wrap_ = larger.wrap_;
  frames_ = larger.frames_;
  charged_ = larger.charged_;
}

bool RxStore::fits(std::uint32_t length) const {
  const std::size_t needed = extent(length);
  if (frames_ == 0) return needed <= size_;
  if (tail_ > head_) return needed <= size_ - tail_ || needed < head_;
  return needed < head_ - tail_;
}

void RxStore::push(const Frame& frame) {
  const Record record{.length = frame.length,
                      .transport_checked_at = frame.transport_checked_at,
                      .tag = frame.tag,
                      .tagged = frame.tagged,
                      .verify = frame.verify};
  if (frames_ == 0) head_ = tail_ = 0;
  if (tail_ >= head_ && extent(frame.length) > size_ - tail_) wrap_ = std::exchange(tail_, 0);
  std::memcpy(bytes_.get() + tail_, &record, sizeof record);
  copy_whole(frame, bytes_.get() + tail_ + sizeof record);
  tail_ += extent(frame.length);
  ++frames_;
  charged_ += record.charge();
}

RxStore::Record RxStore::first() const {
  Record record;
  std::memcpy(&record, bytes_.get() + head_, sizeof record);
  return record;
}

Frame RxStore::front() {
  const Record record = first();
  const ConstBytes bytes(bytes_.get() + head_ + sizeof record, record.length);
  Frame frame;
  frame.head = bytes.first(std::min<std::size_t>(bytes.size(), offload::kMaxSnapshot));
  rest_ = bytes.subspan(frame.head.size());
  if (!rest_.empty()) frame.rest = std::span(&rest_, 1);
  frame.length = record.length;
  frame.tagged = record.tagged;
  frame.tag = record.tag;
  frame.transport_checked_at = record.transport_checked_at;
  frame.verify = record.verify;
  return frame;
}

void RxStore::pop() {
  const Record record = first();
  const bool wrapped = tail_ <= head_;
  head_ += extent(record.length);
  --frames_;
  charged_ -= record.charge();
  if (wrapped && head_ == wrap_) head_ = 0;
}

std::uint64_t RxStore::clear() {
  if (size_ != 0) std::memset(bytes_.get(), 0, size_);
  head_ = tail_ = frames_ = 0;
  return std::exchange(charged_, 0);
}

}  // namespace ladon::nic
