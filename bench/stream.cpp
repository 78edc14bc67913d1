#include "stream.h"

#include <chrono>
#include <stdexcept>

#include "client/frames.h"

namespace ladon::bench {

client::VfDriver open_driver(const Station& station) {
  client::VfOptions options;
  options.report_every = 32;  // as DPDK's driver for this function
  options.max_frame = 1522;
  client::VfDriver driver(station.registers, station.memory, options);
  if (!driver.probe() || !driver.open()) throw std::runtime_error("the driver could not start");
  driver.mask_interrupts();
  return driver;
}

void fill_frames(client::VfDriver& sender, const client::VfDriver& receiver, std::size_t bytes) {
  client::FrameSpec spec{.destination = receiver.mac(), .source = sender.mac()};
  spec.payload = bytes - client::layout_of(spec).payload;
  sender.tx().fill(client::make_frame(spec));
}

Stream::Stream(Bed& bed, std::size_t bytes)
    : bed_(bed), sender_(open_driver(bed.station(0))), receiver_(open_driver(bed.station(1))) {
  fill_frames(sender_, receiver_, bytes);
}

Stream::Batch Stream::batch() {
  using Clock = std::chrono::steady_clock;
  Batch made{.sent = sender_.tx().transmit_batch(kBatch)};
  const auto start = Clock::now();
  bed_.run();
  made.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  made.received = receiver_.rx().receive_batch(2 * kBatch);
  return made;
}

}  // namespace ladon::bench
