// SPDX-License-Identifier: BSD-3-Clause
#include "gp/complaint.hpp"

#include <fmt/format.h>

#include <cmath>

namespace mensura::gp {

namespace {

// A remark when the last steps shrank in proportion: Gauss-Newton does so when the smallest norm
// that fits the equation is large, however fine the points.
std::string slow_steps(std::span<const double> changes) {
  constexpr std::size_t span = 4;
  if (changes.size() <= span) return {};
  const double before = changes[changes.size() - 1 - span];
  const double rate = std::pow(changes.back() / before, 1.0 / span);
  if (!(rate > 0.5 && rate < 1)) return {};
  return fmt::format(
      ". The last steps shrank by a factor of {:.2g} each, as they do when source and boundary "
      "data do not fit together (in a corner, say) or the solution is rougher than prior.kernel",
      rate);
}

}  // namespace

std::string complaint(const NewtonStep& last, std::span<const double> changes, double wanted) {
  if (last.mean_residual > 0) {
    return fmt::format(
        "Gauss-Newton did not converge in {} steps: the mean moves no more, but the residual of "
        "the equation there is {:.3g} of the data; the equation may have no solution with this "
        "source and boundary",
        changes.size(), last.mean_residual);
  }
  return fmt::format(
      "Gauss-Newton did not converge in {} steps: the last relative change is {:.3g}, wanted {:g}; "
      "raise factor.neighbours (5 is safer on irregular points) or solve.max_newton, or loosen "
      "solve.newton{}",
      changes.size(), last.relative_step, wanted, slow_steps(changes));
}

}  // namespace mensura::gp
