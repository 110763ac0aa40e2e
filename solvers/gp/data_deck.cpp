// SPDX-License-Identifier: BSD-3-Clause
#include "gp/data_deck.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gp/domain_deck.hpp"
#include "gp/inverse_deck.hpp"
#include "input/common.hpp"

namespace mensura::gp {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Table;
using input::Variant;

namespace {

Variant derivative() {
  return {.name = "derivative",
          .help = "the derivative in one direction",
          .options = {{.key = "direction",
                       .kind = Kind::reals,
                       .help = "its components, one per axis; their length does not matter",
                       .required = true,
                       .length = "[1, 3]",
                       .example = "[1, 0]"}}};
}

Variant average() {
  return {.name = "average",
          .help = "the mean over a region around each point: a box or a ball",
          .options = {{.key = "box",
                       .kind = Kind::real_or_list,
                       .range = "> 0",
                       .help = "full widths of the box, one for all axes or one per axis",
                       .length = "[1, 3]",
                       .example = "[0.1, 0.1]"},
                      {.key = "radius",
                       .kind = Kind::real,
                       .range = "> 0",
                       .help = "of the ball (disk, interval)",
                       .example = "0.05"}}};
}

bool is_average(const Node& entry) {
  return entry["functional"].text() == "average";
}

void check_region(const Node& here, const Node&, Diagnostics& diagnostics) {
  if (!is_average(here) || here["box"].present() != here["radius"].present()) return;
  diagnostics.error(here,
                    "an average needs a region: either `box`, for example box: [0.1, 0.1], "
                    "or `radius`, for example radius: 0.05");
}

void check_direction(const Node& here, const Node&, Diagnostics& diagnostics) {
  if (here["functional"].text() != "derivative") return;
  const auto direction = here["direction"].reals();
  if (std::ranges::any_of(direction, [](double component) { return component != 0; })) return;
  diagnostics.error(here["direction"], "found no component but 0; give a direction");
}

void check_count(const Node& numbers, int dimension, bool one_for_all, Diagnostics& diagnostics) {
  const auto count = static_cast<int>(numbers.reals().size());
  if (count == dimension || (one_for_all && count == 1)) return;
  diagnostics.error(numbers, fmt::format("found {} numbers in dimension {}; give {}one per axis",
                                         count, dimension, one_for_all ? "one number, or " : ""));
}

// Derivatives of the second unknown that its prior has; that of u has those of the equation.
void check_second(const Node& entry, const Node& root, Diagnostics& diagnostics) {
  if (entry["field"].text() == "u") return;
  const std::string& functional = entry["functional"].text();
  const int order = functional == "derivative" ? 1 : (functional == "laplacian" ? 2 : 0);
  const auto inverse = inverse_from(root);
  if (!inverse || mean_square_derivatives(inverse->prior) >= order) return;
  diagnostics.error(entry["functional"],
                    fmt::format("the prior of {} has no such derivative; take a smoother kernel in "
                                "inverse.prior, matern_{} or above",
                                entry["field"].text(), order == 1 ? "3_2" : "5_2"));
}

}  // namespace

const Table& data_table() {
  static const Table table = {
      .name = "data",
      .help =
          "Measurements of u, or of the second unknown of an inverse problem, at points, with "
          "independent normal errors",
      .options = {input::file_option("stations.h5"),
                  {.key = "points",
                   .kind = Kind::text,
                   .help = "its dataset (n, d) of points",
                   .required = true,
                   .example = "/xy"},
                  {.key = "values",
                   .kind = Kind::text,
                   .help = "its dataset (n,) of measured values",
                   .required = true,
                   .example = "/u"},
                  {.key = "noise",
                   .kind = Kind::real,
                   .range = "> 0",
                   .help = "standard deviation of the errors, in units of the values",
                   .required = true,
                   .example = "1e-3"},
                  {.key = "field",
                   .kind = Kind::text,
                   .default_value = "u",
                   .help = "what is measured: u, or the second unknown: log_permeability "
                           "(darcy_inverse), source, reaction, log_diffusion (elliptic)"}},
      .variants = {{.key = "functional",
                    .default_value = "value",
                    .help = "what is measured of the field",
                    .of = {{.name = "value", .help = "the field at the points"},
                           derivative(),
                           {.name = "laplacian", .help = "the Laplacian at the points"},
                           average()}}},
      .checks = {check_region, check_direction}};
  return table;
}

void check_data(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node data = root["data"];
  if (!data.present()) return;
  if (root["equation"]["name"].text() == "burgers") {
    diagnostics.error(data, "measurements have no time, so burgers takes none; remove the section");
  }
  const bool averages = std::ranges::any_of(data.items(), is_average);
  if (averages && root["certify"].flag()) {
    diagnostics.error(root["certify"],
                      "the certificate does not know averages; remove the key, or the entries of "
                      "data with functional: average");
  }
  const int dimension = dimension_of(root);
  if (dimension == 0) return;
  for (const Node& entry : data.items()) {
    if (entry["functional"].text() == "derivative") {
      check_count(entry["direction"], dimension, false, diagnostics);
    }
    check_second(entry, root, diagnostics);
    if (is_average(entry) && entry["box"].present()) {
      check_count(entry["box"], dimension, true, diagnostics);
    }
  }
}

void read_data(const Node& data, Problem& problem) {
  for (const Node& node : data.items()) {
    const auto file = node["file"].path();
    const input::FileSource points{file, node["points"].text(), {}};
    const input::FileSource values{file, node["values"].text(), {}};
    const double noise = node["noise"].real();
    const std::string where = node.mark().text() + ": " + node.key_path();
    const bool of_second = node["field"].text() != "u";
    const std::string& functional = node["functional"].text();
    if (functional == "average") {
      AverageSpec average{points, values, noise, {}, 0, of_second, where};
      if (node["box"].present()) {
        average.box = node["box"].reals();
      } else {
        average.radius = node["radius"].real();
      }
      problem.averages.push_back(average);
      continue;
    }
    DataSpec entry{points, values, noise, of_second, where};
    if (functional == "laplacian") entry.functional = Measured::laplacian;
    if (functional == "derivative") {
      entry.functional = Measured::derivative;
      entry.direction = node["direction"].reals();
    }
    problem.data.push_back(entry);
  }
}

}  // namespace mensura::gp
