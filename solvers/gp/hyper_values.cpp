// SPDX-License-Identifier: BSD-3-Clause
#include "gp/hyper_values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "parallel/error.hpp"

namespace mensura::gp {

namespace {

constexpr double noise_range = 1e3, variance_range = 1e4, noise_spread = 10;

// Parts of a whole by which starts follow each other: 1 / g and 1 / g^2 with g^3 = g + 1 (Roberts
// 2018), and what is left out at both ends.
constexpr std::array<double, 2> steps = {0.7548776662466927, 0.5698402909980532};
constexpr double margin = 0.1;

// Every length of the priors with its kernel, the factor that it belongs to and its place there.
template <class ProblemLike, class Action>
void each_length(ProblemLike& problem, const Action& action) {
  const auto visit = [&](auto& kernel) {
    for (auto& term : kernel.terms) {
      for (auto& factor : term.factors) {
        for (std::size_t i = 0; i < factor.length.size(); ++i) action(kernel, factor, i);
      }
    }
  };
  visit(problem.prior);
  if (problem.equation.inverse) visit(problem.equation.inverse->prior);
}

struct LengthPlace {
  const Kernel* kernel = nullptr;
  const RadialFactor* factor = nullptr;
  std::size_t entry = 0;      // of the factor
  std::size_t in_kernel = 0;  // counted over the kernel
  std::size_t of_kernel = 0;  // lengths of the kernel
};

std::vector<LengthPlace> length_places(const Problem& problem) {
  std::vector<LengthPlace> places;
  each_length(problem, [&](const Kernel& kernel, const RadialFactor& factor, std::size_t i) {
    const bool same = !places.empty() && places.back().kernel == &kernel;
    places.push_back({&kernel, &factor, i, same ? places.back().in_kernel + 1 : 0, 0});
  });
  for (LengthPlace& place : places) {
    for (const LengthPlace& other : places) place.of_kernel += other.kernel == place.kernel;
  }
  return places;
}

std::string name_of_length(const Problem& problem, const LengthPlace& place) {
  static constexpr std::array<char, 3> axes = {'x', 'y', 'z'};
  const bool second = place.kernel != &problem.prior;
  const std::string name = second ? problem.equation.inverse->name + "_length" : "length";
  if (place.of_kernel == 1) return name;
  const auto& terms = place.kernel->terms;
  const bool one_factor = terms.size() == 1 && terms.front().factors.size() == 1;
  if (one_factor) return fmt::format("{}_{}", name, axes[place.entry]);
  return fmt::format("{}_{}", name, place.in_kernel);
}

// Axes of the length: all that its factor sees, or the one it stands for in a list.
std::vector<std::size_t> axes_of_length(const LengthPlace& place, std::size_t dimension) {
  std::vector<std::size_t> axes;
  for (std::size_t axis = 0; axis < dimension; ++axis) {
    const bool own = place.factor->length.size() == 1 || axis == place.entry;
    if (own && depends_on(*place.factor, static_cast<int>(axis))) axes.push_back(axis);
  }
  if (axes.empty()) axes.push_back(place.entry);
  return axes;
}

HyperSpec::Bounds length_bounds(const LengthPlace& place, const std::vector<double>& extents,
                                double points) {
  const std::size_t d = extents.size();
  const double side = std::pow(points, 1 / static_cast<double>(d));
  HyperSpec::Bounds bounds{std::numeric_limits<double>::infinity(), 0};
  double squares = 0;
  const auto axes = axes_of_length(place, d);
  for (const std::size_t axis : axes) {
    bounds.lower = std::min(bounds.lower, extents[axis] / side);
    squares += extents[axis] * extents[axis];
  }
  // An axis by itself has the diameter of a cube of its extent.
  if (axes.size() == 1) squares *= static_cast<double>(d);
  bounds.upper = 2 * std::sqrt(squares);
  return bounds;
}

}  // namespace

std::vector<HyperParameter> parameters_of(const Problem& problem, const HyperSpec& spec,
                                          bool variance) {
  using Kind = HyperParameter::Kind;
  std::vector<HyperParameter> parameters;
  const auto places = length_places(problem);
  for (std::size_t i = 0; spec.length && i < places.size(); ++i) {
    parameters.push_back({Kind::length, i, name_of_length(problem, places[i])});
  }
  if (variance) parameters.push_back({Kind::variance, 0, "variance"});
  if (spec.noise && (spec.shared_noise || problem.data.size() == 1)) {
    parameters.push_back({Kind::noise, HyperParameter::all, "noise"});
  } else if (spec.noise) {
    for (std::size_t i = 0; i < problem.data.size(); ++i) {
      parameters.push_back({Kind::noise, i, fmt::format("noise_{}", i)});
    }
  }
  return parameters;
}

HyperValues values_of(const Problem& problem) {
  HyperValues values;
  each_length(problem, [&](const Kernel&, const RadialFactor& factor, std::size_t i) {
    values.lengths.push_back(factor.length[i]);
  });
  values.variance = problem.variance;
  for (const DataSpec& data : problem.data) values.noise.push_back(data.noise);
  return values;
}

void set_values(Problem& problem, const HyperValues& to) {
  std::size_t next = 0;
  each_length(problem, [&](Kernel&, RadialFactor& factor, std::size_t i) {
    factor.length[i] = to.lengths[next++];
  });
  problem.variance = to.variance;
  for (std::size_t i = 0; i < problem.data.size(); ++i) problem.data[i].noise = to.noise[i];
}

HyperValues with_parameters(HyperValues values, const std::vector<HyperParameter>& parameters,
                            const std::vector<double>& at) {
  parallel::require(parameters.size() == at.size(), "a point has one number for each parameter");
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double value = std::exp(at[i]);
    switch (parameters[i].kind) {
      case HyperParameter::Kind::length:
        values.lengths[parameters[i].index] = value;
        break;
      case HyperParameter::Kind::variance:
        values.variance = value;
        break;
      case HyperParameter::Kind::noise:
        if (parameters[i].index == HyperParameter::all) {
          std::ranges::fill(values.noise, value);
        } else {
          values.noise[parameters[i].index] = value;
        }
    }
  }
  return values;
}

