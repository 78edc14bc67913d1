#include "mh/journal.h"

#include <gmock/gmock.h>

#include <fstream>

#include "mh/sample.h"
#include "mh/temporary.h"

namespace ladon::mh {
namespace {

std::unique_ptr<Journal> open(const std::string& path) {
  auto journal = Journal::open(path);
  if (!journal) throw std::runtime_error(journal.error());
  return std::move(*journal);
}

TEST(Journal, RemembersAcrossItsDeath) {
  TemporaryFolder folder;
  const std::string path = folder.file("journal");
  const Inventory inventory = sample_inventory();
  const Plan wanted = *plan(inventory, sample_intent({grant(0, 1, 0), grant(1, 2, 0)}));
  {
    auto journal = open(path);
    ASSERT_TRUE(journal->take_over(host::Epoch{4}));
    ASSERT_TRUE(journal->note(inventory));
    std::uint32_t space = 10;
    for (const Action& action : diff({}, wanted)) {
      ASSERT_TRUE(journal->begin(action));
      const bool creates = std::holds_alternative<CreateSpace>(action);
      ASSERT_TRUE(journal->end(creates ? std::optional(host::IoDomain{space++}) : std::nullopt));
    }
    ASSERT_TRUE(journal->quarantine({0, 1}));
  }
  const auto journal = open(path);
  const Remembered& r = journal->remembered();
  EXPECT_EQ(r.epoch, host::Epoch{4});
  EXPECT_EQ(r.plan, wanted);
  EXPECT_FALSE(r.pending.has_value());
  EXPECT_EQ(r.spaces.size(), wanted.domains.size());
  EXPECT_TRUE(r.quarantined.contains({0, 1}));
  ASSERT_TRUE(r.inventory.has_value());
  EXPECT_EQ(to_json(*r.inventory), to_json(inventory));
  EXPECT_EQ(r.inventory->functions, inventory.functions);
  EXPECT_EQ(r.inventory->nics, inventory.nics);
}

TEST(Journal, KnowsWhatWasBegunAndNotEnded) {
  TemporaryFolder folder;
  const std::string path = folder.file("journal");
  ASSERT_TRUE(open(path)->begin(RaiseLink{1}));
  const auto journal = open(path);
  ASSERT_TRUE(journal->remembered().pending.has_value());
  EXPECT_TRUE(journal->remembered().plan.links.empty());
  ASSERT_TRUE(journal->end());
  EXPECT_TRUE(journal->remembered().plan.links.contains(1));
}

TEST(Journal, ACutLastLineIsAsIfNeverWritten) {
  TemporaryFolder folder;
  const std::string path = folder.file("journal");
  ASSERT_TRUE(open(path)->take_over(host::Epoch{7}));
  std::ofstream(path, std::ios::app) << R"({"begin":{"do":"raise_li)";
  {
    auto journal = open(path);
    EXPECT_EQ(journal->remembered().epoch, host::Epoch{7});
    EXPECT_FALSE(journal->remembered().pending.has_value());
    ASSERT_TRUE(journal->take_over(host::Epoch{8}));
  }
  EXPECT_EQ(open(path)->remembered().epoch, host::Epoch{8});
}

TEST(Journal, StartingOverForgetsAllButTheEpoch) {
  TemporaryFolder folder;
  const std::string path = folder.file("journal");
  {
    auto journal = open(path);
    ASSERT_TRUE(journal->take_over(host::Epoch{3}) && journal->note(sample_inventory()) &&
                journal->begin(RaiseLink{0}) && journal->end() && journal->start_over());
  }
  const auto journal = open(path);
  EXPECT_EQ(journal->remembered().epoch, host::Epoch{3});
  EXPECT_FALSE(journal->remembered().inventory.has_value());
  EXPECT_EQ(journal->remembered().plan, Plan{});
}

TEST(Journal, IsReadBesideItsWriter) {
  TemporaryFolder folder;
  const std::string path = folder.file("journal");
  auto journal = open(path);
  ASSERT_TRUE(journal->note(sample_inventory()) && journal->begin(RaiseLink{1}));
  auto reading = read_journal(path);
  ASSERT_TRUE(reading.has_value()) << reading.error();
  EXPECT_TRUE(reading->remembered.inventory && reading->remembered.pending);
  EXPECT_FALSE(reading->remembered.settled);
  EXPECT_EQ(reading->length, journal_length(path));
  ASSERT_TRUE(journal->end() && journal->settle());
  EXPECT_GT(journal_length(path), reading->length);
  reading = read_journal(path);
  EXPECT_TRUE(reading->remembered.settled && reading->remembered.plan.links.contains(1));
  std::ofstream(path, std::ios::app) << "{\"begin\":";  // its writer has not finished the line
  reading = read_journal(path);
  EXPECT_TRUE(reading->remembered.settled && !reading->remembered.pending);
  EXPECT_EQ(reading->length, reading->whole_lines + 9);
  EXPECT_EQ(journal_length(path), reading->length);  // and it was only read
  EXPECT_FALSE(read_journal(folder.file("none")).has_value());
  EXPECT_EQ(journal_length(folder.file("none")), 0u);
}

TEST(Journal, IsSettledUntilTheNextChange) {
  TemporaryFolder folder;
  const std::string path = folder.file("journal");
  {
    auto journal = open(path);
    EXPECT_FALSE(journal->remembered().settled);
    ASSERT_TRUE(journal->settle());
    EXPECT_TRUE(journal->remembered().settled);
  }
  EXPECT_TRUE(open(path)->remembered().settled);
  ASSERT_TRUE(open(path)->begin_change());
  EXPECT_FALSE(open(path)->remembered().settled);
  ASSERT_TRUE(open(path)->settle());
  ASSERT_TRUE(open(path)->start_over());
  EXPECT_FALSE(open(path)->remembered().settled);
}

TEST(Journal, ASecondManagementHostIsRefused) {
  TemporaryFolder folder;
  const auto first = open(folder.file("journal"));
  const auto second = Journal::open(folder.file("journal"));
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(), testing::HasSubstr("another management host"));
}

TEST(Journal, AFileThatIsNoneIsRefusedWithItsLine) {
  TemporaryFolder folder;
  const std::string path = folder.file("journal");
  std::ofstream(path) << "{\"epoch\":1}\n{\"nonsense\":1}\n";
  const auto journal = Journal::open(path);
  ASSERT_FALSE(journal.has_value());
  EXPECT_THAT(journal.error(), testing::HasSubstr("journal:2:"));
}

}  // namespace
}  // namespace ladon::mh
