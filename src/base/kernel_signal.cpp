#include "base/kernel_signal.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>

namespace ladon {

KernelSignal& KernelSignal::of_this_thread() {
  thread_local KernelSignal signal;
  return signal;
}

KernelSignal::KernelSignal() : nothing_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
  if (!nothing_ || ::syscall(SYS_io_setup, kPending, &context_) != 0) context_ = 0;
}

KernelSignal::~KernelSignal() {
  if (context_ != 0) ::syscall(SYS_io_destroy, context_);
}

bool KernelSignal::raise(int eventfd) {
  std::byte unused{};
  iocb request{};
  request.aio_lio_opcode = IOCB_CMD_PREAD;
  request.aio_fildes = static_cast<std::uint32_t>(nothing_.get());
  request.aio_buf = reinterpret_cast<std::uintptr_t>(&unused);
  request.aio_nbytes = sizeof unused;
  request.aio_flags = IOCB_FLAG_RESFD;
  request.aio_resfd = static_cast<std::uint32_t>(eventfd);
  iocb* list = &request;
  if (::syscall(SYS_io_submit, context_, 1, &list) == 1) return true;
  if (errno != EAGAIN) return false;
  take_completions();
  return ::syscall(SYS_io_submit, context_, 1, &list) == 1;
}

void KernelSignal::take_completions() {
  std::array<io_event, kPending> events{};
  timespec now{};
  ::syscall(SYS_io_getevents, context_, 0, events.size(), events.data(), &now);
}

}  // namespace ladon
