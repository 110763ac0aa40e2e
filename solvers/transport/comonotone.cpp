// SPDX-License-Identifier: BSD-3-Clause
#include "transport/comonotone.hpp"

#include <cmath>
#include <utility>

#include "parallel/exact_sum.hpp"
#include "transport/line_coupling.hpp"
#include "transport/line_measure.hpp"
#include "transport/line_share.hpp"
#include "transport/line_terms.hpp"

namespace mensura::transport {

namespace {

// Collective. The measure with quantile function Q_a + weight Q_b in groups on every rank's share.
std::vector<Group> added(const parallel::Communicator& comm, const std::vector<Group>& a,
                         const std::vector<Group>& b, double weight, Units total) {
  const Share share = share_out(comm, a, b, total);
  std::vector<Group> result;
  parallel::agree(comm, [&] {
    Units at = share.begin;
    walk(
        share,
        [&](std::size_t i, std::size_t j, Units mass) {
          result.push_back({at, at + mass, share.a[i].position + weight * share.b[j].position});
          at += mass;
        },
        [](std::size_t, std::size_t, bool, bool) {});
  });
  return result;
}

}  // namespace

double comonotone_cost(const parallel::Communicator& comm, std::span<const Weighted> measures,
                       std::span<const EdgeSpec> edges, double power) {
  require_power(comm, power);
  parallel::agree(comm, [&] {
    for (const EdgeSpec& edge : edges) {
      parallel::require(edge.from < measures.size() && edge.to < measures.size(),
                        "an edge is between two measures");
      parallel::require(std::isfinite(edge.weight) && edge.weight >= 0, "weights are not negative");
    }
  });
  const OrderedSet ordered = order_measures(comm, measures);
  parallel::ExactSum sum;
  for (const EdgeSpec& edge : edges) {
    if (edge.weight == 0) continue;
    const Share share = share_out(comm, ordered.measures[edge.from].groups,
                                  ordered.measures[edge.to].groups, ordered.total);
    walk(
        share,
        [&](std::size_t i, std::size_t j, Units mass) {
          const double distance = share.a[i].position - share.b[j].position;
          sum.add(edge.weight * (relative(mass) * line_term(distance, power)));
        },
        [](std::size_t, std::size_t, bool, bool) {});
  }
  parallel::reduce(comm, {&sum, 1});
  return absolute_cost(sum.value(), ordered.exponent);
}

LineAtoms line_barycenter(const parallel::Communicator& comm, std::span<const Weighted> measures,
                          std::span<const double> weights) {
  double whole = 0;
  parallel::agree(comm, [&] {
    parallel::require(weights.size() == measures.size(), "every measure has its weight");
    for (const double w : weights) {
      parallel::require(std::isfinite(w) && w >= 0, "weights are not negative");
      whole += w;
    }
    parallel::require(whole > 0, "some weight is positive");
  });
  const OrderedSet ordered = order_measures(comm, measures);
  std::vector<Group> groups;
  bool begun = false;
  for (std::size_t k = 0; k < measures.size(); ++k) {
    const double weight = weights[k] / whole;
    if (weight == 0) continue;  // its jumps are nobody's
    if (begun) {
      groups = added(comm, groups, ordered.measures[k].groups, weight, ordered.total);
      continue;
    }
    begun = true;
    groups = ordered.measures[k].groups;
    for (Group& group : groups) group.position *= weight;
  }
  LineAtoms result;
  parallel::agree(comm, [&] {
    for (const Group& group : groups) {
      result.positions.push_back(group.position);
      result.mass.push_back(
          std::ldexp(relative(group.end - group.start), ordered.exponent + unit_bits));
    }
  });
  return result;
}

}  // namespace mensura::transport
