// SPDX-License-Identifier: BSD-3-Clause
#include "transport/line.hpp"

#include <cmath>

#include "parallel/exact_sum.hpp"
#include "transport/line_coupling.hpp"
#include "transport/line_measure.hpp"
#include "transport/line_share.hpp"
#include "transport/line_terms.hpp"

namespace mensura::transport {

void require_power(const parallel::Communicator& comm, double power) {
  parallel::agree(comm, [&] {
    parallel::require(std::isfinite(power) && power >= 1, "the power of the cost is at least one");
  });
}

double coupling_cost(const parallel::Communicator& comm, const OrderedPair& pair, double power) {
  const auto share = share_out(comm, pair.a.groups, pair.b.groups, pair.total);
  parallel::ExactSum sum;
  walk(
      share,
      [&](std::size_t i, std::size_t j, Units mass) {
        sum.add(relative(mass) * line_term(share.a[i].position - share.b[j].position, power));
      },
      [](std::size_t, std::size_t, bool, bool) {});
  parallel::reduce(comm, std::span<parallel::ExactSum>(&sum, 1));
  return absolute_cost(sum.value(), pair.exponent);
}

double line_cost(const parallel::Communicator& comm, const Weighted& a, const Weighted& b,
                 double power) {
  require_power(comm, power);
  const auto masses = carry_masses(comm, a, b, 1);
  return coupling_cost(comm, order_pair(comm, masses, a.positions, b.positions), power);
}

}  // namespace mensura::transport
