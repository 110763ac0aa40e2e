// SPDX-License-Identifier: BSD-3-Clause
#include "gp/kernel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "parallel/error.hpp"

namespace mensura::gp {
namespace {

constexpr const char* axis_names = "xyz";
// Fourth derivatives scale like length^-4 and must stay far from overflow.
constexpr double shortest_length = 1e-50, longest_length = 1e50;

[[noreturn]] void refuse(const std::string& text) {
  throw parallel::Error(parallel::ExitCode::usage, "prior: " + text);
}

void check_lengths(const RadialFactor& factor, int dimension, const std::string& place) {
  const auto count = factor.length.size();
  if (count != 1 && count != static_cast<std::size_t>(dimension)) {
    refuse(
        fmt::format("{} has {} lengths in a problem with {} axes; give one length, or one per axis",
                    place, count, dimension));
  }
  for (const double length : factor.length) {
    if (!(length >= shortest_length && length <= longest_length)) {
      refuse(fmt::format("{} has length {}; a length must be a number > 0 (from {} to {})", place,
                         length, shortest_length, longest_length));
    }
  }
}

void check_axes(const RadialFactor& factor, int dimension, const std::string& place) {
  std::vector<int> axes = factor.axes;
  std::sort(axes.begin(), axes.end());
  if (!axes.empty() && (axes.front() < 0 || axes.back() >= dimension)) {
    refuse(fmt::format("{} depends on axis {}; a problem in {} dimension{} has the axes 0 to {}",
                       place, axes.front() < 0 ? axes.front() : axes.back(), dimension,
                       dimension == 1 ? "" : "s", dimension - 1));
  }
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
    refuse(fmt::format("{} names an axis twice; name every axis once", place));
  }
}

std::string describe(const RadialFactor& factor) {
  std::string text = family_names()[static_cast<std::size_t>(factor.family)];
  text += fmt::format("({}", fmt::join(factor.length, ", "));
  for (std::size_t i = 0; i < factor.axes.size(); ++i) {
    const auto axis = static_cast<std::size_t>(factor.axes[i]);
    text += i == 0 ? "; " : ", ";
    text += axis < 3 ? std::string(1, axis_names[axis]) : std::to_string(factor.axes[i]);
  }
  return text + ")";
}

}  // namespace

const std::vector<std::string>& family_names() {
  static const std::vector<std::string> names{"matern_3_2", "matern_5_2",  "matern_7_2",
                                              "matern_9_2", "matern_11_2", "gaussian"};
  return names;
}

double prior_variance(const Kernel& kernel) {
  double sum = 0;
  for (const KernelTerm& term : kernel.terms) sum += term.weight;
  return sum;
}

int half_order(Family family) {
  return family == Family::gaussian ? 0 : static_cast<int>(family) + 1;
}

bool depends_on(const RadialFactor& factor, int axis) {
  return factor.axes.empty() ||
         std::find(factor.axes.begin(), factor.axes.end(), axis) != factor.axes.end();
}

double length_on(const RadialFactor& factor, int axis) {
  return factor.length.size() == 1 ? factor.length[0]
                                   : factor.length[static_cast<std::size_t>(axis)];
}

void check(const Kernel& kernel, int dimension) {
  parallel::require(dimension >= 1 && dimension <= 3, "a prior lives in one to three dimensions");
  if (kernel.terms.empty()) refuse("it has no terms; name at least one kernel");
  for (std::size_t t = 0; t < kernel.terms.size(); ++t) {
    const KernelTerm& term = kernel.terms[t];
    if (!(term.weight > 0 && std::isfinite(term.weight))) {
      refuse(fmt::format("term {} has weight {}; a weight must be a number > 0", t, term.weight));
    }
    if (term.factors.empty()) refuse(fmt::format("term {} has no factors; name a kernel", t));
    for (std::size_t f = 0; f < term.factors.size(); ++f) {
      const std::string place = fmt::format("factor {} of term {}", f, t);
      check_lengths(term.factors[f], dimension, place);
      check_axes(term.factors[f], dimension, place);
    }
  }
  axis_lengths(kernel, dimension);
}

int mean_square_derivatives(const Kernel& kernel) {
  int smallest = smooth;
  for (const KernelTerm& term : kernel.terms) {
    for (const RadialFactor& factor : term.factors) {
      if (factor.family != Family::gaussian) {
        smallest = std::min(smallest, half_order(factor.family));
      }
    }
  }
  return smallest;
}

std::vector<double> axis_lengths(const Kernel& kernel, int dimension) {
  constexpr double none = std::numeric_limits<double>::infinity();
  std::vector<double> lengths(static_cast<std::size_t>(dimension), none);
  for (const KernelTerm& term : kernel.terms) {
    for (const RadialFactor& factor : term.factors) {
      for (int axis = 0; axis < dimension; ++axis) {
        double& shortest = lengths[static_cast<std::size_t>(axis)];
        if (depends_on(factor, axis)) shortest = std::min(shortest, length_on(factor, axis));
      }
    }
  }
  for (std::size_t axis = 0; axis < lengths.size(); ++axis) {
    if (lengths[axis] == none) {
      refuse(
          fmt::format("no factor depends on axis {0}, so that points which differ in {0} alone "
                      "would coincide; add a factor on that axis",
                      axis_names[axis]));
    }
  }
  return lengths;
}

std::vector<double> axis_lengths(const Prior& prior, int dimension) {
  std::vector<double> lengths = axis_lengths(prior.first, dimension);
  if (!prior.second) return lengths;
  const std::vector<double> others = axis_lengths(*prior.second, dimension);
  for (std::size_t axis = 0; axis < lengths.size(); ++axis) {
    lengths[axis] = std::min(lengths[axis], others[axis]);
  }
  return lengths;
}

std::string describe(const Kernel& kernel) {
  std::string text;
  for (const KernelTerm& term : kernel.terms) {
    if (!text.empty()) text += " + ";
    if (term.weight != 1) text += fmt::format("{} * ", term.weight);
    for (std::size_t f = 0; f < term.factors.size(); ++f) {
      if (f > 0) text += " * ";
      text += describe(term.factors[f]);
    }
  }
  return text;
}

}  // namespace mensura::gp
