// A fault that a test has scripted: in force for as long as this object lives, or until it is mended.
#pragma once

#include <functional>
#include <utility>

namespace ladon::testkit {

class [[nodiscard]] Fault {
 public:
  explicit Fault(std::function<void()> undo) : undo_(std::move(undo)) {}
  ~Fault() { mend(); }
  Fault(Fault&& other) noexcept : undo_(std::exchange(other.undo_, {})) {}
  Fault& operator=(Fault&& other) noexcept {
    if (this != &other) mend(), undo_ = std::exchange(other.undo_, {});
    return *this;
  }

  void mend() {
    if (const auto undo = std::exchange(undo_, {})) undo();
  }

 private:
  std::function<void()> undo_;  // keeps the rack alive
};

}  // namespace ladon::testkit
