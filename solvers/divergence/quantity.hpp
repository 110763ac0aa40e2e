// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mensura::divergence {

/// What is measured. J_a = integral of p^a q^(1-a); logarithms are natural. Conventions of the
/// deck: alpha = (J_a - 1)/(a(a-1)), tsallis = (J_a - 1)/(a-1), hellinger = 1 - J_1/2 (squared),
/// bhattacharyya = -log J_1/2, renyi = log J_a/(a-1), js with mixture weight 1/2,
/// jeffreys = KL(P||Q) + KL(Q||P).
enum class Quantity { kl, jeffreys, js, renyi, alpha, tsallis, hellinger, bhattacharyya };

/// The deck's names in the order of the enumeration.
const std::vector<std::string>& quantity_names();
std::optional<Quantity> quantity_from(std::string_view name);
const std::string& name_of(Quantity quantity);

/// True for renyi, alpha, tsallis: they need `order`. hellinger and bhattacharyya have order 1/2.
bool takes_order(Quantity quantity) noexcept;
/// True for the five functions of J_a.
bool is_function_of_j(Quantity quantity) noexcept;
/// The order to compute with: 1/2 for hellinger and bhattacharyya, `order` otherwise.
double effective_order(Quantity quantity, double order) noexcept;
/// Throws Error{usage} unless 0 < order < 1 (checked for quantities that take an order).
void check_order(Quantity quantity, double order);
/// "nats" or "1".
std::string units_of(Quantity quantity);
/// One line of formula for the record.
std::string convention_of(Quantity quantity, double order);

/// The quantity as a function of J_a, its derivative and second derivative in J. Only for functions
/// of J_a. J = 0 gives +infinity for the logarithmic ones.
double from_j(Quantity quantity, double order, double j) noexcept;

}  // namespace mensura::divergence
