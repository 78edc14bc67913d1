#include "port/pcap.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

namespace ladon::port {
namespace {

constexpr int kSnapLength = 262'144;  // what tcpdump uses

}  // namespace

std::expected<PcapTap, std::string> PcapTap::open(const std::string& path, const Clock& clock,
                                                  Duration epoch) {
  PcapTap tap(clock, epoch);
  tap.handle_.reset(
      pcap_open_dead_with_tstamp_precision(DLT_EN10MB, kSnapLength, PCAP_TSTAMP_PRECISION_NANO));
  if (!tap.handle_) return std::unexpected(fmt::format("{}: out of memory", path));
  // "-" would be standard output, which is for results.
  tap.dumper_.reset(pcap_dump_open(tap.handle_.get(), path == "-" ? "./-" : path.c_str()));
  if (!tap.dumper_) return std::unexpected(std::string(pcap_geterr(tap.handle_.get())));
  return tap;
}

void PcapTap::write(ConstBytes frame) {
  const auto at = clock_->now().time_since_epoch() + epoch_;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at);
  pcap_pkthdr header{};
  header.ts.tv_sec = static_cast<time_t>(seconds.count());
  // The handle's precision makes this field nanoseconds.
  header.ts.tv_usec = static_cast<suseconds_t>((at - seconds).count());
  header.caplen = header.len = static_cast<bpf_u_int32>(frame.size());
  pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &header, reinterpret_cast<const u_char*>(frame.data()));
  ++frames_;
}

bool PcapTap::flush() {
  return pcap_dump_flush(dumper_.get()) == 0 && std::ferror(pcap_dump_file(dumper_.get())) == 0;
}

CapturedWire::CapturedWire(std::unique_ptr<CountedWire> wire, PcapTap tap)
    : wire_(std::move(wire)), tap_(std::move(tap)) {}

bool CapturedWire::send(ConstBytes frame) {
  if (!wire_->send(frame)) return false;
  tap_.write(frame);
  return true;
}

std::size_t CapturedWire::receive(Bytes into) {
  const std::size_t length = wire_->receive(into);
  if (length > 0) tap_.write(into.first(length));
  return length;
}

std::expected<std::unique_ptr<PcapReplay>, std::string> PcapReplay::open(const std::string& path) {
  std::array<char, PCAP_ERRBUF_SIZE> error{};
  pcap_t* handle = pcap_open_offline(path == "-" ? "./-" : path.c_str(), error.data());
  if (handle == nullptr) return std::unexpected(std::string(error.data()));
  std::unique_ptr<PcapReplay> replay(new PcapReplay(handle));
  if (pcap_datalink(handle) != DLT_EN10MB)
    return std::unexpected(fmt::format("{}: holds frames that are not Ethernet", path));
  return replay;
}

PcapReplay::~PcapReplay() {
  pcap_close(handle_);
}

bool PcapReplay::send(ConstBytes frame) {
  if (ended_) return count_refused(WireDrop::no_carrier);
  return count_sent(frame.size());
}

std::size_t PcapReplay::receive(Bytes into) {
  while (!ended_) {
    pcap_pkthdr* header = nullptr;
    const u_char* bytes = nullptr;
    const int result = pcap_next_ex(handle_, &header, &bytes);
    if (result != 1) {  // the end (PCAP_ERROR_BREAK), or a file cut short
      if (result == PCAP_ERROR) count_dropped(WireDrop::system_error);
      ended_ = true;
    } else if (header->caplen > into.size() || header->caplen > kMaxFrame) {
      count_dropped(WireDrop::too_long);
    } else if (header->caplen < kMinFrame || header->caplen < header->len) {
      count_dropped(WireDrop::too_short);  // a frame that was captured in part is no frame
    } else {
      std::memcpy(into.data(), bytes, header->caplen);
      return count_received(header->caplen);
    }
  }
  return 0;
}

}  // namespace ladon::port
