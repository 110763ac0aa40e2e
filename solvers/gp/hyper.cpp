// SPDX-License-Identifier: BSD-3-Clause
#include "gp/hyper.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <memory>

#include "gp/gauss_newton.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

namespace {

// Times that the points are ordered anew, and solves for the first variance of a start.
constexpr int most_passes = 2;
constexpr int variance_solves = 2;

}  // namespace

bool HyperFit::wanted(const Problem& problem) {
  const bool exact = problem.data.empty() && problem.averages.empty();
  return problem.hyper.has_value() || (!exact && !problem.variance);
}

HyperFit::HyperFit(Problem& problem, System& system, const parallel::Communicator& comm)
    : problem_(problem),
      system_(system),
      comm_(comm),
      exact_(problem.data.empty() && problem.averages.empty()),
      given_equation_(problem.equation.inverse && !exact_) {
  if (problem.hyper) {
    spec_ = *problem.hyper;
  } else {
    spec_ = {.variance = true, .starts = 1, .profile = false};
  }
  const bool variance = spec_.variance || !problem.variance;
  profiled_ = exact_ && variance;
  if (profiled_) problem_.variance.reset();
  parameters_ = parameters_of(problem, spec_, variance && !exact_);
  base_ = values_of(problem_);
}

bool HyperFit::fits_variance() const noexcept {
  return std::ranges::any_of(parameters_, [](const HyperParameter& parameter) {
    return parameter.kind == HyperParameter::Kind::variance;
  });
}

std::size_t HyperFit::wanted_starts() const {
  return pass_ == 0 ? static_cast<std::size_t>(spec_.starts) : 1;
}

void HyperFit::apply(const std::vector<double>& at) {
  set_values(problem_, with_parameters(base_, parameters_, at));
}

void HyperFit::before_factor() {
  if (finished_) apply(search_->optimum()->best.at);
}

void HyperFit::check_fingerprint() {
  if (fingerprint_ && *fingerprint_ != system_.fingerprint()) {
    throw parallel::Error(
        parallel::ExitCode::usage,
        fmt::format("the points or data differ from those of the checkpoint: an input file ({}) "
                    "changed since the run began; restore it, or start a new run in another folder",
                    input_files(problem_)));
  }
  fingerprint_.reset();
}

// The error of a fit that failed everywhere: that of its last evaluation.
parallel::Error HyperFit::failed(const char* what) const {
  if (!failure_) {
    return {parallel::ExitCode::not_converged,
            fmt::format("hyper-parameters: {} (in the run before the restart)", what)};
  }
  return {failure_->code(),
          fmt::format("hyper-parameters: {}; the last failure: {}", what, failure_->what())};
}

// Collective. Conditions the problem of now; false, with the reason in failure_, where that fails.
// `measured`: gets what the last solve conditioned on; or null.
bool HyperFit::solve(run::Context& context, SolveReport& report, Measurements* measured) {
  const auto lengths = values_of(problem_).lengths;
  std::unique_ptr<GaussNewton> newton;  // outlives an exception: its objects are destroyed in order
  try {
    // The noise of averages is part of their conditioner.
    if (*factored_ != lengths || !problem_.averages.empty()) {
      factored_->clear();
      system_.make_conditioner(context);
      factored_ = lengths;
    }
    system_.conditioner().remember({});  // no trace of earlier evaluations
    newton = std::make_unique<GaussNewton>(comm_, system_.pattern(), system_.layout(),
                                           system_.equation(), system_.conditioner(),
                                           problem_.solve, problem_.solve.warm_start);
    std::vector<double> values, noise;
    system_.measured(0, values, noise);
    newton->start(system_.initial_state(), std::move(values), std::move(noise));
    for (int step = 1; !newton->converged(); ++step) {
      if (step > problem_.solve.max_newton) {
        throw parallel::Error(
            parallel::ExitCode::not_converged,
            fmt::format("Gauss-Newton did not converge in {} steps", problem_.solve.max_newton));
      }
      report = newton->step(context.poll, step == problem_.solve.max_newton).solve;
    }
    if (measured != nullptr) *measured = newton->measurements();
    return true;
  } catch (const parallel::Error& error) {
    const bool numbers = error.code() == parallel::ExitCode::numerical ||
                         error.code() == parallel::ExitCode::not_converged;
    if (!numbers) throw;
    failure_.emplace(error);
    return false;
  }
}

