// What one client and the device say to one another: takes a message, acts on the device, makes the reply.
// Knows nothing of sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "vfio/codec.h"
#include "vfio/device.h"
#include "vfio/dma_table.h"

namespace ladon::vfio {

class Session {
 public:
  // `device` and `refusals` outlive the session. `resume` runs when a handle() that answered `later` has its
  // reply ready. The device is told attached() when the client's version has been accepted; detached() is the
  // owner's.
  Session(Device& device, const DmaTable::Limits& limits, Refusals& refusals,
          std::move_only_function<void()> resume);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  enum class Next : std::uint8_t {
    reply,            // reply() is to be sent
    silence,          // nothing is to be sent
    later,            // resume will run; hand in no message until then
    reply_and_close,  // reply() is to be sent and the client disconnected
    close,            // the client is to be disconnected
  };
  // One message of the client. `incomplete`: some of its descriptors have been lost.
  [[nodiscard]] Next handle(const Header& header, ConstBytes body, std::vector<FileDescriptor>& descriptors,
                            bool incomplete);
  // After `resume`: reply or silence.
  [[nodiscard]] Next finish();

  [[nodiscard]] ConstBytes reply() const { return out_; }
  // Goes with reply() if not -1; belongs to the device.
  [[nodiscard]] int reply_descriptor() const { return out_descriptor_; }
  [[nodiscard]] bool attached() const { return attached_; }
  [[nodiscard]] const DmaTable& maps() const { return maps_; }

 private:
  using Outcome = std::expected<void, Error>;  // the reply is in out_, or this is to be said
  struct Link;                                 // lets completions find out whether the session still lives

  // Counts the refusal and turns it into the error that the client sees.
  [[nodiscard]] std::unexpected<Error> refuse(Refusal refusal);
  [[nodiscard]] Outcome answer(const Status& status);  // an empty reply, or the device's error

  [[nodiscard]] Next open(const Header& header, ConstBytes body);
  [[nodiscard]] Next command(const Header& header, ConstBytes body, std::vector<FileDescriptor>& descriptors,
                             bool incomplete);
  [[nodiscard]] Outcome act(const Request& request, std::vector<FileDescriptor>& descriptors);
  [[nodiscard]] Outcome on(const VersionRequest& request);
  [[nodiscard]] Outcome on(const DmaMapRequest& request);
  [[nodiscard]] Outcome on(const DmaUnmapRequest& request);
  [[nodiscard]] Outcome on(const InfoRequest& request);
  [[nodiscard]] Outcome on(const RegionInfoRequest& request);
  [[nodiscard]] Outcome on(const IrqInfoRequest& request);
  [[nodiscard]] Outcome on(const SetIrqsRequest& request);
  [[nodiscard]] Outcome on(const RegionReadRequest& request);
  [[nodiscard]] Outcome on(const RegionWriteRequest& request);
  [[nodiscard]] Outcome on(const WriteMultiRequest& request);
  [[nodiscard]] Outcome on(const ResetRequest& request);

  // Nullopt if [offset, offset + length) of the region may be accessed so.
  [[nodiscard]] std::optional<Refusal> check_access(std::uint32_t region, std::uint64_t offset,
                                                    std::uint64_t length, bool write) const;
  [[nodiscard]] Outcome write(const RegionWriteRequest& request);
  [[nodiscard]] Outcome set_eventfds(const SetIrqsRequest& request);
  [[nodiscard]] Status irq_action(SetIrqsRequest::Action action, std::uint32_t index, std::uint32_t start,
                                  std::uint32_t count);

  // A completion that counts down what the message under way still waits for; `done` runs first if it went
  // well.
  [[nodiscard]] Completion wait(std::move_only_function<void()> done = {});
  void completed(const Status& status);

  Device& device_;
  DmaTable maps_;
  Refusals& refusals_;
  std::move_only_function<void()> resume_;

  bool attached_ = false, write_multiple_ = false;
  std::uint64_t max_transfer_ = kMaxTransfer;
  DeviceInfo info_;
  std::vector<RegionInfo> regions_;  // asked once: a register access must not cost a description

  Header header_;  // of the message under way
  std::vector<FileDescriptor>* descriptors_ = nullptr;
  MessageBuffer out_;
  int out_descriptor_ = -1;

  std::uint64_t message_ = 0;  // number of the message under way
  std::size_t waiting_for_ = 0;
  bool handling_ = false;
  Status waited_;  // the first error among what was waited for
  std::shared_ptr<Link> link_;
};

}  // namespace ladon::vfio
