#include "vhost/session.h"

#include <utility>

namespace ladon::vhost {

namespace {

namespace wire = spec::vhost_user;

constexpr std::uint64_t kOfferedProtocol =
    wire::kMultiQueue | wire::kReplyAck | wire::kResetDevice | wire::kStatus;
constexpr std::uint64_t kQueuePairs = 1;

}  // namespace

Session::Next Session::handle(const Header& header, ConstBytes payload,
                              std::vector<FileDescriptor>& descriptors, bool incomplete) {
  header_ = header;
  descriptors_ = &descriptors;
  Next next = Next::silence;
  if (header.is_reply()) {
    refusals_.add(Refusal::unsolicited_reply);  // this backend asks nothing
  } else {
    const Outcome outcome = act(header, payload, incomplete);
    const bool wants_ack = header.needs_reply() && (protocol_features_ & wire::kReplyAck) != 0;
    if (outcome && *outcome) {
      answer_ = **outcome;
      next = Next::answer;
    } else if (!outcome && always_answered(header)) {
      // Whatever was answered would be taken for the value that was asked for.
      refusals_.add(Refusal::no_answer);
      next = Next::close;
    } else if (wants_ack) {
      answer_ = encode_u64(header, outcome ? 0 : 1);
      next = Next::answer;
    }
  }
  if (!descriptors.empty()) refusals_.add(Refusal::descriptors_unexpected);
  descriptors.clear();
  return next;
}

Session::Outcome Session::act(const Header& header, ConstBytes payload, bool incomplete) {
  if (incomplete) {  // counted where they were lost
    descriptors_->clear();
    return std::unexpected(Refusal::descriptors_missing);
  }
  auto request = decode_request(header, payload);
  Outcome outcome = std::unexpected(Refusal::request_unknown);
  if (request)
    outcome = std::visit([this](const auto& body) { return on(body); }, *request);
  else
    outcome = std::unexpected(request.error());
  if (!outcome) refusals_.add(outcome.error());
  return outcome;
}

Session::Outcome Session::on(const GetFeatures&) {
  return encode_u64(header_, device_.offered());
}

Session::Outcome Session::on(const SetFeatures& request) {
  if ((request.features & ~device_.offered()) != 0) return std::unexpected(Refusal::bad_features);
  device_.set_features(request.features);
  return {};
}

Session::Outcome Session::on(const GetProtocolFeatures&) {
  return encode_u64(header_, kOfferedProtocol);
}

Session::Outcome Session::on(const SetProtocolFeatures& request) {
  if ((request.features & ~kOfferedProtocol) != 0) return std::unexpected(Refusal::bad_protocol_features);
  protocol_features_ = request.features;
  return {};
}

// Deprecated: "either ignore this message, or use it to disable all rings".
Session::Outcome Session::on(const ResetOwner&) {
  for (unsigned queue = 0; queue < NetDevice::kQueues; ++queue) device_.vring(queue)->set_enabled(false);
  return {};
}

Session::Outcome Session::on(const GetQueueNum&) {
  return encode_u64(header_, kQueuePairs);
}

void Session::reset() {
  device_.reset();
  for (unsigned queue = 0; queue < NetDevice::kQueues; ++queue) kicks_.watch_kick(queue, std::nullopt);
  status_ = 0;
}

Session::Outcome Session::on(const ResetDevice&) {
  reset();
  return {};
}

// Virtio 1.2, 2.1: writing 0 resets the device.
Session::Outcome Session::on(const SetStatus& request) {
  if (request.status == 0)
    reset();
  else
    status_ = request.status;
  return {};
}

Session::Outcome Session::on(const GetStatus&) {
  return encode_u64(header_, status_);
}

Session::Outcome Session::on(const SetMemTable& request) {
  if (descriptors_->size() != request.count) return std::unexpected(Refusal::memory_regions);
  auto memory =
      GuestMemory::open(std::span(request.regions).first(request.count), *descriptors_, options_.memory);
  descriptors_->clear();
  if (!memory) return std::unexpected(memory.error());
  device_.set_memory(std::move(*memory));
  return {};
}

Session::Outcome Session::on(const SetVringNum& request) {
  Vring* const vring = device_.vring(request.queue);
  if (vring == nullptr) return std::unexpected(Refusal::ring_unknown);
  if (const auto done = vring->set_size(request.size); !done) return std::unexpected(done.error());
  return {};
}

Session::Outcome Session::on(const SetVringBase& request) {
  Vring* const vring = device_.vring(request.queue);
  if (vring == nullptr) return std::unexpected(Refusal::ring_unknown);
  if (const auto done = vring->set_base(request.base); !done) return std::unexpected(done.error());
  return {};
}

Session::Outcome Session::on(const GetVringBase& request) {
  Vring* const vring = device_.vring(request.queue);
  if (vring == nullptr) return std::unexpected(Refusal::ring_unknown);
  kicks_.watch_kick(request.queue, std::nullopt);
  return encode_vring_state(header_, request.queue, vring->stop());
}

Session::Outcome Session::on(const SetVringEnable& request) {
  Vring* const vring = device_.vring(request.queue);
  if (vring == nullptr) return std::unexpected(Refusal::ring_unknown);
  vring->set_enabled(request.enable != 0);
  return {};
}

Session::Outcome Session::on(const SetVringAddr& request) {
  Vring* const vring = device_.vring(request.queue);
  if (vring == nullptr) return std::unexpected(Refusal::ring_unknown);
  if (const auto done = vring->set_addresses(request, device_.memory_or_null()); !done)
    return std::unexpected(done.error());
  return {};
}

std::expected<std::optional<EventFd>, Refusal> Session::take_event(const SetVringEvent& request) {
  if (request.none) return std::nullopt;
  if (descriptors_->empty()) return std::unexpected(Refusal::descriptors_missing);
  auto event = EventFd::adopt(std::move(descriptors_->front()));
  descriptors_->erase(descriptors_->begin());
  if (!event) return std::unexpected(Refusal::ring_not_an_eventfd);
  return std::move(*event);
}

Session::Outcome Session::on(const SetVringEvent& request) {
  Vring* const vring = device_.vring(request.queue);
  if (vring == nullptr) return std::unexpected(Refusal::ring_unknown);
  auto event = take_event(request);
  if (!event) return std::unexpected(event.error());
  switch (request.event) {
    case VringEvent::call:
      vring->set_call(std::move(*event));
      return {};
    case VringEvent::error:
      vring->set_error(std::move(*event));
      return {};
    case VringEvent::kick:
      break;
  }
  if (!*event && !options_.polling) return std::unexpected(Refusal::ring_no_kick);
  // "Ring states" has a ring start with the first kick. A front end that connects again may have kicked the
  // backend before us, and its driver waits: it starts here, as it does in every other backend.
  if (const auto started = device_.start(*vring); !started) return std::unexpected(started.error());
  kicks_.watch_kick(request.queue, std::move(*event));
  return {};
}

}  // namespace ladon::vhost
