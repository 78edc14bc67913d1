#include "experiment/report.h"

#include <fmt/format.h>

#include <algorithm>

namespace ladon::experiment {
namespace {

using figures::Estimate;
using figures::Fact;
using figures::Figure;
using figures::Point;

template <class Value>
Estimate estimate_of(const Series& series, Value value) {
  std::vector<double> values;
  for (const Outcome& outcome : series.outcomes) values.push_back(value(outcome));
  return figures::estimate(values);
}

template <class Value>
double mean_of(const Series& series, Value value) {
  return estimate_of(series, value).mean;
}

Point live_point(const Series& series, const Measured& measured) {
  Point point{.x = series.x, .form = measured.form};
  point.vm1 = estimate_of(series, [](const Outcome& o) { return o[0].replies; });
  point.vm2 = estimate_of(series, [](const Outcome& o) { return o[1].replies; });
  point.total = estimate_of(series, [](const Outcome& o) { return o[0].replies + o[1].replies; });
  const double bytes =
      mean_of(series, [](const Outcome& o) { return o[0].device_bytes + o[1].device_bytes; });
  point.counted = {
      {"vm1_asked_per_s", mean_of(series, [](const Outcome& o) { return o[0].asked; })},
      {"vm2_asked_per_s", mean_of(series, [](const Outcome& o) { return o[1].asked; })},
      {"vm2_refused_per_s", mean_of(series, [](const Outcome& o) { return o[1].refused; })},
      {"vm2_frames_refused_by_host_per_s",
       mean_of(series, [](const Outcome& o) { return o[1].refused_by_host; })},
      {"vm2_frames_refused_by_device_per_s",
       mean_of(series, [](const Outcome& o) { return o[1].refused_by_device; })},
      {"frames_dropped_by_device_per_s",
       mean_of(series, [](const Outcome& o) { return o[0].dropped + o[1].dropped; })},
      {"vm1_device_bytes_per_s", mean_of(series, [](const Outcome& o) { return o[0].device_bytes; })},
      {"vm2_device_bytes_per_s", mean_of(series, [](const Outcome& o) { return o[1].device_bytes; })},
      {"httperf_short_per_s",
       mean_of(series, [](const Outcome& o) { return o[0].client_short + o[1].client_short; })},
      {"vm1_reply_ms", mean_of(series, [](const Outcome& o) { return o[0].reply_ms; })},
      {"device_busy", bytes / (measured.calibration.capacity * measured.calibration.bytes)}};
  return point;
}

Point model_point(double x, const figures::Rates& rates, std::string form) {
  const auto exact = [](double value) { return Estimate{value, value, value, 1}; };
  return {.x = x,
          .vm1 = exact(rates.vm1),
          .vm2 = exact(rates.vm2),
          .total = exact(rates.total()),
          .source = figures::Source::closed_form,
          .form = std::move(form),
          .utilizations = rates.utilizations};
}

std::string per_second(double value) {
  return fmt::format("{:.0f} replies/s", value);
}

std::string why_this_capacity(const Calibration& calibration) {
  return fmt::format(
      "published: 900; {}, of {:.0f} without a limit; by a limit of {:.2f} Mb/s on what the device receives "
      "and "
      "moves to memory, with which it carries {:.0f} for VM1 alone",
      calibration.chosen ? "the largest round part of it that the machine can do three times over"
                         : "as asked for",
      calibration.unlimited, 8e-6 * calibration.capacity * calibration.bytes, calibration.carried);
}

std::vector<Fact> common_facts(const Plan& plan, const Calibration& calibration) {
  return {
      {"capacity of the device", per_second(calibration.capacity), why_this_capacity(calibration)},
      {"a reply",
       fmt::format("{:.0f} bytes in {:.1f} frames received", calibration.bytes, calibration.frames),
       "measured with one client; 100 bytes of content, a connection for each request, closed by a reset"},
      {"one run",
       fmt::format("{:g} s after {:g} s that are not counted, {} times, interleaved", plan.seconds,
                   plan.settle_seconds, plan.repetitions),
       ""},
      {"packet memory", "250 ms of the device's capacity in each partition", "a choice"}};
}

std::vector<Fact> limit_facts(const std::string& name, const Plan& plan, const Measured& measured,
                              double refusal_cost) {
  const Calibration& calibration = measured.calibration;
  auto facts = common_facts(plan, calibration);
  facts.push_back({"VM1's clients", fmt::format("{}, each with one request under way (closed)", plan.clients),
                   "so many that they take all that they can get; the published number is not known"});
  facts.push_back({"VM2's clients",
                   fmt::format("{:.0f} requests/s, answered or not (open), given up after {:g} s",
                               plan.scaled(plan.offered, calibration.capacity), plan.timeout_seconds),
                   "half of the capacity; clients of TCP that wait would back off and burn little"});
  facts.push_back(
      name == "fig1"
          ? Fact{"VM2's limit", "in the host's software, on requests: frames of more than 80 bytes",
                 "after the device has received them, as a rule of netfilter is; the machines share a "
                 "function that the host drives"}
          : Fact{"VM2's limit", "in the device, on received packets before they are stored",
                 fmt::format("L replies/s are {:.1f} L packets/s; each machine has a function of its own",
                             calibration.frames)});
  facts.push_back({"phi", fmt::format("{:.2f}", refusal_cost),
                   "measured: bytes that the device moved for a refused request, as a share of a reply's"});
  return facts;
}

// Where the closed forms are worth a point: at the limits, at 0, and where what is offered ends.
std::vector<double> model_limits(const Plan& plan, double capacity) {
  std::vector<double> limits = {0, plan.scaled(plan.offered, capacity)};
  for (const double limit : plan.limits) limits.push_back(plan.scaled(limit, capacity));
  std::ranges::sort(limits);
  const auto [first, last] = std::ranges::unique(limits);
  limits.erase(first, last);
  return limits;
}

// The published device's demands, on a device of another capacity.
figures::SharedPath shared_path(double capacity) {
  figures::SharedPath path;
  const double slower = kPublishedCapacity / capacity;
  for (double* demand : {&path.before, &path.after, &path.receive, &path.transmit, &path.guest})
    *demand *= slower;
  return path;
}

void add_closed_forms(Figure& figure, const Plan& plan, const Measured& measured, double refusal_cost) {
  const double capacity = measured.calibration.capacity;
  const auto add = [&](const std::string& form, const auto& rates_at) {
    for (const double limit : model_limits(plan, capacity))
      figure.points.push_back(model_point(limit, rates_at(limit), form));
  };
  const figures::OpenLoop open{
      .capacity = capacity, .offered = offered(measured.series), .burnt = refusal_cost};
  add(fmt::format("open loop, measured phi = {:.2f}", refusal_cost),
      [&](double limit) { return figures::open_loop(open, limit); });
  if (figure.name == "fig1") {
    add("closed loop, saturated host path",
        [&](double limit) { return figures::closed_loop(shared_path(capacity), limit); });
  } else {
    const figures::OpenLoop ideal{.capacity = capacity, .offered = plan.scaled(plan.offered, capacity)};
    add("open loop, phi = 0", [&](double limit) { return figures::open_loop(ideal, limit); });
  }
}

// What can be said of the curve from its ends.
std::string shape(const Figure& figure, double half) {
  const Point* lowest = nullptr;
  const Point* highest = nullptr;
  for (const Point& point : figure.points) {
    if (point.source != figures::Source::live) continue;
    if (lowest == nullptr || point.x < lowest->x) lowest = &point;
    if (highest == nullptr || point.x > highest->x) highest = &point;
  }
  if (lowest == nullptr) return {};
  const double given_up = highest->vm2.mean - lowest->vm2.mean, gained = lowest->vm1.mean - highest->vm1.mean;
  return fmt::format(
      "from L = {:.0f} to L = {:.0f} VM2 gives up {:.0f} replies/s and VM1 gains {:.0f} of them ({:.0f} %); "
      "published: {}; half of the device is {:.0f}",
      highest->x, lowest->x, given_up, gained, given_up > 0 ? 100 * gained / given_up : 0,
      figure.name == "fig1" ? "none" : "all", half);
}

}  // namespace

figures::Figure limit_figure(const std::string& name, const Plan& plan, const Measured& measured,
                             std::vector<figures::Fact> machine) {
  const double refusal_cost = burnt(measured.series, measured.calibration);
  const bool host = name == "fig1";
  Figure figure{.name = name,
                .title = host ? "VM2 limited in the host's software" : "VM2 limited on the device",
                .x_name = "limit",
                .x_label = "limit of VM2, replies a second",
                .assumptions = limit_facts(name, plan, measured, refusal_cost),
                .machine = std::move(machine)};
  for (const Series& series : measured.series) figure.points.push_back(live_point(series, measured));
  figure.remarks.push_back(shape(figure, measured.calibration.capacity / 2));
  if (host)
    figure.assumptions.push_back(
        {"the closed loop's demands",
         "host 0.5556 ms before the limit and 0.5556 behind it, NIC 0.25 and 0.4444, guest 0.60",
         "a choice, for 900 replies/s and scaled with the capacity; exponential, FCFS single servers, "
         "immediate retry"});
  if (measured.calibration.capacity < kPublishedCapacity)
    figure.remarks.push_back(
        fmt::format("scaled down: {:.0f} replies/s in place of 900, limits and loads with it",
                    measured.calibration.capacity));
  add_closed_forms(figure, plan, measured, refusal_cost);
  return figure;
}

figures::Figure aggressor_figure(const Plan& plan, const std::vector<Measured>& measured,
                                 std::vector<figures::Fact> machine) {
  const Calibration& calibration = measured.front().calibration;
  const auto scaled = [&](double of_900) { return plan.scaled(of_900, calibration.capacity); };
  Figure figure{.name = "aggressor",
                .title = "A victim beside an aggressor that is limited in three places",
                .x_name = "clients",
                .x_label = "VM2's clients",
                .assumptions = common_facts(plan, calibration),
                .machine = std::move(machine)};
  figure.assumptions.push_back({"VM1, the victim",
                                fmt::format("is asked for {:.0f} replies/s (open, given up after {:g} s)",
                                            scaled(plan.victim), plan.victim_timeout_seconds),
                                "a third of the device"});
  figure.assumptions.push_back(
      {"VM2, the aggressor",
       fmt::format("each client asks {:.1f} times a second (open), gives up after {:g} s",
                   scaled(plan.per_client), plan.timeout_seconds),
       "150 clients ask for all of the device"});
  figure.assumptions.push_back(
      {"VM2's limit", per_second(scaled(plan.aggressor_limit)), "a third of the device"});
  for (const Measured& one : measured)
    for (const Series& series : one.series) figure.points.push_back(live_point(series, one));
  for (const Measured& one : measured) {
    const auto victim = [&](const Series& series) {
      return mean_of(series, [](const Outcome& o) { return o[0].replies; });
    };
    const double first = victim(one.series.front()), last = victim(one.series.back());
    figure.remarks.push_back(fmt::format("{}: the victim changes by {:+.1f} % from {:g} to {:g} clients",
                                         one.form, first > 0 ? 100 * (last - first) / first : 0,
                                         one.series.front().x, one.series.back().x));
  }
  return figure;
}

}  // namespace ladon::experiment
