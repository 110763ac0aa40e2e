// SPDX-License-Identifier: BSD-3-Clause
#include "transport/deck_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "input/diagnostics.hpp"
#include "input/node.hpp"
#include "transport/graph_deck.hpp"
#include "transport/marginal_deck.hpp"

namespace mensura::transport {

using input::Diagnostics;
using input::Node;

namespace {

// The methods that know a regularisation; the others are exact.
bool is_entropic(const std::string& method) {
  return method == "auto" || method == "newton" || method == "sinkhorn";
}

std::int64_t periods_of(const Node& root) {
  return std::ssize(root["cost"]["period"].reals());
}

std::optional<Node> relaxation_of(const Node& root) {
  for (const char* key : {"unbalanced", "partial"}) {
    if (root[key].present()) return root[key];
  }
  return std::nullopt;
}

void check_same_dimension(const Node&, const Node& root, Diagnostics& diagnostics) {
  const auto marginals = root["marginals"].entries();
  if (root["cost"]["name"].text() == "matrix") return;
  const auto first = std::find_if(marginals.begin(), marginals.end(), [](const auto& marginal) {
    return dimension_of(marginal.second) > 0;
  });
  if (first == marginals.end()) return;
  const int a = dimension_of(first->second);
  for (const auto& [name, marginal] : marginals) {
    const int b = dimension_of(marginal);
    if (b == 0 || a == b) continue;
    diagnostics.error(marginal["shape"],
                      fmt::format("'{}' has dimension {} and '{}' has dimension {}; expected equal "
                                  "dimensions",
                                  first->first, a, name, b));
  }
}

// What needs a dimension, for densities; files are asked when their headers are read. One message
// is enough: marginals of different dimensions are another check's business.
void check_wanted_dimension(const Node&, const Node& root, Diagnostics& diagnostics) {
  const std::string& method = root["method"].text();
  const Node cost = root["cost"];
  const auto marginals = root["marginals"].entries();
  const auto known = std::find_if(marginals.begin(), marginals.end(), [](const auto& marginal) {
    return dimension_of(marginal.second) > 0;
  });
  if (known == marginals.end()) return;
  const std::string& name = known->first;
  const int dimension = dimension_of(known->second);
  if ((method == "line" || method == "circle") && dimension > 1) {
    diagnostics.error(root["method"],
                      fmt::format("{} is for one dimension and '{}' has {}; use auto, or sliced",
                                  method, name, dimension));
  }
  if (method == "sliced" && dimension == 1) {
    diagnostics.error(
        root["method"],
        fmt::format("'{}' has one dimension, where there is nothing to slice; use line", name));
  }
  if (cost["name"].text() == "periodic" && periods_of(root) != dimension) {
    diagnostics.error(
        cost["period"],
        fmt::format("found {} period{} and '{}' has dimension {}; expected one per "
                    "axis",
                    periods_of(root), periods_of(root) == 1 ? "" : "s", name, dimension));
  }
}

void check_relaxation(const Node&, const Node& root, Diagnostics& diagnostics) {
  const auto relaxation = relaxation_of(root);
  if (!relaxation) return;
  if (root["unbalanced"].present() && root["partial"].present()) {
    diagnostics.error(root["partial"],
                      "found unbalanced and partial; expected one of them: a penalty, or a mass");
    return;
  }
  const std::string& method = root["method"].text();
  if (!is_entropic(method)) {
    diagnostics.error(root["method"],
                      fmt::format("{} transports all mass; {} needs auto, newton or sinkhorn",
                                  method, relaxation->key_path()));
  }
  const bool kullback_leibler =
      root["unbalanced"].present() && root["unbalanced"]["penalty"].text() == "kullback_leibler";
  if (method == "newton" && !kullback_leibler) {
    diagnostics.error(
        root["method"],
        fmt::format("newton knows no {}; use auto or sinkhorn",
                    root["partial"].present() ? "partial transport" : "total variation penalty"));
  }
}

void check_partial_mass(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!root["partial"].present() || !root["normalise"].flag()) return;
  const Node mass = root["partial"]["mass"];
  if (mass.real() <= 1) return;
  diagnostics.error(mass, fmt::format("found {}; expected at most 1, the mass of the normalised "
                                      "marginals; or set normalise: false",
                                      mass.real()));
}

void check_matrix(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (root["cost"]["name"].text() != "matrix") return;
  const std::string& method = root["method"].text();
  if (!is_entropic(method)) {
    diagnostics.error(root["method"], fmt::format("{} needs a cost that is a formula; a cost "
                                                  "matrix goes with auto, newton or sinkhorn",
                                                  method));
  }
  if (root["divergence"].flag()) {
    diagnostics.error(root["divergence"],
                      "a Sinkhorn divergence needs costs inside each marginal too, which a cost "
                      "matrix does not have");
  }
  if (root["certificate"]["exact"].flag()) {
    diagnostics.error(root["certificate"]["exact"],
                      "an exact certificate needs a cost that is a formula");
  }
  if (root["regularisation"]["unit"].text() != "absolute") {
    diagnostics.error(root["regularisation"],
                      "a cost matrix has no spacing; give regularisation: {final: ..., unit: "
                      "absolute} in the units of its entries");
  }
}

void check_method_cost(const Node&, const Node& root, Diagnostics& diagnostics) {
  const std::string& method = root["method"].text();
  const std::string& cost = root["cost"]["name"].text();
  if (cost == "matrix") return;
  if (method == "line" && cost == "periodic") {
    diagnostics.error(root["method"], "a periodic cost lives on a circle; use circle or auto");
  }
  if (method == "circle" && cost != "periodic") {
    diagnostics.error(
        root["method"],
        fmt::format("circle needs cost: {{name: periodic, period: [...]}}, not {}", cost));
  }
  if (method == "circle" && cost == "periodic" && periods_of(root) != 1) {
    diagnostics.error(root["cost"]["period"],
                      fmt::format("found {} periods; expected one: circle is for one dimension",
                                  periods_of(root)));
  }
  if (method == "sliced" && cost != "squared_euclidean") {
    diagnostics.error(root["method"],
                      fmt::format("sliced needs cost: squared_euclidean, not {}", cost));
  }
}

void check_divergence(const Node&, const Node& root, Diagnostics& diagnostics) {
  const std::string& method = root["method"].text();
  if (!root["divergence"].flag() || is_entropic(method)) return;
  diagnostics.error(root["divergence"],
                    fmt::format("a Sinkhorn divergence needs a regularisation, which {} does not "
                                "have; use auto, newton or sinkhorn",
                                method));
}

void check_exact_certificate(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node exact = root["certificate"]["exact"];
  if (!exact.flag()) return;
  const std::string& method = root["method"].text();
  if (method == "line" || method == "circle" || method == "sliced") {
    diagnostics.error(exact, fmt::format("pricing starts from a plan, which {} does not make; use "
                                         "auto, newton, sinkhorn or exact",
                                         method));
  }
  if (const auto relaxation = relaxation_of(root)) {
    diagnostics.error(exact, fmt::format("an exact certificate is for balanced problems; remove it "
                                         "or {}",
                                         relaxation->key_path()));
  }
}

void check_reflected(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node reflected = root["reflected"];
  if (!reflected.flag()) return;
  const std::string& method = root["method"].text();
  if (method != "auto" && method != "sinkhorn") {
    diagnostics.error(reflected, fmt::format("the reflected kernel goes with auto or sinkhorn, not "
                                             "{}",
                                             method));
  }
  const std::string& cost = root["cost"]["name"].text();
  if (cost != "squared_euclidean") {
    diagnostics.error(
        reflected, fmt::format("the reflected kernel needs cost: squared_euclidean, not {}", cost));
  }
  if (root["certificate"]["exact"].flag()) {
    diagnostics.error(reflected, "the reflected kernel has no exact certificate");
  }
  for (const auto& [name, marginal] : root["marginals"].entries()) {
    if (marginal["kind"].text() != "points") continue;
    diagnostics.error(
        reflected,
        fmt::format("the reflected kernel needs grids, and '{}' is a point cloud", name));
    return;
  }
}

void check_sliced_section(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!root["sliced"].present() || root["method"].text() == "sliced") return;
  diagnostics.error(root["sliced"], fmt::format("found method: {}; the section goes with method: "
                                                "sliced",
                                                root["method"].text()));
}

}  // namespace

std::vector<input::Check> deck_checks() {
  std::vector<input::Check> checks = graph_checks();
  checks.insert(checks.end(),
                {check_same_dimension, check_wanted_dimension, check_relaxation, check_partial_mass,
                 check_matrix, check_method_cost, check_divergence, check_exact_certificate,
                 check_reflected, check_sliced_section});
  return checks;
}

}  // namespace mensura::transport
