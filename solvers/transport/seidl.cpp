// SPDX-License-Identifier: BSD-3-Clause
#include "transport/seidl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "parallel/exact_sum.hpp"
#include "transport/line_measure.hpp"
#include "transport/line_share.hpp"

namespace mensura::transport {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
// Mass of a point above 1/K that is rounding of the masses.
constexpr double rounding = 1e-12;

// The part of the groups between two masses, counted from the first of them.
std::vector<Group> between(const std::vector<Group>& groups, Units begin, Units end) {
  std::vector<Group> result;
  for (const Group& group : groups) {
    const Units from = std::max(group.start, begin), to = std::min(group.end, end);
    if (from < to) result.push_back({from - begin, to - begin, group.position});
  }
  return result;
}

// Collective. int ds / (Q(s + gap) - Q(s)) over s from 0 to the total less the gap, in parts of the
// total; infinite when a point meets itself.
double shifted(const parallel::Communicator& comm, const Ordered& measure, Units gap) {
  std::vector<Group> lower, upper;
  parallel::agree(comm, [&] {
    lower = between(measure.groups, 0, measure.total - gap);
    upper = between(measure.groups, gap, measure.total);
  });
  const Share share = share_out(comm, lower, upper, measure.total - gap);
  const double total = relative(measure.total);
  parallel::ExactSum sums[2];  // the integral, and what meets itself
  walk(
      share,
      [&](std::size_t i, std::size_t j, Units mass) {
        const double part = relative(mass) / total;
        const double distance = share.b[j].position - share.a[i].position;
        sums[distance > 0 ? 0 : 1].add(distance > 0 ? part / distance : part);
      },
      [](std::size_t, std::size_t, bool, bool) {});
  parallel::reduce(comm, sums);
  return sums[1].value() > rounding ? infinity : sums[0].value();
}

}  // namespace

double seidl_value(const parallel::Communicator& comm, const Weighted& points,
                   std::int64_t electrons) {
  parallel::require(electrons >= 2, "electrons that repel each other are at least two");
  const OrderedSet ordered = order_measures(comm, {&points, 1});
  const Ordered& measure = ordered.measures[0];
  const auto parts = static_cast<Units>(electrons);
  double sum = 0;
  for (Units g = 1; g < parts; ++g) {
    // g total / K, rounded down, without leaving 128 bits.
    const Units gap = measure.total / parts * g + measure.total % parts * g / parts;
    sum += shifted(comm, measure, gap);
  }
  const double value = static_cast<double>(electrons) * sum;
  if (sum < infinity) require_range(value);
  return value;
}

void refuse_crowded(const std::string& marginal, std::size_t electrons) {
  throw parallel::Error(
      parallel::ExitCode::input_data,
      fmt::format("marginal '{}' has a point with more than 1/{} of the mass: two of the {} "
                  "electrons meet there in every plan; spread its mass",
                  marginal, electrons, electrons));
}

void check_crowding(const std::vector<ElectronPoints>& electrons, int dimension) {
  const auto d = static_cast<std::size_t>(dimension);
  std::map<std::vector<double>, std::vector<double>> places;  // masses of all electrons
  for (std::size_t k = 0; k < electrons.size(); ++k) {
    for (std::size_t i = 0; i < electrons[k].mass.size(); ++i) {
      const auto at = electrons[k].coordinates.subspan(i * d, d);
      std::vector<double>& masses = places[{at.begin(), at.end()}];
      masses.resize(electrons.size(), 0.0);
      masses[k] += electrons[k].mass[i];
    }
  }
  for (const auto& [place, masses] : places) {
    if (std::accumulate(masses.begin(), masses.end(), 0.0) <= 1 + rounding) continue;
    const auto most = std::ranges::max_element(masses) - masses.begin();
    refuse_crowded(electrons[static_cast<std::size_t>(most)].name, electrons.size());
  }
}

std::vector<double> coulomb_cost(std::span<const double> x, std::span<const double> y,
                                 int dimension) {
  const auto d = static_cast<std::size_t>(dimension);
  std::vector<double> result;
  result.reserve(x.size() / d * (y.size() / d));
  for (std::size_t i = 0; i < x.size(); i += d) {
    for (std::size_t j = 0; j < y.size(); j += d) {
      double squares = 0;
      for (std::size_t a = 0; a < d; ++a) squares += (x[i + a] - y[j + a]) * (x[i + a] - y[j + a]);
      result.push_back(1 / std::sqrt(squares));
    }
  }
  return result;
}

}  // namespace mensura::transport
