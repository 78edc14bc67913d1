#include "base/memory_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <vector>

namespace ladon {
namespace {

constexpr std::uint64_t kPage = 4096;

FileDescriptor memfd(std::uint64_t size, int seals) {
  FileDescriptor fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  if (seals != 0) {
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  }
  return fd;
}

std::vector<std::byte> pattern(std::size_t length) {
  std::vector<std::byte> bytes(length);
  for (std::size_t i = 0; i < length; ++i) bytes[i] = static_cast<std::byte>(i * 7 + 1);
  return bytes;
}

MemoryFileError refusal(FileDescriptor fd) {
  auto file = MemoryFile::open(std::move(fd));
  return file ? MemoryFileError::count_ : file.error();
}

class SealedOrNot : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(MemoryFile, SealedOrNot, testing::Values(0, F_SEAL_SHRINK));

TEST_P(SealedOrNot, SharesTheBytesOfItsOwner) {
  FileDescriptor owner = memfd(4 * kPage, GetParam());
  auto file = MemoryFile::open(FileDescriptor(::dup(owner.get())));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->size(), 4 * kPage);
  EXPECT_TRUE(file->writable());

  const auto written = pattern(3 * kPage);
  ASSERT_TRUE(file->write(100, written));
  std::vector<std::byte> seen(written.size());
  ASSERT_EQ(::pread(owner.get(), seen.data(), seen.size(), 100), static_cast<ssize_t>(seen.size()));
  EXPECT_EQ(seen, written);

  std::vector<std::byte> read(written.size());
  ASSERT_TRUE(file->read(100, read));
  EXPECT_EQ(read, written);
}

TEST_P(SealedOrNot, RefusesWhatPassesTheEnd) {
  auto file = MemoryFile::open(memfd(kPage, GetParam()));
  ASSERT_TRUE(file);
  std::array<std::byte, 8> bytes{};
  EXPECT_TRUE(file->read(kPage - 8, bytes));
  EXPECT_EQ(file->read(kPage - 7, bytes).error(), MemoryFileError::outside);
  EXPECT_EQ(file->write(~std::uint64_t{0}, bytes).error(), MemoryFileError::outside);
  EXPECT_TRUE(file->read(kPage, {}));
}

TEST(MemoryFile, IsMappedOnlyIfItCannotShrink) {
  EXPECT_NE(MemoryFile::open(memfd(kPage, F_SEAL_SHRINK))->mapped_or_null(), nullptr);
  EXPECT_EQ(MemoryFile::open(memfd(kPage, F_SEAL_GROW))->mapped_or_null(), nullptr);
  EXPECT_EQ(MemoryFile::open(memfd(kPage, 0))->mapped_or_null(), nullptr);
}

TEST(MemoryFile, OneThatShrinksFailsItsOwnAccessesOnly) {
  FileDescriptor owner = memfd(4 * kPage, 0);
  auto file = MemoryFile::open(FileDescriptor(::dup(owner.get())));
  ASSERT_TRUE(file);
  ASSERT_EQ(::ftruncate(owner.get(), kPage), 0);
  std::array<std::byte, 16> bytes{};
  EXPECT_TRUE(file->read(0, bytes));
  EXPECT_EQ(file->read(2 * kPage, bytes).error(), MemoryFileError::vanished);
  EXPECT_EQ(file->write(2 * kPage, bytes).error(), MemoryFileError::vanished);
  std::vector<std::byte> across(2 * kPage);
  EXPECT_EQ(file->read(0, across).error(), MemoryFileError::vanished);
}

TEST(MemoryFile, ADescriptorForReadingIsReadOnly) {
  FileDescriptor owner = memfd(kPage, F_SEAL_SHRINK);
  const std::string path = "/proc/self/fd/" + std::to_string(owner.get());
  auto file = MemoryFile::open(FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->writable());
  std::array<std::byte, 4> bytes{};
  EXPECT_TRUE(file->read(0, bytes));
  EXPECT_EQ(file->write(0, bytes).error(), MemoryFileError::not_writable);
}

TEST(MemoryFile, AFileSealedAgainstWritingIsReadOnly) {
  auto file = MemoryFile::open(memfd(kPage, F_SEAL_SHRINK | F_SEAL_WRITE));
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->writable());
}

TEST(MemoryFile, RefusesWhatIsNoMemory) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  FileDescriptor other_end(ends[1]);
  EXPECT_EQ(refusal(FileDescriptor(ends[0])), MemoryFileError::not_a_file);
  EXPECT_EQ(refusal(FileDescriptor(::open("/dev/zero", O_RDWR | O_CLOEXEC))), MemoryFileError::not_a_file);
  EXPECT_EQ(refusal(FileDescriptor(::open("/tmp", O_RDONLY | O_CLOEXEC))), MemoryFileError::not_a_file);
  EXPECT_EQ(refusal(FileDescriptor(::open("/proc/self/status", O_RDONLY | O_CLOEXEC))),
            MemoryFileError::unsupported);
  EXPECT_EQ(refusal(FileDescriptor()), MemoryFileError::not_a_file);
  EXPECT_EQ(refusal(memfd(0, 0)), MemoryFileError::empty);
  EXPECT_EQ(refusal(memfd(kLargestMemoryFile + kPage, 0)), MemoryFileError::too_large);
}

TEST(MemoryFile, TellsFilesApart) {
  FileDescriptor one = memfd(kPage, 0), two = memfd(kPage, 0);
  FileDescriptor again(::dup(one.get()));
  EXPECT_EQ(MemoryFile::describe(one.get())->identity, MemoryFile::describe(again.get())->identity);
  EXPECT_NE(MemoryFile::describe(one.get())->identity, MemoryFile::describe(two.get())->identity);
}

}  // namespace
}  // namespace ladon
