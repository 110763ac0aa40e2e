// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "parallel/error.hpp"

namespace mensura::divergence {

const std::vector<std::string>& quantity_names() {
  static const std::vector<std::string> names = {"kl",    "jeffreys", "js",        "renyi",
                                                 "alpha", "tsallis",  "hellinger", "bhattacharyya"};
  return names;
}

std::optional<Quantity> quantity_from(std::string_view name) {
  const auto& names = quantity_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Quantity>(found - names.begin());
}

const std::string& name_of(Quantity quantity) {
  return quantity_names()[static_cast<std::size_t>(quantity)];
}

bool takes_order(Quantity quantity) noexcept {
  return quantity == Quantity::renyi || quantity == Quantity::alpha ||
         quantity == Quantity::tsallis;
}

bool is_function_of_j(Quantity quantity) noexcept {
  return quantity != Quantity::kl && quantity != Quantity::jeffreys && quantity != Quantity::js;
}

double effective_order(Quantity quantity, double order) noexcept {
  return takes_order(quantity) ? order : 0.5;
}

void check_order(Quantity quantity, double order) {
  if (!takes_order(quantity) || (order > 0 && order < 1)) return;
  throw parallel::Error(
      parallel::ExitCode::usage,
      fmt::format("order {} of {}: it must lie strictly between 0 and 1; use kl for the limit of "
                  "order 1",
                  order, name_of(quantity)));
}

std::string units_of(Quantity quantity) {
  switch (quantity) {
    case Quantity::alpha:
    case Quantity::tsallis:
    case Quantity::hellinger:
      return "1";
    default:
      return "nats";
  }
}

std::string convention_of(Quantity quantity, double order) {
  switch (quantity) {
    case Quantity::kl:
      return "integral of p log(p/q)";
    case Quantity::jeffreys:
      return "KL(P||Q) + KL(Q||P)";
    case Quantity::js:
      return "KL(P||R)/2 + KL(Q||R)/2, R = (P + Q)/2, natural logarithm (at most log 2)";
    case Quantity::renyi:
      return fmt::format("log J/(a-1), J = integral of p^a q^(1-a), a = {}", order);
    case Quantity::alpha:
      return fmt::format("(J-1)/(a(a-1)), J = integral of p^a q^(1-a), a = {}", order);
    case Quantity::tsallis:
      return fmt::format("(J-1)/(a-1), J = integral of p^a q^(1-a), a = {}", order);
    case Quantity::hellinger:
      return "squared: 1 - integral of sqrt(p q)";
    case Quantity::bhattacharyya:
      return "-log of the integral of sqrt(p q)";
  }
  return {};
}

double from_j(Quantity quantity, double order, double j) noexcept {
  const double a = effective_order(quantity, order);
  switch (quantity) {
    case Quantity::renyi:
      return j > 0 ? std::log(j) / (a - 1) : std::numeric_limits<double>::infinity();
    case Quantity::bhattacharyya:
      return j > 0 ? -std::log(j) : std::numeric_limits<double>::infinity();
    case Quantity::alpha:
      return (j - 1) / (a * (a - 1));
    case Quantity::tsallis:
      return (j - 1) / (a - 1);
    case Quantity::hellinger:
      return 1 - j;
    default:
      return std::numeric_limits<double>::quiet_NaN();
  }
}

}  // namespace mensura::divergence
