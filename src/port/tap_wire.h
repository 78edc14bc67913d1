// A Linux tap device as a wire (Documentation/networking/tuntap.rst): what the NIC sends arrives at the
// interface, what the system sends through the interface comes out here. The device is not persistent: it
// goes when its descriptor is closed.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "base/descriptor.h"
#include "port/counted_wire.h"

namespace ladon::port {

// A descriptor of a new tap device in the calling thread's network namespace, non-blocking, without packet
// information headers; the interface is still down. The error is an errno.
[[nodiscard]] std::expected<FileDescriptor, int> open_tap(const char* interface);

class TapWire final : public CountedWire {
 public:
  explicit TapWire(FileDescriptor tap) : tap_(std::move(tap)) {}

  bool send(ConstBytes frame) override;
  std::size_t receive(Bytes into) override;
  // False once the device has been removed; the descriptor then stays readable (EPOLLERR).
  [[nodiscard]] bool carrier() const override { return !removed_; }
  [[nodiscard]] int fd() const override { return tap_.get(); }

 private:
  [[nodiscard]] WireDrop reason_of(int error);

  FileDescriptor tap_;
  bool removed_ = false;
};

}  // namespace ladon::port
