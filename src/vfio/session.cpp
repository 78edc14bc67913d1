#include "vfio/session.h"

#include <utility>

namespace ladon::vfio {

struct Session::Link {
  Session* session;
};

namespace {
constexpr std::size_t kFirstReply = 4096;  // long enough for all but long reads
}

Session::Session(Device& device, const DmaTable::Limits& limits, Refusals& refusals,
                 std::move_only_function<void()> resume)
    : device_(device),
      maps_(limits),
      refusals_(refusals),
      resume_(std::move(resume)),
      link_(std::make_shared<Link>(this)) {
  out_.reserve(kFirstReply);
}

Session::~Session() {
  link_->session = nullptr;
}

std::unexpected<Error> Session::refuse(Refusal refusal) {
  refusals_.add(refusal);
  return std::unexpected(error_of(refusal));
}

Session::Outcome Session::answer(const Status& status) {
  if (!status) {
    refusals_.add(Refusal::device);
    return status;
  }
  encode_empty(header_, out_);
  return {};
}

Session::Next Session::handle(const Header& header, ConstBytes body, std::vector<FileDescriptor>& descriptors,
                              bool incomplete) {
  header_ = header;
  out_descriptor_ = -1;
  if (header.type() == Header::kReply) {
    refusals_.add(Refusal::unsolicited_reply);  // this server asks nothing
    return Next::silence;
  }
  const Next next = attached_ ? command(header, body, descriptors, incomplete) : open(header, body);
  if (!descriptors.empty()) refusals_.add(Refusal::descriptors_unexpected);
  descriptors.clear();
  return next;
}

Session::Next Session::command(const Header& header, ConstBytes body,
                               std::vector<FileDescriptor>& descriptors, bool incomplete) {
  ++message_;
  handling_ = true;
  waited_ = {};
  Outcome outcome;
  if (header.type() != Header::kCommand)
    outcome = refuse(Refusal::bad_type);
  else if (incomplete)
    outcome = std::unexpected(Error::invalid);  // counted where they were lost
  else if (auto request = decode_request(header, body))
    outcome = act(*request, descriptors);
  else
    outcome = refuse(request.error());
  handling_ = false;
  if (waiting_for_ > 0) return Next::later;
  if (outcome && !waited_) outcome = answer(waited_);
  if (!header.wants_reply()) return Next::silence;
  if (!outcome) encode_error(header, outcome.error(), out_);
  return Next::reply;
}

Session::Next Session::finish() {
  if (!header_.wants_reply()) return Next::silence;
  if (!waited_) {
    refusals_.add(Refusal::device);
    encode_error(header_, waited_.error(), out_);
  }
  return Next::reply;
}

// Until the version is agreed on nothing else is listened to, and a mistake ends the session.
Session::Next Session::open(const Header& header, ConstBytes body) {
  Outcome outcome;
  if (header.type() != Header::kCommand || header.command != static_cast<std::uint16_t>(Command::version))
    outcome = refuse(Refusal::version_not_first);
  else if (auto request = decode_version(body))
    outcome = on(*request);
  else
    outcome = refuse(request.error());
  if (!header.wants_reply()) return outcome ? Next::silence : Next::close;
  if (!outcome) encode_error(header, outcome.error(), out_);
  return outcome ? Next::reply : Next::reply_and_close;
}

Session::Outcome Session::act(const Request& request, std::vector<FileDescriptor>& descriptors) {
  descriptors_ = &descriptors;
  return std::visit([this](const auto& body) { return on(body); }, request);
}

Session::Outcome Session::on(const VersionRequest& request) {
  if (attached_) return refuse(Refusal::version_repeated);
  const auto version = negotiate(request);
  if (!version) return refuse(version.error());
  maps_.lower_limit(version->max_dma_maps);
  max_transfer_ = version->max_transfer;
  write_multiple_ = version->write_multiple;
  info_ = device_.device_info();
  for (std::uint32_t i = 0; i < info_.regions; ++i) regions_.push_back(device_.region_info(i));
  attached_ = true;
  encode_version(header_, *version, out_);
  device_.attached();
  return {};
}

Session::Outcome Session::on(const InfoRequest&) {
  encode_info(header_, info_, out_);
  return {};
}

Session::Outcome Session::on(const RegionInfoRequest& request) {
  if (request.index >= regions_.size()) return refuse(Refusal::region_unknown);
  const RegionInfo& region = regions_[request.index];
  encode_region_info(header_, request, region, out_);
  out_descriptor_ = region.fd;
  return {};
}

Session::Outcome Session::on(const ResetRequest&) {
  if (!info_.resettable) return refuse(Refusal::command_unsupported);
  encode_empty(header_, out_);
  device_.reset(wait());
  return {};
}

Completion Session::wait(std::move_only_function<void()> done) {
  ++waiting_for_;
  return [link = std::weak_ptr(link_), message = message_, done = std::move(done),
          called = false](Status status) mutable {
    const auto alive = link.lock();
    if (!alive || alive->session == nullptr || std::exchange(called, true)) return;
    Session& session = *alive->session;
    if (session.message_ != message) return;
    if (status && done) done();
    session.completed(status);
  };
}

void Session::completed(const Status& status) {
  if (!status && waited_) waited_ = status;
  if (--waiting_for_ == 0 && !handling_) resume_();
}

}  // namespace ladon::vfio