double value_of(const HyperValues& values, const HyperParameter& parameter) {
  switch (parameter.kind) {
    case HyperParameter::Kind::length:
      return values.lengths[parameter.index];
    case HyperParameter::Kind::variance:
      return values.variance.value_or(1);
    case HyperParameter::Kind::noise:
      break;
  }
  return values.noise[parameter.index == HyperParameter::all ? 0 : parameter.index];
}

std::vector<double> extents_of(const parallel::Communicator& comm, const Pattern& pattern) {
  const auto d = static_cast<std::size_t>(pattern.dimension);
  std::vector<double> low(d, std::numeric_limits<double>::infinity()), high(d, -low[0]);
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    for (std::size_t a = 0; a < d; ++a) {
      low[a] = std::min(low[a], pattern.coordinates[p * d + a]);
      high[a] = std::max(high[a], pattern.coordinates[p * d + a]);
    }
  }
  comm.min(std::span<double>(low));
  comm.max(std::span<double>(high));
  for (std::size_t a = 0; a < d; ++a) high[a] -= low[a];
  return high;
}

HyperSpec::Bounds bounds_of(const HyperParameter& parameter, const Problem& problem,
                            const HyperSpec& spec, const std::vector<double>& extents,
                            double points, const std::vector<double>& variances) {
  const double value = value_of(values_of(problem), parameter);
  HyperSpec::Bounds bounds;
  switch (parameter.kind) {
    case HyperParameter::Kind::length:
      if (spec.length_bounds) return *spec.length_bounds;
      bounds = length_bounds(length_places(problem)[parameter.index], extents, points);
      break;
    case HyperParameter::Kind::variance:
      if (spec.variance_bounds) return *spec.variance_bounds;
      if (variances.empty()) return {value / variance_range, value * variance_range};
      return {std::ranges::min(variances) / variance_range,
              std::ranges::max(variances) * variance_range};
    case HyperParameter::Kind::noise:
      if (spec.noise_bounds) return *spec.noise_bounds;
      bounds = {value / noise_range, value * noise_range};
  }
  return {std::min(bounds.lower, value), std::max(bounds.upper, value)};
}

HyperValues start_of(std::size_t which, const Problem& problem,
                     const std::vector<HyperParameter>& parameters,
                     const std::vector<HyperSpec::Bounds>& bounds) {
  HyperValues values = values_of(problem);
  if (which == 0) return values;
  std::vector<double> at;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const bool noise = parameters[i].kind == HyperParameter::Kind::noise;
    double low = std::log(bounds[i].lower), high = std::log(bounds[i].upper);
    if (noise) {
      const double middle = std::log(value_of(values, parameters[i]));
      low = std::clamp(middle - std::log(noise_spread), low, high);
      high = std::clamp(middle + std::log(noise_spread), low, high);
    }
    const double turn = 0.5 + static_cast<double>(which) * (noise ? steps[1] : steps[0]);
    at.push_back(low + (margin + (1 - 2 * margin) * (turn - std::floor(turn))) * (high - low));
  }
  const std::optional<double> variance = values.variance;
  values = with_parameters(values, parameters, at);
  values.variance = variance;
  return values;
}

}  // namespace mensura::gp
