// What the files of the picture share: where its columns are, and how things are called in it.
#pragma once

#include <string_view>
#include <vector>

#include "attack/picture.h"
#include "base/svg.h"

namespace ladon::attack {

class PictureColumns {
 public:
  static constexpr double kLeft = 404, kWidth = 8, kGap = 7, kMark = 7;  // a mark is in its column

  PictureColumns() : sets_(ordered_sets()) {
    double x = kLeft;
    for (std::size_t i = 0; i < sets_.size(); ++i) {
      if (i != 0 && sets_[i].size() != sets_[i - 1].size()) x += kGap;
      at_.push_back(x);
      x += kWidth;
    }
    end_ = x;
  }
  [[nodiscard]] const std::vector<OffSet>& sets() const { return sets_; }
  [[nodiscard]] double left(std::size_t column) const { return at_[column]; }
  [[nodiscard]] double middle(std::size_t column) const { return at_[column] + kMark / 2; }
  [[nodiscard]] double end() const { return end_; }
  // The first column with so many defences off, and the one after the last.
  [[nodiscard]] std::size_t first_of(int size) const {
    std::size_t i = 0;
    while (i < sets_.size() && sets_[i].size() < size) ++i;
    return i;
  }

 private:
  std::vector<OffSet> sets_;
  std::vector<double> at_;
  double end_ = 0;
};

struct PicturePlace {
  Svg& svg;
  const PictureColumns& columns;
  double y = 0;  // where the next thing goes
};

inline constexpr double kPictureWidth = 1210, kPictureMargin = 20, kHeaderTop = 108, kHeaderRow = 14;
inline constexpr double kHopsHeight = 112, kPricesHeight = 214;

void draw_hops(PicturePlace place, const std::vector<Hops>& hops);
void draw_prices(PicturePlace place, const std::vector<Price>& prices);

}  // namespace ladon::attack
