#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/commands.h"
#include "app/progress.h"
#include "app/signals.h"
#include "experiment/host_path.h"
#include "experiment/own_vnics.h"
#include "experiment/report.h"

namespace ladon::app {
namespace {

namespace ex = experiment;
using Bed = std::expected<std::unique_ptr<ex::Testbed>, std::string>;

// The three ways to hold VM2 to its limit.
enum class Way : std::uint8_t { host, device, own };

std::string_view form_of(Way way) {
  switch (way) {
    case Way::host:
      return "live, limit in the host";
    case Way::device:
      return "live, limit on the device, shared path";
    case Way::own:
      break;
  }
  return "live, limit on the device, own vNIC";
}

struct Wanted {
  bool fig1 = false, fig3 = false, aggressor = false;
  [[nodiscard]] bool limits(Way way) const { return (way == Way::host && fig1) || (way == Way::own && fig3); }
};

class Session {
 public:
  Session(const FiguresOptions& options, const Common& common, const lab::Assets& assets)
      : options_(options),
        common_(common),
        assets_(assets),
        plan_(options.quick ? ex::Plan::quick() : ex::Plan{}),
        machine_(ex::machine_facts(assets)) {
    plan_.capacity = options.capacity;
    if (options.repetitions != 0) plan_.repetitions = options.repetitions;
    if (options.seconds > 0) plan_.seconds = options.seconds;
    for (const auto& name : options.figures) {
      wanted_.fig1 |= name == "fig1";
      wanted_.fig3 |= name == "fig3";
      wanted_.aggressor |= name == "aggressor";
    }
  }

  std::expected<void, std::string> run() {
    progress_.step(fmt::format("about {:.0f} s", estimated_seconds()));
    for (const Way way : {Way::host, Way::device, Way::own})
      if (wanted_.limits(way) || wanted_.aggressor)
        if (auto done = run(way); !done)
          return std::unexpected(fmt::format("{}: {}", form_of(way), done.error()));
    if (!wanted_.aggressor) return {};
    return keep(ex::aggressor_figure(plan_, aggressors_, machine_));
  }

  void print() const {
    nlohmann::ordered_json all = nlohmann::ordered_json::object();
    for (const auto& figure : figures_) {
      if (common_.json)
        all[figure.name] = nlohmann::ordered_json::parse(figures::to_json(figure));
      else
        fmt::print("{}\n", figures::to_text(figure));
    }
    if (common_.json) fmt::print("{}\n", all.dump(2));
  }
  [[nodiscard]] bool feasible() const {
    return std::ranges::all_of(figures_, [](const auto& figure) { return figure.feasible(); });
  }

 private:
  std::expected<void, std::string> run(Way way) {
    progress_.step(fmt::format("boot two web servers: {}", form_of(way)));
    auto bed = start(way);
    if (!bed) return std::unexpected(bed.error());
    const ex::Watch watch{.progress = [this](const std::string& what) { progress_.step(what); },
                          .stopped = [this] { return signals_.stopped().load(); }};
    // All testbeds are given the same capacity: that of the first.
    auto calibration = ex::calibrate(**bed, plan_, plan_.capacity, watch);
    if (!calibration) return std::unexpected(calibration.error());
    plan_.capacity = calibration->capacity;
    calibration->chosen = options_.capacity <= 0;
    const auto measure = [&](const std::vector<ex::Setting>& settings) {
      return ex::run_settings(**bed, settings, plan_, watch);
    };
    if (wanted_.limits(way)) {
      auto series = measure(ex::limit_settings(plan_, *calibration));
      if (!series) return std::unexpected(series.error());
      const ex::Measured measured{std::string(form_of(way)), *calibration, std::move(*series)};
      if (auto kept = keep(ex::limit_figure(way == Way::host ? "fig1" : "fig3", plan_, measured, machine_));
          !kept)
        return kept;
    }
    if (wanted_.aggressor) {
      auto series = measure(ex::aggressor_settings(plan_, *calibration));
      if (!series) return std::unexpected(series.error());
      aggressors_.push_back({std::string(form_of(way)), *calibration, std::move(*series)});
    }
    return {};
  }

  Bed start(Way way) const {
    if (way == Way::own) return ex::OwnVnics::start(assets_, options_.out, common_.log);
    return ex::HostPath::start(way == Way::host ? ex::LimitAt::host : ex::LimitAt::device, assets_,
                               options_.out);
  }

  // Written at once: what comes later may fail.
  std::expected<void, std::string> keep(figures::Figure figure) {
    for (const auto& [ending, text] :
         {std::pair{"json", figures::to_json(figure)}, std::pair{"svg", figures::to_svg(figure)}}) {
      const std::string path = fmt::format("{}/{}.{}", options_.out, figure.name, ending);
      std::ofstream file(path);
      if (!(file << text)) return std::unexpected(fmt::format("{}: cannot be written", path));
    }
    figures_.push_back(std::move(figure));
    return {};
  }

  [[nodiscard]] double estimated_seconds() const {
    constexpr double kBoot = 12, kCalibrationRuns = 3, kBetweenRuns = 0.15;
    const double run = plan_.seconds + plan_.settle_seconds + 2 * kBetweenRuns;
    double seconds = 0;
    for (const Way way : {Way::host, Way::device, Way::own}) {
      if (!wanted_.limits(way) && !wanted_.aggressor) continue;
      seconds += kBoot + kCalibrationRuns * run;
      const std::size_t points =
          (wanted_.limits(way) ? plan_.limits.size() : 0) + (wanted_.aggressor ? plan_.aggressors.size() : 0);
      seconds += static_cast<double>(points) * plan_.repetitions * run;
    }
    return seconds;
  }

  const FiguresOptions& options_;
  const Common& common_;
  const lab::Assets& assets_;
  const Progress progress_;
  const StopSignals signals_;
  ex::Plan plan_;
  Wanted wanted_;
  std::vector<figures::Fact> machine_;
  std::vector<figures::Figure> figures_;
  std::vector<ex::Measured> aggressors_;
};

}  // namespace

int figures(const FiguresOptions& options, const Common& common) {
  const auto assets = assets_and_folder(options.assets, options.out, common);
  if (!assets) return kBadInput;
  Session session(options, common, *assets);
  if (auto done = session.run(); !done) {
    common.log.error("{}", done.error());
    return kFinding;
  }
  session.print();
  return session.feasible() ? kOk : kFinding;
}

}  // namespace ladon::app
