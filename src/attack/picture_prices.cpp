// What accesses cost, under the columns of the matrix.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attack/picture_parts.h"

namespace ladon::attack {
namespace {

constexpr double kStrip = 20;  // of one kind of access

class Panel {
 public:
  explicit Panel(const PicturePlace& place) : place_(place) {}

  void heading(std::string_view text) {
    place_.svg.text(kPictureMargin, place_.y + 20, text, "party");
    place_.y += 30;
  }
  // Bars from zero; the numbers at the right.
  void bars(std::string_view label, const std::vector<Hops>& hops, std::size_t Hops::* kind) {
    std::size_t least = hops.front().*kind, most = least;
    for (const Hops& one : hops) least = std::min(least, one.*kind), most = std::max(most, one.*kind);
    Svg::Rects bars;
    for (std::size_t i = 0; i < hops.size(); ++i) {
      const double height = static_cast<double>(hops[i].*kind) * (kStrip - 4) / kMostHops;
      bars.add({place_.columns.left(i), place_.y + kStrip - 3 - height, PictureColumns::kMark, height});
    }
    place_.svg.draw(bars, "bar");
    place_.svg.text(PictureColumns::kLeft - 10, place_.y + kStrip - 6, label, "", Svg::Anchor::end);
    place_.svg.text(place_.columns.end() + 8, place_.y + kStrip - 6,
                    least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most), "small");
    place_.y += kStrip;
  }
  // Points with their intervals between two values, `step` apart the lines.
  template <class Value>
  void points(std::string_view label, const std::vector<Price>& prices, double height, double least,
              double most, double step, const char* number, Value value) {
    const auto at = [&](double v) { return place_.y + height - (v - least) / (most - least) * height; };
    for (double line = least; line <= most + step / 2; line += step) {
      place_.svg.line(PictureColumns::kLeft - 4, at(line), place_.columns.end(), at(line), "rule");
      place_.svg.text(PictureColumns::kLeft - 10, at(line) + 3.5, fmt::format(fmt::runtime(number), line),
                      "small", Svg::Anchor::end);
    }
    for (std::size_t i = 0; i < prices.size(); ++i) {
      const Estimate estimate = value(prices[i]);
      const double x = place_.columns.middle(i);
      if (estimate.low != estimate.high)
        place_.svg.line(x, at(estimate.low), x, at(estimate.high), "whisker");
      place_.svg.circle(x, at(estimate.median), 2.2, "point");
    }
    place_.svg.text(kPictureMargin, place_.y + height / 2 + 4, label, "");
    place_.y += height + 20;
  }
  void note(double up, std::string_view text) {
    place_.svg.text(place_.columns.end() + 8, place_.y - up, text, "small");
  }

 private:
  static constexpr double kMostHops = 24;
  PicturePlace place_;
};

Estimate exactly(double value) {
  return {.median = value, .low = value, .high = value};
}

// What each defence's removal gains, beside its row of the columns' heads.
void draw_gains(const PicturePlace& place, const std::vector<Price>& prices) {
  place.svg.text(place.columns.end() + 8, kHeaderTop - 8, "packets a second: off, to on", "small");
  for (unsigned i = 0; i < kDefences; ++i) {
    const Estimate gain = price_of(prices, Defence{static_cast<std::uint8_t>(i)});
    place.svg.text(place.columns.end() + 8, kHeaderTop + i * kHeaderRow + 10,
                   fmt::format("{:.3f}   ({:.3f} to {:.3f})", gain.median, gain.low, gain.high), "small");
  }
}

}  // namespace

void draw_hops(PicturePlace place, const std::vector<Hops>& hops) {
  Panel panel(place);
  panel.heading("Tables on the way");
  panel.bars("of a register read and its completion", hops, &Hops::register_read);
  panel.bars("of a DMA read and its completion", hops, &Hops::dma_read);
  panel.bars("of a DMA write", hops, &Hops::dma_write);
  panel.bars("of an interrupt", hops, &Hops::interrupt);
}

void draw_prices(PicturePlace place, const std::vector<Price>& prices) {
  Panel panel(place);
  panel.heading("Price, measured");
  double least = 1, most = 1, cold = 0;
  for (const Price& price : prices) {
    least = std::min(least, price.ratio.low), most = std::max(most, price.ratio.high);
    cold = std::max(cold, price.cold);
  }
  const double step = most - least > 0.25 ? 0.1 : 0.05;
  least = std::floor(least / step + 0.1) * step, most = std::ceil(most / step - 0.1) * step;
  panel.points("packets a second, to the round's median set", prices, 96, least, most, step, "{:.2f}",
               [](const Price& price) { return price.ratio; });
  panel.note(102, fmt::format("all on: {:.1f} million frames of 64 bytes",
                              prices.front().packets_per_second.median / 1e6));
  panel.note(88, "a second of one processor, host to host");
  panel.note(74, fmt::format("bars: the median of {} racks, with 96 %", kPriceRounds));
  const double top = std::ceil(cold * 1e9 / 100) * 100;
  panel.points("one resolution through the tables, ns", prices, 40, 0, top, top / 2, "{:.0f}",
               [](const Price& price) { return exactly(price.cold * 1e9); });
  std::vector<double> cached;
  for (const Price& price : prices) cached.push_back(price.cached * 1e9);
  std::ranges::sort(cached);
  panel.note(36, fmt::format("remembered: {:.1f} ns ({:.1f} to {:.1f})", cached[cached.size() / 2],
                             cached.front(), cached.back()));
  draw_gains(place, prices);
}

}  // namespace ladon::attack
