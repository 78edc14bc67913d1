// The client's interrupts: GET_IRQ_INFO and SET_IRQS.
#include "base/event_fd.h"
#include "vfio/session.h"

namespace ladon::vfio {

using Data = SetIrqsRequest::Data;
using Action = SetIrqsRequest::Action;

Session::Outcome Session::on(const IrqInfoRequest& request) {
  if (request.index >= info_.irqs) return refuse(Refusal::irq_unknown);
  encode_irq_info(header_, request.index, device_.irq_info(request.index), out_);
  return {};
}

Session::Outcome Session::on(const SetIrqsRequest& request) {
  if (request.index >= info_.irqs) return refuse(Refusal::irq_unknown);
  const IrqInfo irq = device_.irq_info(request.index);
  const bool all = request.count == 0;
  if (all) {  // only to take away every vector of the type: "no data" and "trigger", from 0
    if (request.data != Data::none || request.action != Action::trigger || request.start != 0)
      return refuse(Refusal::irq_action);
    return answer(irq.count == 0 ? Status{} : device_.clear_irqs(request.index, 0, irq.count));
  }
  if (request.start > irq.count || request.count > irq.count - request.start)
    return refuse(Refusal::irq_outside);
  if (request.action != Action::trigger && !irq.maskable) return refuse(Refusal::irq_not_maskable);
  if (request.data == Data::eventfd) return set_eventfds(request);
  if (request.data == Data::none)
    return answer(irq_action(request.action, request.index, request.start, request.count));
  for (std::uint32_t i = 0; i < request.count; ++i) {
    if (request.booleans[i] == std::byte{0}) continue;
    const auto status = irq_action(request.action, request.index, request.start + i, 1);
    if (!status) return answer(status);
  }
  return answer({});
}

Session::Outcome Session::set_eventfds(const SetIrqsRequest& request) {
  if (request.action != Action::trigger) return refuse(Refusal::irq_action);  // who masked what: nobody asks
  if (descriptors_->empty()) return answer(device_.clear_irqs(request.index, request.start, request.count));
  if (descriptors_->size() != request.count) return refuse(Refusal::irq_descriptors);
  for (const FileDescriptor& fd : *descriptors_)
    if (!EventFd::is_eventfd(fd.get())) return refuse(Refusal::irq_not_an_eventfd);
  std::vector<FileDescriptor> fds = std::move(*descriptors_);
  descriptors_->clear();
  return answer(device_.set_irqs(request.index, request.start, std::move(fds)));
}

Status Session::irq_action(Action action, std::uint32_t index, std::uint32_t start, std::uint32_t count) {
  switch (action) {
    case Action::mask:
      return device_.mask_irqs(index, start, count);
    case Action::unmask:
      return device_.unmask_irqs(index, start, count);
    case Action::trigger:
      break;
  }
  return device_.trigger_irqs(index, start, count);
}

}  // namespace ladon::vfio
