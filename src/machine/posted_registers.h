// The registers of a function, for a driver on another thread than the engine's: stores are posted in order
// and done by the engine in its next turn; a load waits until the engine has done all that came before it.
// One thread drives; the engine never waits for it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <semaphore>

#include "ch/vf_slot.h"
#include "client/mmio.h"

namespace ladon::machine {

class PostedRegisters final : public client::Mmio {
 public:
  // `wake_engine`: from any thread, serve() is to be called soon. `idle` runs when the driver sleeps.
  PostedRegisters(std::shared_ptr<ch::VfSlot> slot, std::function<void()> wake_engine,
                  std::function<void()> idle);

  // ---- the driver's thread
  // All ones once it is closed.
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) override;
  void write32(std::uint32_t offset, std::uint32_t value) override;
  void pause() override { idle_(); }

  // ---- the engine's thread
  // Does what was posted; true if there was anything.
  bool serve();

  // ---- any thread: nobody serves any more, and the driver is not kept waiting.
  void close();
  [[nodiscard]] bool closed() const { return closed_.load(std::memory_order_acquire); }

 private:
  static constexpr std::uint32_t kPosted = 256;  // a power of two
  struct Access {
    std::uint32_t offset = 0, value = 0;
    bool read = false;
  };
  // False if it was closed meanwhile.
  bool post(const Access& access);

  std::shared_ptr<ch::VfSlot> slot_;
  std::function<void()> wake_engine_, idle_;
  // Positions only grow: what is at `done_` up to `posted_` is the engine's.
  std::array<Access, kPosted> accesses_{};
  std::atomic<std::uint32_t> posted_{0}, done_{0};
  std::atomic<bool> asked_{false};  // the engine has been woken and has not looked yet
  std::atomic<bool> closed_{false};
  std::uint32_t answer_ = 0;  // the driver's after answered_
  std::counting_semaphore<> answered_{0};
};

}  // namespace ladon::machine
