#include "port/pcapng.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace ladon::port {
namespace {

// Block types and options of draft-ietf-opsawg-pcapng, sections 3.5, 4.1, 4.2 and 4.3.
constexpr std::uint32_t kSectionHeader = 0x0A0D0D0A, kInterfaceDescription = 1, kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrderMagic = 0x1A2B3C4D;
constexpr std::uint16_t kEndOfOptions = 0, kApplication = 4;
constexpr std::uint16_t kInterfaceName = 2, kInterfaceText = 3, kTimeResolution = 9, kPacketFlags = 2;
constexpr std::byte kNanoseconds{9};  // a power of ten
constexpr std::size_t kMostText = 1000;
constexpr std::size_t kBlockFrame = 12;  // type and two lengths

template <class T>
void put(std::vector<std::byte>& body, T value) {
  body.resize(body.size() + sizeof value);
  store_le(body.data() + body.size() - sizeof value, value);
}

void put(std::vector<std::byte>& body, ConstBytes bytes) {
  body.insert(body.end(), bytes.begin(), bytes.end());
  body.resize((body.size() + 3) / 4 * 4);
}

void put_option(std::vector<std::byte>& body, std::uint16_t code, ConstBytes value) {
  put(body, code);
  put(body, static_cast<std::uint16_t>(value.size()));
  put(body, value);
}

void put_option(std::vector<std::byte>& body, std::uint16_t code, std::string_view text) {
  if (!text.empty()) put_option(body, code, std::as_bytes(std::span(text.substr(0, kMostText))));
}

void end_options(std::vector<std::byte>& body) {
  put(body, kEndOfOptions);
  put(body, std::uint16_t{0});
}

}  // namespace

std::expected<PcapNg, std::string> PcapNg::open(const std::string& path, const Options& options) {
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return std::unexpected(fmt::format("{}: {}", path, std::strerror(errno)));
  PcapNg made(file, options.limit);
  put(made.body_, kByteOrderMagic);
  put(made.body_, std::uint16_t{1});  // version 1.0
  put(made.body_, std::uint16_t{0});
  put(made.body_, ~std::uint64_t{0});  // the section's length is not stated
  put_option(made.body_, kApplication, options.application);
  end_options(made.body_);
  made.write_block(kSectionHeader);
  return made;
}

std::uint32_t PcapNg::add(const CaptureInterface& interface) {
  put(body_, static_cast<std::uint16_t>(interface.link_type));
  put(body_, std::uint16_t{0});
  put(body_, std::uint32_t{0});  // packets are never cut
  put_option(body_, kInterfaceName, interface.name);
  put_option(body_, kInterfaceText, interface.description);
  put_option(body_, kTimeResolution, std::span(&kNanoseconds, 1));
  end_options(body_);
  write_block(kInterfaceDescription);
  return interfaces_++;
}

void PcapNg::write(std::uint32_t interface, Duration since_1970, Direction direction, ConstBytes packet) {
  constexpr std::size_t kFields = 20, kFlags = 12;
  if (written_ + kBlockFrame + kFields + packet.size() + 3 + kFlags > limit_) {
    ++left_out_;
    return;
  }
  const auto at = static_cast<std::uint64_t>(std::max<Duration::rep>(since_1970.count(), 0));
  put(body_, interface);
  put(body_, static_cast<std::uint32_t>(at >> 32));
  put(body_, static_cast<std::uint32_t>(at));
  put(body_, static_cast<std::uint32_t>(packet.size()));  // captured
  put(body_, static_cast<std::uint32_t>(packet.size()));  // as it was
  put(body_, packet);
  if (direction != Direction::unknown) {
    std::array<std::byte, 4> flags{};
    store_le(flags.data(), static_cast<std::uint32_t>(direction));
    put_option(body_, kPacketFlags, flags);
    end_options(body_);
  }
  write_block(kEnhancedPacket);
  ++packets_;
}

void PcapNg::write_block(std::uint32_t type) {
  std::array<std::byte, 8> head{};
  const auto length = static_cast<std::uint32_t>(body_.size() + kBlockFrame);
  store_le(head.data(), type);
  store_le(head.data() + 4, length);
  (void)std::fwrite(head.data(), 1, head.size(), file_.get());
  (void)std::fwrite(body_.data(), 1, body_.size(), file_.get());
  (void)std::fwrite(head.data() + 4, 1, 4, file_.get());
  written_ += length;
  body_.clear();
}

bool PcapNg::flush() {
  return std::fflush(file_.get()) == 0 && std::ferror(file_.get()) == 0;
}

}  // namespace ladon::port
