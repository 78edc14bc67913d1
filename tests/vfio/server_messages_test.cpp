// What each message does to the device, and what is answered.
#include <cerrno>

#include "fixture.h"

namespace ladon::vfio {
namespace {

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> result;
  for (const int value : values) result.push_back(static_cast<std::byte>(value));
  return result;
}

class MessagesTest : public ServerTest {
 protected:
  VfioClient client = attach();

  [[nodiscard]] std::uint32_t failure(const Message& message, const std::vector<int>& descriptors = {}) {
    const auto reply = client.call(message, descriptors);
    EXPECT_TRUE(reply);
    return reply ? reply->failure() : 0;
  }
};

TEST_F(ServerTest, AnswersQemusVersionWithMinorZeroAndNoMigration) {
  VfioClient client = connect();
  const auto reply = client.call(qemu_version_message());
  ASSERT_TRUE(reply && reply->ok());
  EXPECT_EQ(reply->at<std::uint32_t>(0), 0u) << "0.0";
  const std::string json(reinterpret_cast<const char*>(reply->body.data() + 4));
  EXPECT_EQ(reply->body.size(), 4 + json.size() + 1) << "one NUL, at the end";
  EXPECT_EQ(json.find("migration"), std::string::npos);
  EXPECT_NE(json.find(R"("write_multiple":true)"), std::string::npos);
  EXPECT_EQ(device.log, "A");
}

TEST_F(ServerTest, HangsUpOnAClientThatDoesNotBeginWithAVersion) {
  VfioClient client = connect();
  EXPECT_EQ(client.call(info_message())->failure(), static_cast<std::uint32_t>(EINVAL));
  EXPECT_FALSE(client.connected());
  EXPECT_EQ(refused(Refusal::version_not_first), 1u);
  EXPECT_EQ(device.log, "") << "the device never knew of it";
}

TEST_F(ServerTest, HangsUpAfterABadVersion) {
  Message unterminated = MessageMaker().put(std::uint32_t{0}).text("{}").finish(1);
  for (const Message& message : {unterminated, version_message("{"), version_message("{}", 3)}) {
    VfioClient client = connect();
    EXPECT_NE(client.call(message)->failure(), 0u);
    EXPECT_FALSE(client.connected());
  }
  EXPECT_EQ(refused(Refusal::version_no_nul), 1u);
  EXPECT_EQ(refused(Refusal::version_no_json), 1u);
  EXPECT_EQ(refused(Refusal::major_version), 1u);
  EXPECT_TRUE(connect().open()) << "and serves the next one";
}

TEST_F(MessagesTest, RefusesASecondVersion) {
  EXPECT_EQ(failure(qemu_version_message()), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(device.log, "A");
}

TEST_F(MessagesTest, DescribesTheDevice) {
  const auto info = client.call(info_message());
  ASSERT_TRUE(info && info->ok());
  EXPECT_EQ(info->body.size(), 16u);
  EXPECT_EQ(info->at<std::uint32_t>(4), 3u) << "PCI, can be reset";
  EXPECT_EQ(info->at<std::uint32_t>(8), 9u);
  EXPECT_EQ(info->at<std::uint32_t>(12), 5u);

  const auto bar = client.call(region_info_message(0));
  EXPECT_EQ(bar->at<std::uint32_t>(4), 3u) << "read and write, no mmap";
  EXPECT_EQ(bar->at<std::uint64_t>(16), FakeDevice::kBarBytes);
  EXPECT_EQ(client.call(region_info_message(1))->at<std::uint64_t>(16), 0u) << "not there: size 0";
  EXPECT_EQ(failure(region_info_message(9)), static_cast<std::uint32_t>(EINVAL));

  const auto msix = client.call(irq_info_message(2));
  EXPECT_EQ(msix->at<std::uint32_t>(4), 1u | 8u);
  EXPECT_EQ(msix->at<std::uint32_t>(12), FakeDevice::kVectors);
  EXPECT_EQ(client.call(irq_info_message(0))->at<std::uint32_t>(4), 1u | 2u | 4u);
  EXPECT_EQ(client.call(irq_info_message(3))->at<std::uint32_t>(12), 0u);
  EXPECT_EQ(failure(irq_info_message(5)), static_cast<std::uint32_t>(EINVAL));
}

TEST_F(ServerTest, SendsTheDescriptorOfARegionThatCanBeMapped) {
  const FileDescriptor memory = make_memory(2 * kPage);
  device.rom = {.size = 2 * kPage, .readable = true, .fd = memory.get(), .areas = {{kPage, kPage}}};
  VfioClient client = attach();
  const auto small = client.call(region_info_message(6, 32));
  EXPECT_EQ(small->at<std::uint32_t>(0), 64u);
  EXPECT_EQ(small->at<std::uint32_t>(4) & 8, 0u);
  const auto full = client.call(region_info_message(6, 64));
  EXPECT_EQ(full->body.size(), 64u);
  EXPECT_EQ(full->at<std::uint32_t>(12), 32u);
  ASSERT_EQ(full->descriptors.size(), 1u);
  EXPECT_EQ(MemoryFile::describe(full->descriptors[0].get())->identity,
            MemoryFile::describe(memory.get())->identity);
}

TEST_F(MessagesTest, ReadsAndWritesRegions) {
  for (const std::uint32_t length : {1U, 2U, 4U, 8U, 3U, 64U}) {
    std::vector<std::byte> data(length);
    for (std::uint32_t i = 0; i < length; ++i) data[i] = static_cast<std::byte>(length + i);
    const auto written = client.call(write_message(0, 0x101, data));  // alignment is the device's affair
    ASSERT_TRUE(written && written->ok());
    EXPECT_EQ(written->body.size(), 16u);
    EXPECT_EQ(written->at<std::uint32_t>(12), length);
    const auto read = client.call(read_message(0, 0x101, length));
    ASSERT_TRUE(read && read->ok());
    ASSERT_EQ(read->body.size(), 16 + length);
    EXPECT_TRUE(std::equal(data.begin(), data.end(), read->body.begin() + 16));
  }
}

TEST_F(MessagesTest, RefusesAccessesOutsideARegion) {
  const auto four = bytes({1, 2, 3, 4});
  const std::uint64_t end = FakeDevice::kBarBytes;
  EXPECT_TRUE(client.call(read_message(0, end - 4, 4))->ok());
  EXPECT_EQ(failure(read_message(0, end - 3, 4)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(read_message(0, end, 1)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(read_message(0, ~std::uint64_t{0} - 1, 4)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(write_message(0, end - 3, four)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::region_outside), 4u);
  EXPECT_EQ(failure(read_message(0, 0, 0)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(write_message(0, 0, {})), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::region_empty_access), 2u);
  EXPECT_EQ(failure(read_message(0, 0, ~0U)), static_cast<std::uint32_t>(E2BIG));
  EXPECT_EQ(failure(read_message(99, 0, 4)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(read_message(1, 0, 4)), static_cast<std::uint32_t>(EINVAL))
      << "a region that is not there";
  EXPECT_EQ(failure(write_message(2, 0, four)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::region_not_writable), 1u);
  EXPECT_EQ(failure(read_message(4, 0, 4)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(device.reads, 1u);
  EXPECT_EQ(device.writes, 0u);
}

TEST_F(MessagesTest, PassesTheDevicesErrorsOn) {
  device.fail = Error::busy;
  EXPECT_EQ(failure(read_message(0, 0, 4)), static_cast<std::uint32_t>(EBUSY));
  EXPECT_EQ(failure(write_message(0, 0, bytes({1}))), static_cast<std::uint32_t>(EBUSY));
  EXPECT_EQ(failure(reset_message()), static_cast<std::uint32_t>(EBUSY));
  EXPECT_EQ(refused(Refusal::device), 3u);
}

TEST_F(MessagesTest, NeverAnswersAPostedWriteNotEvenWithAnError) {
  ASSERT_TRUE(client.send(write_message(0, 0, bytes({7}), kNoReplyFlag)));
  ASSERT_TRUE(client.send(write_message(0, FakeDevice::kBarBytes, bytes({7}), kNoReplyFlag)));
  ASSERT_TRUE(client.send(write_message(99, 0, bytes({7}), kNoReplyFlag)));
  turn();
  device.fail = Error::io;
  ASSERT_TRUE(client.send(write_message(0, 0, bytes({8}), kNoReplyFlag)));
  turn();
  device.fail.reset();
  Message bad = MessageMaker().put(std::uint64_t{0}).finish(10, 1, kNoReplyFlag);
  ASSERT_TRUE(client.send(bad));
  const auto reply = client.call(read_message(0, 0, 1));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->command, 9) << "the read is the first that is answered";
  EXPECT_EQ(reply->at<std::uint8_t>(16), 7);
}

TEST_F(MessagesTest, WritesSeveralAtOnceEachOnItsOwn) {
  const Message multi =
      write_multi_message({{0, 0, 4, 0x44332211}, {0, 99, 4, 1}, {4, 0, 9, 1}, {8, 0, 8, 5}, {12, 0, 0, 1}});
  const auto reply = client.call(multi);
  ASSERT_TRUE(reply && reply->ok());
  EXPECT_EQ(reply->at<std::uint64_t>(0), 2u);
  EXPECT_EQ(device.bar[1], std::byte{0x22});
  EXPECT_EQ(device.bar[8], std::byte{5});
  ASSERT_TRUE(client.send(write_multi_message({{0, 0, 1, 9}}, kNoReplyFlag)));
  EXPECT_EQ(client.call(read_message(0, 0, 1))->at<std::uint8_t>(16), 9);
}

TEST_F(ServerTest, RefusesWriteMultiIfItWasNotAgreedOn) {
  VfioClient client = connect();
  ASSERT_TRUE(client.call(version_message("{}"))->ok());
  EXPECT_EQ(client.call(write_multi_message({{0, 0, 1, 9}}))->failure(), static_cast<std::uint32_t>(ENOTSUP));
}

TEST_F(ServerTest, KeepsToTheTransferSizeThatWasAgreedOn) {
  VfioClient client = connect();
  ASSERT_TRUE(client.call(version_message(R"({"capabilities":{"max_data_xfer_size":16}})"))->ok());
  EXPECT_TRUE(client.call(read_message(0, 0, 16))->ok());
  EXPECT_EQ(client.call(read_message(0, 0, 17))->failure(), static_cast<std::uint32_t>(E2BIG));
}

TEST_F(MessagesTest, RefusesCommandsItDoesNotServe) {
  for (const auto command : std::initializer_list<std::uint16_t>{0, 6, 11, 12, 14, 16, 17, 18, 4711})
    EXPECT_EQ(failure(MessageMaker().put(std::uint64_t{0}).put(std::uint64_t{0}).finish(command)),
              static_cast<std::uint32_t>(ENOTSUP));
  EXPECT_EQ(refused(Refusal::command_unsupported), 7u);
  EXPECT_EQ(refused(Refusal::command_unknown), 2u);
}

TEST_F(MessagesTest, IgnoresRepliesToNothingAndOtherTypes) {
  ASSERT_TRUE(client.send(MessageMaker().put(std::uint64_t{0}).finish(11, 77, 1)));
  ASSERT_TRUE(client.send(MessageMaker().finish(13, 78, 5)));
  const auto reply = client.call(info_message());
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->command, 4);
  EXPECT_EQ(refused(Refusal::unsolicited_reply), 1u);
  EXPECT_EQ(refused(Refusal::bad_type), 1u);
  EXPECT_EQ(device.log, "A");
}

TEST_F(MessagesTest, MapsAndUnmapsMemory) {
  const FileDescriptor memory = make_memory(16 * kPage);
  ASSERT_TRUE(client.call(dma_map_message(0x100000, 4 * kPage, 8 * kPage, 3), {memory.get()})->ok());
  ASSERT_EQ(device.mappings.size(), 1u);
  const auto& mapping = device.mappings.begin()->second;
  EXPECT_EQ(mapping.range, *Range<Gpa>::of(Gpa(0x100000), 4 * kPage));
  EXPECT_EQ(mapping.access, pcie::kReadWrite);
  EXPECT_EQ(mapping.file_offset, 8 * kPage);
  EXPECT_EQ(MemoryFile::describe(mapping.file.get())->identity, MemoryFile::describe(memory.get())->identity);

  EXPECT_EQ(failure(dma_map_message(0x101000, kPage), {memory.get()}), static_cast<std::uint32_t>(EEXIST));
  EXPECT_EQ(failure(dma_unmap_message(0x100000, kPage)), static_cast<std::uint32_t>(EINVAL))
      << "not the whole map";
  EXPECT_EQ(failure(dma_unmap_message(0x200000, kPage)), static_cast<std::uint32_t>(ENOENT));
  EXPECT_EQ(failure(dma_unmap_message(0x100000, 4 * kPage, 1)), static_cast<std::uint32_t>(EINVAL))
      << "dirty bitmap";

  const auto unmapped = client.call(dma_unmap_message(0x100000, 4 * kPage));
  ASSERT_TRUE(unmapped && unmapped->ok());
  EXPECT_EQ(unmapped->body.size(), 24u);
  EXPECT_EQ(unmapped->at<std::uint64_t>(8), 0x100000u);
  EXPECT_EQ(unmapped->at<std::uint64_t>(16), 4 * kPage);
  EXPECT_EQ(device.log, "Amu");
  ASSERT_TRUE(client.call(dma_map_message(0x101000, kPage, 0, 1), {memory.get()})->ok());
  EXPECT_EQ(device.mappings.begin()->second.access, pcie::kReadOnly);
}

TEST_F(MessagesTest, RefusesMapsThatTheirFileCannotHold) {
  const FileDescriptor memory = make_memory(4 * kPage);
  EXPECT_EQ(failure(dma_map_message(0, 5 * kPage), {memory.get()}), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(dma_map_message(0, kPage, 4 * kPage), {memory.get()}),
            static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(dma_map_message(0, kPage, ~std::uint64_t{0} - kPage + 1), {memory.get()}),
            static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::dma_outside_file), 3u);
  EXPECT_EQ(failure(dma_map_message(0, kPage), {client.fd()}), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::dma_bad_file), 1u);
  EXPECT_EQ(failure(dma_map_message(1, kPage), {memory.get()}), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(dma_map_message(0, 0), {memory.get()}), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(device.log, "A") << "none of it reached the device";
}

// QEMU maps ROMs so; refusing would only make it complain.
TEST_F(MessagesTest, AMapWithoutDescriptorTakesItsRangeButIsNeverReached) {
  ASSERT_TRUE(client.call(dma_map_message(0xC0000, 8 * kPage, 0, 1))->ok());
  EXPECT_EQ(device.log, "A");
  const FileDescriptor memory = make_memory(kPage);
  EXPECT_EQ(failure(dma_map_message(0xC0000, kPage), {memory.get()}), static_cast<std::uint32_t>(EEXIST));
  ASSERT_TRUE(client.call(dma_unmap_message(0xC0000, 8 * kPage))->ok());
  EXPECT_EQ(device.log, "A");
  EXPECT_TRUE(client.call(dma_map_message(0xC0000, kPage), {memory.get()})->ok());
}

TEST_F(MessagesTest, AFailedMapLeavesNothingBehind) {
  const FileDescriptor memory = make_memory(kPage);
  device.fail = Error::no_memory;
  EXPECT_EQ(failure(dma_map_message(0, kPage), {memory.get()}), static_cast<std::uint32_t>(ENOMEM));
  device.fail.reset();
  EXPECT_TRUE(client.call(dma_map_message(0, kPage), {memory.get()})->ok());
}

TEST_F(MessagesTest, UnmapsSeveralAndAll) {
  const FileDescriptor memory = make_memory(4 * kPage);
  for (std::uint64_t i = 0; i < 6; ++i)
    ASSERT_TRUE(client.call(dma_map_message(i * 0x100000, kPage), {memory.get()})->ok());
  ASSERT_TRUE(client.call(dma_map_message(0x800000, kPage))->ok());
  EXPECT_TRUE(client.call(dma_unmap_message(0, 0x200000))->ok());
  EXPECT_EQ(device.mappings.size(), 4u);
  const auto all = client.call(dma_unmap_message(0, 0, 2));
  ASSERT_TRUE(all && all->ok());
  EXPECT_EQ(all->at<std::uint32_t>(4), 2u);
  EXPECT_TRUE(device.mappings.empty());
  EXPECT_TRUE(client.call(dma_unmap_message(0, 0, 2))->ok()) << "nothing left is fine";
  EXPECT_TRUE(client.call(dma_map_message(0x800000, kPage), {memory.get()})->ok());
}

TEST_F(MessagesTest, AnUnmapIsAnsweredWhenTheDeviceHasLetGoAndNothingOvertakesIt) {
  const FileDescriptor memory = make_memory(4 * kPage);
  for (std::uint64_t i = 0; i < 3; ++i)
    ASSERT_TRUE(client.call(dma_map_message(i * kPage, kPage), {memory.get()})->ok());
  device.complete_at_once = false;
  ASSERT_TRUE(client.send(dma_unmap_message(0, 3 * kPage)));
  ASSERT_TRUE(client.send(write_message(0, 0, bytes({1}), kNoReplyFlag)));
  ASSERT_TRUE(client.send(info_message()));
  EXPECT_FALSE(client.receive());
  EXPECT_EQ(device.pending.size(), 3u);
  device.complete(), device.complete();
  EXPECT_FALSE(client.receive());
  EXPECT_EQ(device.writes, 0u);
  device.complete();
  EXPECT_EQ(client.receive()->command, 3);
  EXPECT_EQ(client.receive()->command, 4);
  EXPECT_EQ(device.writes, 1u);
}

TEST_F(MessagesTest, AnUnmapThatFailsKeepsItsMap) {
  const FileDescriptor memory = make_memory(kPage);
  ASSERT_TRUE(client.call(dma_map_message(0, kPage), {memory.get()})->ok());
  device.complete_at_once = false;
  ASSERT_TRUE(client.send(dma_unmap_message(0, kPage)));
  turn();
  device.complete(std::unexpected(Error::busy));
  EXPECT_EQ(client.receive()->failure(), static_cast<std::uint32_t>(EBUSY));
  EXPECT_EQ(failure(dma_map_message(0, kPage), {memory.get()}), static_cast<std::uint32_t>(EEXIST));
}

TEST_F(MessagesTest, ResetIsAnsweredWhenItIsDone) {
  device.complete_at_once = false;
  ASSERT_TRUE(client.send(reset_message()));
  ASSERT_TRUE(client.send(info_message()));
  EXPECT_FALSE(client.receive());
  Completion twice = std::move(device.pending.front());
  twice({});
  twice({});
  EXPECT_EQ(client.receive()->command, 13);
  EXPECT_EQ(client.receive()->command, 4);
  EXPECT_FALSE(client.receive()) << "a second completion says nothing";
  EXPECT_EQ(failure(MessageMaker().put('x').finish(13)), static_cast<std::uint32_t>(EINVAL));
}

TEST_F(ServerTest, RefusesToResetADeviceThatCannotBe) {
  device.resettable = false;
  VfioClient client = attach();
  EXPECT_EQ(client.call(info_message())->at<std::uint32_t>(4), 2u);
  EXPECT_EQ(client.call(reset_message())->failure(), static_cast<std::uint32_t>(ENOTSUP));
}

class IrqTest : public MessagesTest {
 protected:
  std::vector<FileDescriptor> owned;
  std::vector<int> eventfds(std::size_t count) {
    std::vector<int> numbers;
    for (std::size_t i = 0; i < count; ++i) {
      owned.emplace_back(::eventfd(0, EFD_CLOEXEC));
      numbers.push_back(owned.back().get());
    }
    return numbers;
  }
};

TEST_F(IrqTest, SetsSixteenEventfdsAMessageAndSignalsThem) {
  ASSERT_TRUE(client.call(set_irqs_message(0x24, 2, 0, 16), eventfds(16))->ok());
  ASSERT_TRUE(client.call(set_irqs_message(0x24, 2, 16, 8), eventfds(8))->ok());
  device.events[17]->signal();
  std::uint64_t count = 0;
  EXPECT_EQ(::read(owned[17].get(), &count, 8), 8);
  EXPECT_EQ(count, 1u);
  ASSERT_TRUE(client.call(set_irqs_message(0x24, 2, 17, 1))->ok()) << "no descriptors: unset";
  EXPECT_FALSE(device.events[17]);
  EXPECT_TRUE(device.events[16]);
  ASSERT_TRUE(client.call(set_irqs_message(0x21, 2, 0, 0))->ok()) << "teardown";
  for (const auto& event : device.events) EXPECT_FALSE(event);
}

TEST_F(IrqTest, TriggersForTheClient) {
  ASSERT_TRUE(client.call(set_irqs_message(0x24, 2, 0, 3), eventfds(3))->ok());
  ASSERT_TRUE(client.call(set_irqs_message(0x22, 2, 0, 3, bytes({1, 0, 1})))->ok());
  EXPECT_EQ(device.events[0]->take(), 1u);
  EXPECT_EQ(device.events[1]->take(), 0u);
  EXPECT_EQ(device.events[2]->take(), 1u);
  ASSERT_TRUE(client.call(set_irqs_message(0x21, 2, 1, 2))->ok());
  EXPECT_EQ(device.events[1]->take(), 1u);
}

TEST_F(IrqTest, MasksWhatCanBeMasked) {
  ASSERT_TRUE(client.call(set_irqs_message(0x09, 0, 0, 1))->ok());
  ASSERT_TRUE(client.call(set_irqs_message(0x11, 0, 0, 1))->ok());
  EXPECT_EQ(device.log, "Akl");
  EXPECT_EQ(failure(set_irqs_message(0x09, 2, 0, 1)), static_cast<std::uint32_t>(ENOTSUP));
  EXPECT_EQ(failure(set_irqs_message(0x0C, 0, 0, 1), eventfds(1)), static_cast<std::uint32_t>(ENOTSUP));
}

TEST_F(IrqTest, RefusesWhatDoesNotFit) {
  EXPECT_EQ(failure(set_irqs_message(0x24, 5, 0, 1), eventfds(1)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(set_irqs_message(0x24, 2, 39, 2), eventfds(2)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(set_irqs_message(0x24, 2, ~0U, 2), eventfds(2)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(failure(set_irqs_message(0x24, 2, 1, ~0U)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::irq_outside), 3u);
  EXPECT_EQ(failure(set_irqs_message(0x24, 2, 0, 3), eventfds(2)), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::irq_descriptors), 1u);
  EXPECT_EQ(failure(set_irqs_message(0x24, 2, 0, 1), {client.fd()}), static_cast<std::uint32_t>(EINVAL));
  EXPECT_EQ(refused(Refusal::irq_not_an_eventfd), 1u);
  EXPECT_EQ(failure(set_irqs_message(0x24, 2, 0, 0)), static_cast<std::uint32_t>(ENOTSUP));
  EXPECT_EQ(failure(set_irqs_message(0x21, 2, 1, 0)), static_cast<std::uint32_t>(ENOTSUP));
  EXPECT_EQ(failure(set_irqs_message(0x24, 3, 0, 1), eventfds(1)), static_cast<std::uint32_t>(EINVAL))
      << "count 0";
  EXPECT_EQ(device.log, "A");
}

}  // namespace
}  // namespace ladon::vfio
