// SPDX-License-Identifier: BSD-3-Clause
#include "gp/prior_deck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>

#include "gp/domain_deck.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Option;
using input::Table;
using input::TableRef;
using input::Variant;
using input::Variants;

namespace {

// All equations act on u by second derivatives at most.
constexpr int derivatives_needed = 2;

constexpr const char* default_family = "matern_7_2";

std::vector<Variant> families() {
  std::vector<Variant> result;
  for (const std::string& name : family_names()) {
    result.push_back({.name = name,
                      .options = {{.key = "length",
                                   .kind = Kind::real_or_list,
                                   .range = "[1e-50, 1e50]",
                                   .help = "length scale, one number or one for each axis of the "
                                           "domain",
                                   .required = true,
                                   .length = "[1, 3]",
                                   .example = "0.3"}}});
  }
  return result;
}

Table factor_table() {
  return {.name = "factor",
          .help = "One factor of a product",
          .options = {{.key = "axes",
                       .kind = Kind::integers,
                       .range = "[0, 2]",
                       .help = "axes that it depends on, from zero; without it, all",
                       .length = "[1, 3]",
                       .example = "[0]"}},
          .variants = {{.key = "kernel",
                        .default_value = default_family,
                        .help = "its family",
                        .of = families()}}};
}

const Table& shared_factor_table() {
  static const Table table = factor_table();
  return table;
}

Variant product() {
  return {.name = "product",
          .help = "product of kernels, each on some or all axes",
          .options = {{.key = "factors",
                       .kind = Kind::tables,
                       .help = "the kernels to multiply",
                       .required = true,
                       .length = ">= 1",
                       .example = "[{kernel: matern_7_2, length: 0.3}]",
                       .table = TableRef(shared_factor_table)}}};
}

Table term_table() {
  std::vector<Variant> kernels = families();
  kernels.push_back(product());
  return {.name = "term",
          .help = "One term of a sum",
          .options = {{.key = "weight",
                       .kind = Kind::real,
                       .default_value = "1",
                       .range = "> 0",
                       .help = "its variance"}},
          .variants = {{.key = "kernel",
                        .default_value = default_family,
                        .help = "its kernel",
                        .of = std::move(kernels)}}};
}

Variant sum() {
  return {.name = "sum",
          .help = "weighted sum of kernels",
          .options = {{.key = "terms",
                       .kind = Kind::tables,
                       .help = "the kernels to add",
                       .required = true,
                       .length = ">= 1",
                       .example = "[{kernel: matern_7_2, length: 0.3, weight: 1}]",
                       .table = term_table()}}};
}

bool has_key(const Node& node, const char* key) {
  const auto entries = node.entries();
  return std::any_of(entries.begin(), entries.end(),
                     [&](const auto& entry) { return entry.first == key; });
}

RadialFactor radial_factor(const Node& node) {
  const auto& names = family_names();
  const auto at = std::find(names.begin(), names.end(), node["kernel"].text());
  parallel::require(at != names.end(), "prior_deck: a family without a translation");
  RadialFactor factor;
  factor.family = static_cast<Family>(at - names.begin());
  factor.length = node["length"].reals();
  if (!has_key(node, "axes")) return factor;
  for (const std::int64_t axis : node["axes"].integers()) {
    factor.axes.push_back(static_cast<int>(axis));
  }
  std::sort(factor.axes.begin(), factor.axes.end());
  return factor;
}

// Every radial factor of the prior with the section that describes it.
using FactorAction = std::function<void(const Node& section, const RadialFactor& factor)>;

void each_factor(const Node& node, const FactorAction& action) {
  const std::string& kernel = node["kernel"].text();
  if (kernel == "sum") {
    for (const Node& term : node["terms"].items()) each_factor(term, action);
  } else if (kernel == "product") {
    for (const Node& factor : node["factors"].items()) each_factor(factor, action);
  } else {
    action(node, radial_factor(node));
  }
}

// "Matern 3/2" for matern_3_2.
std::string spoken(const std::string& family) {
  const std::string matern = "matern_";
  if (!family.starts_with(matern)) return family;
  std::string order = family.substr(matern.size());
  std::replace(order.begin(), order.end(), '_', '/');
  return "Matern " + order;
}

std::string smoothest_advice() {
  for (std::size_t i = 0; i < family_names().size(); ++i) {
    const Kernel kernel{{{1.0, {{static_cast<Family>(i), {1.0}, {}}}}}};
    if (mean_square_derivatives(kernel) >= derivatives_needed) return family_names()[i];
  }
  return family_names().back();
}

void check_one_axes(const Node& axes, int dimension, Diagnostics& diagnostics) {
  std::array<int, 3> seen{};
  for (const Node& entry : axes.items()) {
    const auto axis = static_cast<std::size_t>(entry.integer());
    if (static_cast<int>(axis) >= dimension) {
      diagnostics.error(entry, fmt::format("found axis {} in dimension {}; axes count from zero: "
                                           "expected at most {}",
                                           axis, dimension, dimension - 1));
    } else if (++seen[axis] == 2) {
      diagnostics.error(entry, fmt::format("found axis {} twice; name every axis once", axis));
    }
  }
}

}  // namespace

