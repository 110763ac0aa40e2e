// SPDX-License-Identifier: BSD-3-Clause
#include "gp/certificate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "parallel/by_index.hpp"
#include "parallel/error.hpp"
#include "parallel/exact_sum.hpp"
#include "run/timers.hpp"

namespace mensura::gp {

using parallel::exact_dot;

namespace {

constexpr const char* lift_name = "certificate/lift";
constexpr const char* points_name = "certificate/points";
constexpr const char* reals_name = "certificate/reals";
constexpr const char* counts_name = "certificate/counts";

// Of a point in a checkpoint: value, noise, alpha, rest, direction, image.
constexpr int numbers_per_point = 6;
constexpr std::size_t fixed_reals = 13, fixed_counts = 5;

// The recomputed residual differs from the recurrence's by rounding.
constexpr double margin = 0.9;
// A recomputed residual that has shrunk less than this is at the limit of rounding.
constexpr double least_gain = 0.5;

constexpr std::array<const char*, 3> kind_names = {"boundary", "interior", "data"};

}  // namespace

Certificate::Certificate(const parallel::Communicator& comm, const StateRows& rows,
                         double tolerance, Conditioner& conditioner, int width)
    : comm_(comm),
      pattern_(rows.pattern),
      conditioner_(conditioner),
      system_(comm, rows),
      blocks_(comm, rows.pattern, rows.layout, width),
      nugget_(rows.nugget),
      tolerance_(tolerance),
      state_(static_cast<std::size_t>(rows.layout.own)) {}

void Certificate::begin(const Measurements& measurements, std::vector<double> alpha,
                        int refinements) {
  measurements_ = measurements;
  system_.measure(measurements_);
  adopted_ = true;
  alpha_ = std::move(alpha);
  rest_.assign(alpha_.size(), 0.0);
  limit_ = refinements;
  phase_ = Phase::certify;
}

void Certificate::advance(run::Context& context) {
  const auto phase = context.timers.phase("certificate");
  if (phase_ == Phase::certify) {
    certify(context);
  } else {
    refine(context);
  }
}

// The true residual, the state, and what to do next.
void Certificate::certify(run::Context& context) {
  system_.apply(alpha_, rest_, state_, context.poll);
  for (std::size_t p = 0; p < rest_.size(); ++p) rest_[p] = measurements_.value[p] - rest_[p];
  compare();
  std::string parts;
  for (std::size_t k = 0; k < kind_names.size(); ++k) {
    if (pattern_.counts[k] == 0) continue;
    parts += fmt::format("{}{} {:.2g}", parts.empty() ? "" : ", ", kind_names[k],
                         residual_.kind[k].norm);
  }
  context.log(fmt::format("certified residual {:.3g} ({})", residual_.whole.norm, parts));
  decide(context);
}

void Certificate::decide(run::Context& context) {
  const double now = residual_.whole.norm, before = std::exchange(recomputed_, now);
  if (!converged() && broken_.empty() && before > 0 && now > least_gain * before) {
    broken_ = "rounding in the sums allows no better";
  }
  if (!converged() && broken_.empty() && steps_ < limit_) {
    phase_ = Phase::refine;
    direction_.clear();
    image_.clear();
    return;
  }
  phase_ = Phase::finished;
  if (converged()) return;
  context.warn(fmt::format(
      "refinement ended after {} steps with the certified residual {:.3g}, wanted {:g} ({}); {}",
      steps_, now, tolerance_, broken_.empty() ? "solve.refine allows no more" : broken_,
      broken_.empty() ? "raise solve.refine or factor.radius, or loosen solve.tolerance"
                      : "loosen solve.tolerance"));
}

// Collective. Norms and largest entries of what is left of the data.
void Certificate::compare() {
  std::array<parallel::ExactSum, 5> sums;  // squares of the kinds' residuals, of y; y' alpha
  std::array<double, 4> largest{};         // of the kinds' residuals, of y
  for (std::size_t p = 0; p < rest_.size(); ++p) {
    const auto kind = static_cast<std::size_t>(pattern_.kind(p));
    const double y = measurements_.value[p];
    sums[kind].add(rest_[p] * rest_[p]);
    sums[3].add(y * y);
    sums[4].add(y * alpha_[p]);
    largest[kind] = std::max(largest[kind], std::abs(rest_[p]));
    largest[3] = std::max(largest[3], std::abs(y));
  }
  parallel::reduce(comm_, sums);
  comm_.max(std::span(largest));
  double squares = 0;
  for (std::size_t k = 0; k < 3; ++k) squares += sums[k].value();
  if (!std::isfinite(squares)) {
    throw parallel::Error(parallel::ExitCode::numerical,
                          "the exact kernel sums of the certified residual are not finite: raise "
                          "factor.nugget, or take a rougher kernel or a shorter prior.length");
  }
  const auto over = [](double value, double size) { return size > 0 ? value / size : value; };
  size_ = std::sqrt(sums[3].value());
  quadratic_ = sums[4].value();
  residual_.whole = {over(std::sqrt(squares), size_), 0};
  for (std::size_t k = 0; k < 3; ++k) {
    residual_.kind[k] = {over(std::sqrt(sums[k].value()), size_), over(largest[k], largest[3])};
    residual_.whole.maximum = std::max(residual_.whole.maximum, residual_.kind[k].maximum);
  }
}

// Collective. z close to A^-1 rest. False when the factors fail.
bool Certificate::precondition(std::span<double> z, const std::function<void()>& poll) {
  try {
    if (!adopted_) conditioner_.adopt(measurements_, poll);
    adopted_ = true;
    conditioner_.precondition(rest_, z, poll);
    return true;
  } catch (const parallel::Error& error) {  // the same on all ranks
    if (error.code() != parallel::ExitCode::not_converged &&
        error.code() != parallel::ExitCode::numerical) {
      throw;
    }
    broken_ = error.what();
    return false;
  }
}

// A step of flexible conjugate gradients, which stand a preconditioner that changes a little.
void Certificate::refine(run::Context& context) {
  phase_ = Phase::certify;  // whatever ends the steps
  std::vector<double> z(rest_.size()), rows(state_.size());
  if (!precondition(z, context.poll)) return;
  if (!direction_.empty()) {
    const double beta = -exact_dot(comm_, z, image_) / exact_dot(comm_, direction_, image_);
    for (std::size_t p = 0; p < z.size(); ++p) z[p] += beta * direction_[p];
  }
  direction_ = std::move(z);
  image_.resize(direction_.size());
  system_.apply(direction_, image_, rows, context.poll);
  const double curvature = exact_dot(comm_, direction_, image_);
  const double step = exact_dot(comm_, direction_, rest_) / curvature;
  if (!(curvature > 0) || !std::isfinite(step)) {
    broken_ = "the exact matrix is not positive definite in double precision";
    return;
  }
  for (std::size_t p = 0; p < direction_.size(); ++p) {
    alpha_[p] += step * direction_[p];
    rest_[p] -= step * image_[p];
  }
  ++steps_;
  const double left = std::sqrt(exact_dot(comm_, rest_, rest_));
  residuals_.push_back(size_ > 0 ? left / size_ : left);
  context.log(fmt::format("refinement step {}: residual {:.3g}", steps_, residuals_.back()));
  if (residuals_.back() > margin * tolerance_ && steps_ < limit_) phase_ = Phase::refine;
}

std::vector<double> Certificate::mean_at(std::span<const double> coordinates,
                                         const Functional& functional,
                                         const std::function<void()>& poll) {
  return system_.mean_at(coordinates, functional, alpha_, poll);
}

void Certificate::save(output::CheckpointWriter& checkpoint) const {
  std::vector<double> points;
  const auto at = [](const std::vector<double>& values, std::size_t p) {
    return values.empty() ? 0.0 : values[p];
  };
  for (std::size_t p = 0; p < alpha_.size(); ++p) {
    points.insert(points.end(), {measurements_.value[p], at(measurements_.noise, p), alpha_[p],
                                 rest_[p], at(direction_, p), at(image_, p)});
  }
  const parallel::Blocks blocks{blocks_.total(), comm_.size()};
  const auto distributed = [&](const char* name, const std::vector<double>& block, int numbers) {
    checkpoint.distributed(name, block, blocks.begin(comm_.rank()) * numbers,
                           blocks_.total() * numbers);
  };
  distributed(lift_name, blocks_.from_rows(measurements_.lift), blocks_.width());
  distributed(points_name, blocks_.from_points(points, numbers_per_point), numbers_per_point);
  std::vector<double> reals{size_, quadratic_, recomputed_, earlier_seconds_ + system_.seconds(),
                            earlier_pairs_ + system_.pairs()};
  for (const auto& part :
       {residual_.whole, residual_.kind[0], residual_.kind[1], residual_.kind[2]}) {
    reals.insert(reals.end(), {part.norm, part.maximum});
  }
  reals.insert(reals.end(), residuals_.begin(), residuals_.end());
  checkpoint.replicated(reals_name, reals);
  const std::int64_t noisy = comm_.max(static_cast<std::int64_t>(!measurements_.noise.empty()));
  const std::int64_t directed = comm_.max(static_cast<std::int64_t>(!direction_.empty()));
  checkpoint.replicated(counts_name,
                        std::vector<std::int64_t>{static_cast<std::int64_t>(phase_), limit_,
                                                  blocks_.width(), noisy, directed});
}

std::unique_ptr<Certificate::Saved> Certificate::load(const parallel::Communicator& comm,
                                                      const output::CheckpointReader& checkpoint) {
  if (!checkpoint.has(counts_name)) return nullptr;
  auto saved = std::make_unique<Saved>();
  saved->counts = checkpoint.integers(counts_name);
  saved->reals = checkpoint.reals(reals_name);
  parallel::require(saved->counts.size() == fixed_counts && saved->reals.size() >= fixed_reals,
                    "the checkpoint has the shape that save() gave it");
  const parallel::Blocks blocks{checkpoint.extent(points_name) / numbers_per_point, comm.size()};
  const auto read = [&](const char* name, std::int64_t numbers) {
    return checkpoint.reals(name, blocks.begin(comm.rank()) * numbers,
                            blocks.size(comm.rank()) * numbers);
  };
  saved->lift = read(lift_name, saved->counts[2]);
  saved->points = read(points_name, numbers_per_point);
  return saved;
}

void Certificate::resume(const Saved& saved, int refinements) {
  const auto points = blocks_.to_points(saved.points, numbers_per_point);
  const bool noisy = saved.counts[3] != 0, directed = saved.counts[4] != 0;
  measurements_ = {blocks_.to_rows(saved.lift), {}, {}};
  for (std::size_t i = 0; i < points.size(); i += numbers_per_point) {
    measurements_.value.push_back(points[i]);
    if (noisy) measurements_.noise.push_back(points[i + 1]);
    alpha_.push_back(points[i + 2]);
    rest_.push_back(points[i + 3]);
    if (directed) direction_.push_back(points[i + 4]);
    if (directed) image_.push_back(points[i + 5]);
  }
  system_.measure(measurements_);
  const auto& reals = saved.reals;
  size_ = reals[0];
  quadratic_ = reals[1];
  recomputed_ = reals[2];
  earlier_seconds_ = reals[3];
  earlier_pairs_ = reals[4];
  residual_.whole = {reals[5], reals[6]};
  for (std::size_t k = 0; k < 3; ++k) residual_.kind[k] = {reals[7 + 2 * k], reals[8 + 2 * k]};
  residuals_.assign(reals.begin() + fixed_reals, reals.end());
  steps_ = static_cast<std::int64_t>(residuals_.size());
  phase_ = static_cast<Phase>(saved.counts[0]);
  limit_ = refinements;
  if (phase_ != Phase::finished || limit_ == 0) return;
  // What was the end of another run need not be that of this one, with other keys.
  const bool more = !converged() && steps_ < limit_;
  if (more || saved.counts[1] == 0) phase_ = Phase::certify;
  if (more) recomputed_ = 0;
}

std::int64_t Certificate::bytes(std::int64_t points, int width) {
  return points * (width + numbers_per_point) * std::int64_t{sizeof(double)} + (1 << 14);
}

std::string Certificate::line() const {
  if (std::isnan(residual_.whole.norm)) return "certifying";
  if (residuals_.empty()) return fmt::format("certified residual {:.2g}", residual_.whole.norm);
  return fmt::format("refinement step {}, residual {:.2g}", steps_, residuals_.back());
}

void Certificate::record(output::Record& record) const {
  const auto describe = [](const CertifiedResidual::Part& part) {
    output::Value value;
    value["value"] = part.norm;
    value["maximum"] = part.maximum;
    return value;
  };
  output::Value::Object entry;
  entry.emplace_back("name", "certified_residual");
  entry.emplace_back("value", residual_.whole.norm);
  if (std::isnan(residual_.whole.norm)) {
    entry.emplace_back("status", "the run ended before it");
  } else {
    entry.emplace_back("maximum", residual_.whole.maximum);
    for (std::size_t k = 0; k < kind_names.size(); ++k) {
      if (pattern_.counts[k] > 0) entry.emplace_back(kind_names[k], describe(residual_.kind[k]));
    }
    if (!converged()) {
      entry.emplace_back("status", finished() ? "refinement ended short of solve.tolerance"
                                              : "the run ended before the refinement");
    }
  }
  record.add_result(std::move(entry));
  const double seconds = earlier_seconds_ + system_.seconds();
  const double pairs = earlier_pairs_ + system_.pairs();
  output::Value certificate;
  certificate["matrix"] = "S' K S + R + nugget diag(S' K S)";
  certificate["nugget"] = nugget_;
  certificate["refinements"] = steps_;
  certificate["residuals"] = output::Value(residuals_);
  certificate["mean"] = exact() ? "exact kernel sums" : "of the factor";
  certificate["pairs"] = pairs;
  certificate["seconds"] = seconds;
  if (seconds > 0) certificate["pairs_per_second"] = pairs / seconds;
  record.root["certificate"] = std::move(certificate);
}

}  // namespace mensura::gp
