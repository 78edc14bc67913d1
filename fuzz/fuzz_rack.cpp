// The rack file's parser: any text is a rack or a list of mistakes; nothing else happens.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "machine/rack_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto rack = ladon::machine::parse_rack(text, "fuzz.yaml");
  if (rack) {
    if (rack->hosts.empty() || rack->hosts[0].role != ladon::machine::HostRole::management) std::abort();
    return 0;
  }
  if (rack.error().empty() || rack.error().size() > ladon::machine::kMaxRackErrors) std::abort();
  for (const auto& error : rack.error())
    for (const char c : to_string(error))
      if (c >= 0 && c < ' ') std::abort();
  return 0;
}
