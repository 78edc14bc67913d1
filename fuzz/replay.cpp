// Replays corpora without libFuzzer: every kept input is a regression test in any build.
//   replay_corpora TARGET FILE-OR-FOLDER...
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

using Target = int (*)(const std::uint8_t*, std::size_t);
struct NamedTarget {
  std::string_view name;
  Target run;
};

// Written by fuzz/CMakeLists.txt: one line a target.
#define LADON_TARGET(name) extern "C" int fuzz_##name(const std::uint8_t*, std::size_t);
#include "targets.inc"
#undef LADON_TARGET
#define LADON_TARGET(name) {#name, fuzz_##name},
static constexpr NamedTarget kTargets[] = {
#include "targets.inc"
};
#undef LADON_TARGET

namespace fs = std::filesystem;

static std::vector<fs::path> files_in(const fs::path& given) {
  if (!fs::is_directory(given)) return {given};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(given))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

int main(int argc, char** argv) {
  const std::string_view wanted = argc > 1 ? argv[1] : "";
  const auto* target = std::ranges::find(kTargets, wanted, &NamedTarget::name);
  if (target == std::end(kTargets) || argc < 3) {
    std::fputs("usage: replay_corpora TARGET FILE-OR-FOLDER...\ntargets:", stderr);
    for (const NamedTarget& one : kTargets) std::fprintf(stderr, " %s", one.name.data());
    std::fputs("\n", stderr);
    return 2;
  }
  std::size_t replayed = 0;
  for (int i = 2; i < argc; ++i)
    for (const fs::path& path : files_in(argv[i])) {
      std::ifstream file(path, std::ios::binary);
      const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
      std::fprintf(stderr, "%s\n", path.c_str());  // the last one is the one that did it
      target->run(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
      ++replayed;
    }
  std::printf("%zu inputs\n", replayed);
  return replayed > 0 ? 0 : 1;
}
