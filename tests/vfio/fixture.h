// A server with a fake device on a socket in a fresh folder, and a loop that turns when a client waits.
#pragma once

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <memory>

#include "base/event_loop.h"
#include "base/time.h"
#include "fake_device.h"
#include "fakes/scratch_folder.h"
#include "vfio/server.h"
#include "vfio_client.h"

namespace ladon::vfio {

inline constexpr std::uint64_t kPage = 4096;

using fakes::ScratchFolder;

[[nodiscard]] inline FileDescriptor make_memory(std::uint64_t size) {
  FileDescriptor fd(::memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  return fd;
}

[[nodiscard]] inline std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

class ServerTest : public testing::Test {
 protected:
  ScratchFolder folder;
  std::filesystem::path path = folder / "vf.sock";
  ManualClock clock;
  EpollLoop loop{clock};
  FakeDevice device;
  Server::Options options;
  std::unique_ptr<Server> server = start();

  [[nodiscard]] std::unique_ptr<Server> start() {
    auto made = Server::listen(path, loop, device, options);
    EXPECT_TRUE(made) << made.error();
    return made ? std::move(*made) : nullptr;
  }
  // With other options, before the first client.
  void restart() {
    server.reset();
    server = start();
  }
  void turn() { loop.run_once(Duration::zero()); }
  [[nodiscard]] VfioClient connect() {
    return VfioClient(path, [this] { turn(); });
  }
  // A client whose version has been accepted.
  [[nodiscard]] VfioClient attach() {
    VfioClient client = connect();
    EXPECT_TRUE(client.open());
    return client;
  }
  // The refusal was counted exactly so often.
  [[nodiscard]] std::uint64_t refused(Refusal refusal) const { return server->refusals()[refusal]; }
};

}  // namespace ladon::vfio