double HyperFit::evidence_scale(const SolveReport& report) const {
  if (!profiled_) return problem_.variance.value_or(1);
  return best_scale(system_.measurements(), report.quadratic);
}

// Collective, after solve().
Evidence HyperFit::joint_evidence(const SolveReport& report, run::Context& context) {
  const LogDeterminant determinant = system_.conditioner().log_determinant(context.poll);
  return evidence_of(system_.measurements(), report.quadratic, determinant, evidence_scale(report));
}

// Collective, after joint_evidence(), of the same linearisation.
Evidence HyperFit::equation_evidence(const Measurements& measured, run::Context& context) {
  Conditioner& conditioner = system_.conditioner().without_averages();
  std::vector<double> state(static_cast<std::size_t>(system_.layout().own));
  const auto equation = without_data(system_.pattern(), system_.layout(), measured);
  const SolveReport report = conditioner.condition(equation, 0, state, context.poll);
  return evidence_of(system_.equations(), report.quadratic,
                     conditioner.log_determinant(context.poll), evidence_scale(report));
}

HyperEvaluation HyperFit::evaluate(const std::vector<double>& at, run::Context& context) {
  apply(at);
  HyperEvaluation evaluation{at, std::numeric_limits<double>::quiet_NaN(), 0, 0};
  SolveReport report;
  Measurements measured;
  if (!solve(context, report, given_equation_ ? &measured : nullptr)) return evaluation;
  Evidence evidence;
  try {
    evidence = joint_evidence(report, context);
    if (given_equation_) {
      const Evidence equation = equation_evidence(measured, context);
      evidence.value -= equation.value;
      // The same probes: the errors are not independent.
      evidence.standard_error += equation.standard_error;
    }
  } catch (const parallel::Error& error) {
    const bool numbers = error.code() == parallel::ExitCode::numerical ||
                         error.code() == parallel::ExitCode::not_converged;
    if (!numbers) throw;
    failure_.emplace(error);
    return evaluation;
  }
  if (!std::isfinite(evidence.value)) {
    failure_.emplace(parallel::ExitCode::numerical,
                     "the evidence is not finite: all data are zero");
    return evaluation;
  }
  evaluation.value = evidence.value;
  evaluation.standard_error = evidence.standard_error;
  evaluation.log_scale = std::log(evidence.scale);
  return evaluation;
}

// Collective. The next start; with a variance to fit that of y' (Theta + R / s)^-1 y = n s after
// two steps of the fixed point, which it has in the mean where s is the variance of the data.
void HyperFit::prepare_start(run::Context& context) {
  set_values(problem_, base_);
  const auto extents = extents_of(comm_, system_.pattern());
  std::vector<HyperSpec::Bounds> bounds;
  bool variance = false;
  for (const HyperParameter& parameter : parameters_) {
    bounds.push_back(bounds_of(parameter, problem_, spec_, extents,
                               static_cast<double>(system_.measurements()), {}));
    variance = variance || parameter.kind == HyperParameter::Kind::variance;
  }
  const std::size_t which = starts_.size();
  HyperValues values = start_of(which, problem_, parameters_, bounds);
  bool good = true;
  if (fits_variance() && !(which == 0 && base_.variance)) {
    values.variance = base_.variance.value_or(1);
    for (int i = 0; i < variance_solves && good; ++i) {
      set_values(problem_, values);
      SolveReport report;
      good = solve(context, report);
      if (good && report.quadratic > 0) {
        values.variance = best_scale(system_.measurements(), report.quadratic);
      }
    }
  }
  std::vector<double> at;
  for (std::size_t i = 0; i < parameters_.size() && good; ++i) {
    at.push_back(std::log(value_of(values, parameters_[i])));
  }
  starts_.push_back(std::move(at));
}

// Collective. Over the bounds, which for a variance come from the starts.
void HyperFit::make_search() {
  std::vector<double> variances, lower, upper;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i].kind != HyperParameter::Kind::variance) continue;
    for (const auto& start : starts_) {
      if (!start.empty()) variances.push_back(std::exp(start[i]));
    }
  }
  set_values(problem_, base_);
  const auto extents = extents_of(comm_, system_.pattern());
  for (const HyperParameter& parameter : parameters_) {
    const auto [low, high] = bounds_of(parameter, problem_, spec_, extents,
                                       static_cast<double>(system_.measurements()), variances);
    lower.push_back(std::log(low));
    upper.push_back(std::log(high));
  }
  make_search(std::move(lower), std::move(upper));
}

