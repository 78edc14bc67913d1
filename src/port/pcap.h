// Captures: frames into a pcap file that tcpdump and Wireshark read, and a pcap file as a wire. The format is
// libpcap's, with nanoseconds (pcap-savefile(5)).
#pragma once

#include <pcap/pcap.h>

#include <expected>
#include <memory>
#include <string>

#include "base/time.h"
#include "port/counted_wire.h"

namespace ladon::port {

class PcapTap {
 public:
  // Replaces the file. `epoch` is the time of day (since 1970) at the clock's zero. The error says what went
  // wrong, path included.
  [[nodiscard]] static std::expected<PcapTap, std::string> open(const std::string& path, const Clock& clock,
                                                                Duration epoch = Duration{0});
  PcapTap(PcapTap&&) noexcept = default;
  PcapTap& operator=(PcapTap&&) noexcept = default;
  ~PcapTap() = default;  // flushes

  // Goes through a buffer of stdio's: a full disk shows in flush() or later.
  void write(ConstBytes frame);
  // False if any frame so far could not be written.
  bool flush();
  [[nodiscard]] std::uint64_t frames() const { return frames_; }

 private:
  struct Close {
    void operator()(pcap_t* handle) const { pcap_close(handle); }
    void operator()(pcap_dumper_t* dumper) const { pcap_dump_close(dumper); }
  };
  PcapTap(const Clock& clock, Duration epoch) : clock_(&clock), epoch_(epoch) {}

  const Clock* clock_;
  Duration epoch_;
  std::unique_ptr<pcap_t, Close> handle_;
  std::unique_ptr<pcap_dumper_t, Close> dumper_;  // closed before the handle
  std::uint64_t frames_ = 0;
};

// A wire whose frames, both ways, are captured as well. Frames that the wire refuses are not.
class CapturedWire final : public CountedWire {
 public:
  CapturedWire(std::unique_ptr<CountedWire> wire, PcapTap tap);

  bool send(ConstBytes frame) override;
  std::size_t receive(Bytes into) override;
  [[nodiscard]] bool carrier() const override { return wire_->carrier(); }
  [[nodiscard]] int fd() const override { return wire_->fd(); }
  [[nodiscard]] const WireStats& stats() const override { return wire_->stats(); }
  bool flush() { return tap_.flush(); }

 private:
  std::unique_ptr<CountedWire> wire_;
  PcapTap tap_;
};

// Plays a file back, each frame once, as fast as it is fetched; swallows what is sent. No descriptor.
class PcapReplay final : public CountedWire {
 public:
  [[nodiscard]] static std::expected<std::unique_ptr<PcapReplay>, std::string> open(const std::string& path);
  ~PcapReplay() override;

  bool send(ConstBytes frame) override;
  std::size_t receive(Bytes into) override;
  // Until the last frame has been fetched.
  [[nodiscard]] bool carrier() const override { return !ended_; }

 private:
  explicit PcapReplay(pcap_t* handle) : handle_(handle) {}
  pcap_t* handle_;
  bool ended_ = false;
};

}  // namespace ladon::port
