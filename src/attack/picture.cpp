#include "attack/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "attack/picture_parts.h"

namespace ladon::attack {
namespace {

constexpr double kRow = 14, kMarkHeight = 11, kPartyRow = 26, kBottom = 18;

// Vermilion and blue of Okabe and Ito's palette, which colour-blind people tell apart; the marks differ in
// shape as well. The card is opaque: it looks the same on a dark page.
constexpr std::string_view kStyle =
    R"(text { font-family: system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif; font-size: 11px; fill: #24292f }
.card { fill: #ffffff; stroke: #d0d7de }
.title { font-size: 17px; font-weight: 600 }
.party { font-size: 12px; font-weight: 600 }
.id { font-weight: 600 }
.muted, .small { fill: #57606a }
.small { font-size: 10px }
.check { font-style: italic }
.refused { fill: #e7eaee }
.succeeded { fill: #D55E00 }
.mutant { fill: #0072B2 }
.off { fill: #24292f }
.on { fill: #d0d7de }
.rule { stroke: #d0d7de; stroke-width: 1 }
.bar { fill: #8c959f }
.whisker { stroke: #57606a; stroke-width: 1.2 }
.point { fill: #24292f })";

std::string_view short_name(Defence defence) {
  static constexpr std::array<std::string_view, kDefences> kNames = {"ACS",      "MH IOMMU",  "LUT",
                                                                     "CH IOMMU", "remapping", "EPT"};
  return kNames[static_cast<std::size_t>(defence)];
}
std::string_view long_name(Defence defence) {
  static constexpr std::array<std::string_view, kDefences> kNames = {
      "ACS: redirection of the switch",       "MH IOMMU: the management host's",
      "LUT: requester-ID tables of the NTBs", "CH IOMMU: the compute hosts'",
      "interrupt remapping of all hosts",     "EPT: VMs' second-level page tables"};
  return kNames[static_cast<std::size_t>(defence)];
}
std::string_view long_name(Party party) {
  switch (party) {
    case Party::vf:
      return "by a virtual function: values in its rings, registers and mailbox, or silicon that lies";
    case Party::vm:
      return "by a VM's processor";
    case Party::ch:
      return "by a compromised compute host";
    case Party::mh:
      return "by a mistake or a ghost of the management host";
    case Party::wire:
      break;
  }
  return "from the wire";
}

std::string switches(OffSet off) {
  std::string text;
  for (unsigned i = 0; i < kDefences; ++i)
    if (const Defence one{static_cast<std::uint8_t>(i)}; off.has(one))
      text += fmt::format("{}{}", text.empty() ? "" : " + ", short_name(one));
  return text;
}
// One set of these must be off: "CH IOMMU", "ACS or MH IOMMU", "(ACS or MH IOMMU) + LUT".
std::string one_of(const std::vector<Control>& controls, bool alone) {
  unsigned common = kDefenceSets - 1;
  for (const Control& control : controls) common &= control.off.bits;
  std::string sets;
  for (const Control& control : controls)
    sets += fmt::format("{}{}", sets.empty() ? "" : " or ", switches(OffSet(control.off.bits & ~common)));
  if (controls.size() == 1) return switches(controls.front().off);
  const std::string rest = switches(OffSet(common));
  if (rest.empty()) return alone ? sets : "(" + sets + ")";
  return fmt::format("({}) + {}", sets, rest);
}
// What has to be away: "no fence", "stale windows + (ACS or MH IOMMU)", "EPT".
std::string what_carries(const MatrixRow& row) {
  if (!row.tried) return "not tried on this rack";
  if (row.vacuous) return "vacuous: never succeeds";
  std::string check(row.minimal.front().mutant == Mutant::none ? "" : name(row.minimal.front().mutant));
  std::ranges::replace(check, '_', ' ');
  const std::string sets = one_of(row.minimal, check.empty());
  return check + (check.empty() || sets.empty() ? "" : " + ") + sets;
}

// Party by party; within one the attacks that switches stop, the fewest first.
std::vector<const MatrixRow*> in_order(const Matrix& matrix) {
  std::vector<const MatrixRow*> rows;
  for (const MatrixRow& row : matrix.rows) rows.push_back(&row);
  // Last of all the catalogue's order, which is theirs in memory.
  std::ranges::sort(rows, {}, [&](const MatrixRow* row) {
    const Control& control = row->attack->control;
    return std::tuple(row->attack->by, control.mutant != Mutant::none, control.off.size(), control.off.bits,
                      row - matrix.rows.data());
  });
  return rows;
}

class Drawing {
 public:
  explicit Drawing(const Picture& picture)
      : picture_(picture),
        rows_(in_order(picture.matrix)),
        svg_(kPictureWidth, height(), "What every defence is worth", kStyle) {}

  std::string run() {
    svg_.rect({0.5, 0.5, kPictureWidth - 1, height() - 1}, "card");
    svg_.comment("matrix");
    head();
    legend();
    sets();
    y_ = kHeaderTop + kDefences * kHeaderRow + 8;
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (i == 0 || rows_[i]->attack->by != rows_[i - 1]->attack->by) party(rows_[i]->attack->by);
      row(*rows_[i]);
    }
    if (!picture_.hops.empty()) {
      draw_hops({svg_, columns_, y_}, picture_.hops);
      y_ += kHopsHeight;
    }
    svg_.comment("prices");
    if (!picture_.prices.empty()) draw_prices({svg_, columns_, y_}, picture_.prices);
    return svg_.finish();
  }

 private:
  [[nodiscard]] double height() const {
    double all = kHeaderTop + kDefences * kHeaderRow + 8 + static_cast<double>(rows_.size()) * kRow + kBottom;
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (i == 0 || rows_[i]->attack->by != rows_[i - 1]->attack->by) all += kPartyRow;
    if (!picture_.hops.empty()) all += kHopsHeight;
    if (!picture_.prices.empty()) all += kPricesHeight;
    return all;
  }

  void head() {
    svg_.text(kPictureMargin, 34, "What every defence is worth", "title");
    svg_.text(
        kPictureMargin, 54,
        fmt::format("{} attacks on the rack \"{}\", each under all {} sets of switched-off defences, a rack "
                    "of its own every time. Success is judged by what arrives at the target.",
                    rows_.size(), picture_.rack, kDefenceSets),
        "muted");
  }
  void legend() {
    double x = kPictureMargin;
    const auto entry = [&](std::string_view css_class, const Svg::Rect& at, std::string_view text,
                           double width) {
      svg_.rect({x, 66, PictureColumns::kMark, kMarkHeight}, "refused");
      svg_.rect({x + at.x, 66 + at.y, at.width, at.height}, css_class);
      svg_.text(x + 13, 76, text, "");
      x += width;
    };
    entry("refused", {0, 0, PictureColumns::kMark, kMarkHeight}, "refused", 80);
    entry("succeeded", {0, 0, PictureColumns::kMark, kMarkHeight}, "succeeds", 88);
    entry("mutant", {1, 3.5, PictureColumns::kMark - 2, 4},
          "succeeds only if the check named in italics is left out too: one that no switch takes away", 0);
  }

  // Which defences each column has switched off.
  void sets() {
    const auto& sets = columns_.sets();
    for (int size = 0; size <= static_cast<int>(kDefences); ++size) {
      const std::size_t first = columns_.first_of(size), last = columns_.first_of(size + 1) - 1;
      const double middle = (columns_.left(first) + columns_.left(last) + PictureColumns::kMark) / 2;
      svg_.text(middle, kHeaderTop - 8, std::to_string(size), "small", Svg::Anchor::middle);
    }
    svg_.text(PictureColumns::kLeft - 10, kHeaderTop - 8, "switched off:", "small", Svg::Anchor::end);
    for (unsigned i = 0; i < kDefences; ++i) {
      const Defence defence{static_cast<std::uint8_t>(i)};
      const double y = kHeaderTop + i * kHeaderRow;
      svg_.text(PictureColumns::kLeft - 10, y + 10, long_name(defence), "", Svg::Anchor::end);
      for (std::size_t column = 0; column < sets.size(); ++column)
        svg_.circle(columns_.middle(column), y + 6, sets[column].has(defence) ? 3 : 1.2,
                    sets[column].has(defence) ? "off" : "on");
    }
  }

  void party(Party by) {
    svg_.text(kPictureMargin, y_ + 18, long_name(by), "party");
    y_ += kPartyRow;
  }

  void row(const MatrixRow& row) {
    svg_.open_group(fmt::format("{}: {}", row.attack->id, row.attack->title));
    svg_.text(kPictureMargin, y_ + 9.5, row.attack->id, "id");
    svg_.text(kPictureMargin + 34, y_ + 9.5, row.attack->title, "");
    Svg::Rects refused, succeeded, mutant;
    for (std::size_t column = 0; column < columns_.sets().size(); ++column) {
      const std::uint8_t off = columns_.sets()[column].bits;
      const double x = columns_.left(column);
      if (row.plain[off] == Outcome::succeeded) {
        succeeded.add({x, y_, PictureColumns::kMark, kMarkHeight});
        continue;
      }
      refused.add({x, y_, PictureColumns::kMark, kMarkHeight});
      if (row.mutant[off] == Outcome::succeeded) mutant.add({x + 1, y_ + 3.5, PictureColumns::kMark - 2, 4});
    }
    svg_.draw(refused, "refused");
    svg_.draw(succeeded, "succeeded");
    svg_.draw(mutant, "mutant");
    const bool check = row.attack->control.mutant != Mutant::none;
    svg_.text(columns_.end() + 8, y_ + 9.5, what_carries(row), check ? "small check" : "small");
    svg_.close_group();
    y_ += kRow;
  }

  const Picture& picture_;
  std::vector<const MatrixRow*> rows_;
  PictureColumns columns_;
  Svg svg_;
  double y_ = 0;
};

}  // namespace

std::string draw(const Picture& picture) {
  return Drawing(picture).run();
}

}  // namespace ladon::attack
