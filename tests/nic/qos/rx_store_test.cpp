#include "nic/rx_store.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <deque>

namespace ladon::nic {
namespace {

using Stored = std::pair<std::vector<std::byte>, std::uint16_t>;  // bytes, tag

std::vector<std::byte> pattern(std::size_t length, unsigned seed) {
  std::vector<std::byte> bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(seed + i * 7);
  return bytes;
}

void push(RxStore& store, std::deque<Stored>& model, std::size_t length, std::uint16_t tag) {
  const auto bytes = pattern(length, static_cast<unsigned>(length) ^ tag);
  Frame frame;
  frame.head = ConstBytes(bytes).first(std::min<std::size_t>(length, 100));
  const ConstBytes rest = ConstBytes(bytes).subspan(frame.head.size());
  if (!rest.empty()) frame.rest = std::span(&rest, 1);
  frame.length = static_cast<std::uint32_t>(length);
  frame.tagged = tag != 0;
  frame.tag = tag;
  store.push(frame);
  model.emplace_back(bytes, tag);
}

void check_front(RxStore& store, const Stored& expected) {
  const Frame frame = store.front();
  std::vector<std::byte> bytes(frame.length);
  copy_whole(frame, bytes.data());
  RC_ASSERT(bytes == expected.first);
  RC_ASSERT(frame.tagged == (expected.second != 0));
  RC_ASSERT(frame.tag == expected.second);
  RC_ASSERT(store.front_charge() == expected.first.size() + (expected.second != 0 ? 4 : 0));
}

// First in, first out, whatever is resized meanwhile, and everything that the account lets in fits.
RC_GTEST_PROP(RxStore, IsAQueueOfFrames, ()) {
  constexpr std::uint64_t kLeast = 20'000;
  RxStore store(200);
  std::uint64_t size = kLeast, charged = 0;
  store.resize(size);
  std::deque<Stored> model;
  for (int step = 0; step < 300; ++step) {
    RC_ASSERT(store.empty() == model.empty());
    switch (*rc::gen::inRange(0, 10)) {
      case 0:
        size = *rc::gen::inRange<std::uint64_t>(kLeast, 4 * kLeast);
        store.resize(size);
        break;
      case 1:
        if (*rc::gen::inRange(0, 20) == 0) {
          RC_ASSERT(store.clear() == charged);
          model.clear();
          charged = 0;
        }
        break;
      case 2:
      case 3:
      case 4:
        if (model.empty()) break;
        check_front(store, model.front());
        charged -= store.front_charge();
        store.pop();
        model.pop_front();
        break;
      default: {
        const auto length = *rc::gen::inRange<std::uint32_t>(60, 3000);
        const auto tag = *rc::gen::element<std::uint16_t>(0, 5);
        if (charged + length + 4 > size) break;
        RC_ASSERT(store.fits(length));
        push(store, model, length, tag);
        charged += length + (tag != 0 ? 4 : 0);
      }
    }
  }
}

TEST(RxStore, IsFullAtLast) {
  RxStore store(200);
  store.resize(9728);
  std::deque<Stored> model;
  std::size_t frames = 0;
  for (; store.fits(1000) && frames < 1000; ++frames) push(store, model, 1000, 0);
  EXPECT_GE(frames, 9u);
  EXPECT_LT(frames, 100u);
  store.pop();
  EXPECT_TRUE(store.fits(500));
}

}  // namespace
}  // namespace ladon::nic
