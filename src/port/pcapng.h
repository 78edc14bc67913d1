// Captures of many interfaces in one file, as Wireshark reads them: pcapng (draft-ietf-opsawg-pcapng), one
// section, little endian, time stamps in nanoseconds since 1970.
//
//   auto file = PcapNg::open("rack.pcapng", {});
//   const auto wire = file->add({.name = "nic0 wire", .link_type = LinkType::ethernet});
//   file->write(wire, since_1970, Direction::inbound, frame);
#pragma once

#include <cstdint>
#include <cstdio>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"

namespace ladon::port {

// LINKTYPE_ values, www.tcpdump.org/linktypes.html.
enum class LinkType : std::uint16_t { ethernet = 1, user0 = 147 };

// Bits 0 and 1 of epb_flags.
enum class Direction : std::uint8_t { unknown = 0, inbound = 1, outbound = 2 };

struct CaptureInterface {
  std::string name, description = {};  // each at most 1,000 bytes; longer ones are cut
  LinkType link_type{};
};

class PcapNg {
 public:
  struct Options {
    std::string application = "ladon";
    std::uint64_t limit = std::uint64_t{1} << 30;  // bytes of the file; what comes after is counted only
  };
  // Replaces the file. The error names the path.
  [[nodiscard]] static std::expected<PcapNg, std::string> open(const std::string& path,
                                                               const Options& options);

  // The interface's number in the file. At any time.
  std::uint32_t add(const CaptureInterface& interface);
  // Goes through a buffer of stdio's: a full disk shows in flush() or later.
  void write(std::uint32_t interface, Duration since_1970, Direction direction, ConstBytes packet);
  // False if anything so far could not be written.
  bool flush();

  [[nodiscard]] std::uint64_t packets() const { return packets_; }
  [[nodiscard]] std::uint64_t left_out() const { return left_out_; }  // beyond the limit

 private:
  struct Close {
    void operator()(std::FILE* file) const { (void)std::fclose(file); }
  };
  explicit PcapNg(std::FILE* file, std::uint64_t limit) : file_(file), limit_(limit) {}
  // A block: type, length, body padded to 32 bits, length again.
  void write_block(std::uint32_t type);

  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t limit_ = 0, written_ = 0, packets_ = 0, left_out_ = 0;
  std::uint32_t interfaces_ = 0;
  std::vector<std::byte> body_;  // of the block that is being made; kept for its memory
};

}  // namespace ladon::port
