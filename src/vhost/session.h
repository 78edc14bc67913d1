// What one front end and the device say to one another: takes a message, acts on the device, makes the
// answer. Knows nothing of sockets. vhost-user, "Communication" and "Front-end message types".
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <vector>

#include "base/event_fd.h"
#include "vhost/codec.h"
#include "vhost/net_device.h"

namespace ladon::vhost {

// Who waits for the driver's kicks.
class KickWatcher {
 public:
  virtual ~KickWatcher() = default;
  // The queue is kicked through this eventfd from here on; nullopt: not at all.
  virtual void watch_kick(unsigned queue, std::optional<EventFd> kick) = 0;
};

class Session {
 public:
  struct Options {
    GuestMemory::Limits memory;
    bool polling = false;  // rings are polled: the front end may do without kicks
  };

  // All of these outlive the session. What it leaves in the device is the owner's to reset.
  Session(NetDevice& device, KickWatcher& kicks, const Options& options, Refusals& refusals)
      : device_(device), kicks_(kicks), options_(options), refusals_(refusals) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  enum class Next : std::uint8_t {
    silence,
    answer,  // answer() is to be sent
    close,   // the front end is to be disconnected
  };
  // One message. `incomplete`: some of its descriptors have been lost.
  [[nodiscard]] Next handle(const Header& header, ConstBytes payload,
                            std::vector<FileDescriptor>& descriptors, bool incomplete);
  [[nodiscard]] ConstBytes answer() const { return answer_; }

 private:
  // What a request comes to: a value that is its answer, none, or why not.
  using Outcome = std::expected<std::optional<Answer>, Refusal>;

  [[nodiscard]] Outcome act(const Header& header, ConstBytes payload, bool incomplete);
  [[nodiscard]] Outcome on(const GetFeatures&);
  [[nodiscard]] Outcome on(const SetFeatures& request);
  [[nodiscard]] Outcome on(const GetProtocolFeatures&);
  [[nodiscard]] Outcome on(const SetProtocolFeatures& request);
  [[nodiscard]] Outcome on(const SetOwner&) { return {}; }
  [[nodiscard]] Outcome on(const ResetOwner&);
  [[nodiscard]] Outcome on(const GetQueueNum&);
  [[nodiscard]] Outcome on(const ResetDevice&);
  [[nodiscard]] Outcome on(const SetStatus& request);
  [[nodiscard]] Outcome on(const GetStatus&);
  [[nodiscard]] Outcome on(const SetMemTable& request);
  [[nodiscard]] Outcome on(const SetVringNum& request);
  [[nodiscard]] Outcome on(const SetVringBase& request);
  [[nodiscard]] Outcome on(const GetVringBase& request);
  [[nodiscard]] Outcome on(const SetVringEnable& request);
  [[nodiscard]] Outcome on(const SetVringAddr& request);
  [[nodiscard]] Outcome on(const SetVringEvent& request);
  [[nodiscard]] std::expected<std::optional<EventFd>, Refusal> take_event(const SetVringEvent& request);
  void reset();

  NetDevice& device_;
  KickWatcher& kicks_;
  Options options_;
  Refusals& refusals_;

  std::uint64_t protocol_features_ = 0, status_ = 0;
  Header header_;  // of the message at hand
  std::vector<FileDescriptor>* descriptors_ = nullptr;
  Answer answer_{};
};

}  // namespace ladon::vhost