const Table& prior_table() {
  static const Table table = [] {
    Table made;
    made.name = "prior";
    made.help = "The Gaussian process that u is drawn from: mean zero, this covariance";
    made.options = {{.key = "variance",
                     .kind = Kind::real,
                     .default_value = "1",
                     .range = "> 0",
                     .help =
                         "multiplies the kernel; matters beside noise and beside the prior of a "
                         "second unknown, which have scales of their own"}};
    std::vector<Variant> kernels = families();
    kernels.push_back(sum());
    kernels.push_back(product());
    made.variants = {{.key = "kernel",
                      .default_value = default_family,
                      .help = "the kernel; matern_3_2 is too rough for the equations of this "
                              "version",
                      .of = std::move(kernels)}};
    made.hints = {{"lengthscale", "the key is length"}, {"sigma", "the key is length"}};
    return made;
  }();
  return table;
}

Kernel kernel_from(const Node& prior) {
  const auto term = [](const Node& node, double weight) {
    KernelTerm result{.weight = weight, .factors = {}};
    each_factor(node,
                [&](const Node&, const RadialFactor& factor) { result.factors.push_back(factor); });
    return result;
  };
  Kernel kernel;
  const double variance = prior["variance"].real();
  if (prior["kernel"].text() != "sum") {
    kernel.terms = {term(prior, variance)};
    return kernel;
  }
  for (const Node& node : prior["terms"].items()) {
    kernel.terms.push_back(term(node, variance * node["weight"].real()));
  }
  return kernel;
}

namespace {

// The priors of all unknowns.
std::vector<Node> priors_of(const Node& root) {
  std::vector<Node> priors = {root["prior"]};
  if (root["inverse"].present()) priors.push_back(root["inverse"]["prior"]);
  return priors;
}

void check_one_prior(const Node& prior, int dimension, Diagnostics& diagnostics) {
  std::array<bool, 3> covered{};
  each_factor(prior, [&](const Node& section, const RadialFactor& factor) {
    if (factor.axes.empty()) covered.fill(true);
    if (has_key(section, "axes")) check_one_axes(section["axes"], dimension, diagnostics);
    for (const int axis : factor.axes) covered[static_cast<std::size_t>(axis)] = true;
  });
  for (int axis = 0; axis < dimension; ++axis) {
    if (covered[static_cast<std::size_t>(axis)]) continue;
    diagnostics.error(prior,
                      fmt::format("no factor depends on axis {}: the prior is constant along it; "
                                  "add the axis to `axes` of a factor",
                                  axis));
  }
}

}  // namespace

// Of a second unknown no equation takes more than the gradient, which every kernel has.
void check_smoothness(const Node&, const Node& root, Diagnostics& diagnostics) {
  const std::string& equation = root["equation"]["name"].text();
  each_factor(root["prior"], [&](const Node& section, const RadialFactor& factor) {
    const int derivatives = mean_square_derivatives(Kernel{{{1.0, {factor}}}});
    if (derivatives >= derivatives_needed) return;
    diagnostics.error(section["kernel"],
                      fmt::format("{} has no Laplacian (one mean-square derivative); {} needs two: "
                                  "use {} or smoother",
                                  spoken(section["kernel"].text()), equation, smoothest_advice()));
  });
}

void check_lengths(const Node&, const Node& root, Diagnostics& diagnostics) {
  const int dimension = dimension_of(root);
  if (dimension == 0) return;
  const FactorAction check = [&](const Node& section, const RadialFactor& factor) {
    const auto size = static_cast<int>(factor.length.size());
    if (size == 1 || size == dimension) return;
    diagnostics.error(section["length"],
                      fmt::format("found {} lengths in dimension {}; give one number, or one per "
                                  "axis of the domain",
                                  size, dimension));
  };
  for (const Node& prior : priors_of(root)) each_factor(prior, check);
}

void check_axes(const Node&, const Node& root, Diagnostics& diagnostics) {
  const int dimension = dimension_of(root);
  if (dimension == 0) return;
  for (const Node& prior : priors_of(root)) check_one_prior(prior, dimension, diagnostics);
}

}  // namespace mensura::gp