void HyperFit::make_search(std::vector<double> lower, std::vector<double> upper) {
  HyperSearchSpec spec{std::move(lower), std::move(upper), {}, spec_.profile};
  std::ranges::copy_if(starts_, std::back_inserter(spec.starts),
                       [](const auto& start) { return !start.empty(); });
  if (spec.starts.empty()) {
    throw failed("no start could be solved");
  }
  search_.emplace(comm_, std::move(spec));
}

void HyperFit::note(const HyperEvaluation& evaluation, run::Context& context) {
  const HyperSearchSpec& spec = search_->spec();
  bool better = best_line_.empty() ? std::isfinite(evaluation.value) : evaluation.value > best_;
  for (std::size_t i = 0; i < evaluation.at.size(); ++i) {  // differences may leave the bounds
    better = better && evaluation.at[i] >= spec.lower[i] && evaluation.at[i] <= spec.upper[i];
  }
  if (!better) return;
  best_ = evaluation.value;
  const HyperValues values = with_parameters(base_, parameters_, evaluation.at);
  std::vector<std::string> words;
  for (const HyperParameter& parameter : parameters_) {
    words.push_back(fmt::format("{} {:.4g}", parameter.name, value_of(values, parameter)));
  }
  best_line_ = fmt::format("log evidence {:.2f} at {}", best_, fmt::join(words, ", "));
  context.log(fmt::format("hyper-parameters, evaluation {}: {}", search_->evaluations().size(),
                          best_line_));
}

void HyperFit::advance(run::Context& context) {
  check_fingerprint();
  if (!factored_) factored_ = values_of(problem_).lengths;
  if (!search_) {
    if (starts_.size() < wanted_starts()) {
      prepare_start(context);
      moved_ = true;
      return;
    }
    make_search();
  }
  const auto point = search_->next();
  if (!point) return conclude(context);
  search_->add(evaluate(*point, context));
  moved_ = true;
  note(search_->evaluations().back(), context);
}

void HyperFit::conclude(run::Context& context) {
  if (!search_->optimum()) {
    throw failed("the evidence could not be computed at any start");
  }
  apply(search_->optimum()->best.at);
  if (system_.order_is_stale()) {
    if (pass_ < most_passes) {
      ++pass_;
      context.log("the fitted values ask for another order of the points: the fit is repeated");
      base_ = values_of(problem_);
      starts_.clear();
      search_.reset();
      best_line_.clear();
      factored_.reset();
      return system_.start_over();
    }
    context.warn(fmt::format(
        "the fitted hyper-parameters ask for another order of the points after {} fits: evidence "
        "and uncertainties are those of the order for the values before",
        most_passes + 1));
  }
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const int bound = search_->optimum()->bound[i];
    if (bound == 0) continue;
    context.warn(fmt::format(
        "hyper-parameters: {} is at its {} bound {:.4g}; the evidence would be larger beyond it",
        parameters_[i].name, bound < 0 ? "lower" : "upper",
        value_of(values_of(problem_), parameters_[i])));
  }
  finished_ = true;
  if (*factored_ != values_of(problem_).lengths || !problem_.averages.empty())
    system_.make_conditioner(context);
  system_.conditioner().remember({});
}

std::string HyperFit::line() const {
  if (!search_) return "first values of the hyper-parameters";
  return fmt::format("hyper-parameters: {} evaluations{}{}", search_->evaluations().size(),
                     best_line_.empty() ? "" : ", ", best_line_);
}

// A search takes about four Newton steps, the others often join the first one.
double HyperFit::share() const {
  if (finished_) return 1;
  if (!search_) return 0;
  const auto n = static_cast<double>(parameters_.size());
  const double step = 1 + n * (n + 1);
  const double expected =
      step * (4 + 2 * static_cast<double>(spec_.starts)) + (spec_.profile ? 8 * n : 0);
  return std::min(0.95, static_cast<double>(search_->evaluations().size()) / expected);
}

}  // namespace mensura::gp
