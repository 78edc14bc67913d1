#include "client/memory_port.h"

namespace ladon::client {

using pcie::DmaStatus;

std::byte* MemoryPort::at(Iova address, std::size_t length) const {
  const auto offset = address.minus(memory_.base);
  if (revoked_ || !offset || *offset > memory_.bytes.size() || length > memory_.bytes.size() - *offset)
    return nullptr;
  return memory_.bytes.data() + *offset;
}

void MemoryPort::remember_around(Iova address) {
  if (client_ != nullptr || memory_.bytes.empty()) return;
  remember(address, {.first = memory_.base.bits(),
                     .span = memory_.bytes.size() - 1,
                     .memory = memory_.bytes.data(),
                     .generation = 0,
                     .access = pcie::kReadWrite});
}

DmaStatus MemoryPort::move(const Pending& access) {
  const std::size_t length = access.write ? access.from.size() : access.into.size();
  std::byte* const memory = at(access.at, length);
  if (memory == nullptr) {
    ++refusals_;
    return DmaStatus::refused;
  }
  if (access.write)
    std::memcpy(memory, access.from.data(), length);
  else
    std::memcpy(access.into.data(), memory, length);
  remember_around(access.at);
  return DmaStatus::done;
}

DmaStatus MemoryPort::issue_read(Iova from, Bytes into, pcie::DmaTag tag) {
  const Pending access{.at = from, .into = into, .from = {}, .write = false, .tag = tag};
  if (client_ == nullptr) return move(access);
  pending_.push_back(access);
  return DmaStatus::pending;
}

DmaStatus MemoryPort::issue_write(Iova to, ConstBytes from, pcie::DmaTag tag) {
  const Pending access{.at = to, .into = {}, .from = from, .write = true, .tag = tag};
  if (client_ == nullptr) return move(access);
  pending_.push_back(access);
  return DmaStatus::pending;
}

void MemoryPort::defer_to(pcie::DmaClient* client) {
  client_ = client;
  forget();
}

void MemoryPort::complete_at(std::size_t index) {
  const Pending access = pending_[index];
  pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(index));
  pcie::DmaClient* const client = client_;
  const DmaStatus status = move(access);
  if (client != nullptr) client->dma_completed(access.tag, status);
}

bool MemoryPort::complete() {
  if (pending_.empty()) return false;
  complete_at(0);
  return true;
}

bool MemoryPort::complete_any(std::size_t choice) {
  if (pending_.empty()) return false;
  std::size_t eligible = 0;
  while (eligible < pending_.size() && !pending_[eligible].write) ++eligible;
  complete_at(eligible == 0 ? 0 : choice % eligible);
  return true;
}

void MemoryPort::revoke(bool revoked) {
  revoked_ = revoked;
  forget();
}

DmaStatus MemoryPort::send_msi(Iova address, std::uint32_t data) {
  ++message_count_;
  if (keep_) messages_.push_back({address, data});
  return revoked_ ? DmaStatus::refused : DmaStatus::done;
}

}  // namespace ladon::client
