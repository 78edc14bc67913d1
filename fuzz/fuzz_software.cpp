// Bytes of a stranger against what the software decodes: bridge messages, control words of a compromised
// host, an intent. The first byte chooses.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "host/codec.h"
#include "host/control.h"
#include "mh/intent.h"

namespace {

using namespace ladon;

// What decodes must encode to something that decodes again.
void codec(ConstBytes bytes) {
  for (const int fd : {-1, 3})
    if (const auto message = host::decode(bytes, fd))
      if (!host::decode(host::encode(*message), fd)) std::abort();
}

// Each 64 bytes are what the peer's half says at one look.
void control_words(ConstBytes bytes) {
  host::control::Link link(1);
  link.send(host::control::Ready{1, true});
  while (bytes.size() >= sizeof(host::control::Half)) {
    host::control::Half half{};
    std::memcpy(half.data(), bytes.data(), sizeof half);
    bytes = bytes.subspan(sizeof half);
    const auto step = link.step(half);
    if (step.received) link.send(*step.received);
    if (std::ranges::any_of(step.writes, [](const auto& w) { return w.word >= host::control::kHalfWords; }))
      std::abort();
  }
}

void intent(std::string_view text) {
  const auto read = mh::intent_from_json(text);
  if (read && mh::intent_from_json(mh::to_json(*read)) != *read) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ConstBytes rest = std::as_bytes(std::span(data + 1, size - 1));
  switch (data[0] % 3) {
    case 0:
      codec(rest);
      break;
    case 1:
      control_words(rest);
      break;
    default:
      intent({reinterpret_cast<const char*>(data + 1), size - 1});
      break;
  }
  return 0;
}
