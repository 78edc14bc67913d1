// Signals an eventfd that somebody else shares, and never waits. write(2) waits if the counter is full and
// the sharer has taken O_NONBLOCK away, at the wrong moment even between a look and the write. The kernel's
// own side of an eventfd never waits: an asynchronous read of nothing, with the eventfd for its completion
// (io_submit(2), IOCB_FLAG_RESFD), makes the kernel signal it.
#pragma once

#include <linux/aio_abi.h>

#include "base/descriptor.h"

namespace ladon {

class KernelSignal {
 public:
  // Of the calling thread; made at the first use.
  static KernelSignal& of_this_thread();

  KernelSignal();
  ~KernelSignal();
  KernelSignal(const KernelSignal&) = delete;
  KernelSignal& operator=(const KernelSignal&) = delete;

  // False where the kernel has none (CONFIG_AIO off, forbidden, fs.aio-max-nr reached).
  [[nodiscard]] bool available() const { return context_ != 0; }
  // Adds one to the counter unless it is full. False if `eventfd` is none.
  bool raise(int eventfd);

 private:
  static constexpr unsigned kPending = 128;  // completions kept until they are taken together
  void take_completions();

  aio_context_t context_ = 0;
  FileDescriptor nothing_;  // /dev/null: a read of it completes at once
};

}  // namespace ladon
