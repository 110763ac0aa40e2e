// SPDX-License-Identifier: BSD-3-Clause
#include "transport/marginal_deck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "input/common.hpp"
#include "input/diagnostics.hpp"
#include "input/expression.hpp"

namespace mensura::transport {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Option;
using input::Table;
using input::Variant;
using input::Variants;

namespace {

// The house's selection of rows.
Option rows_option() {
  const std::vector<Option> options = input::file_source().options;
  return *std::find_if(options.begin(), options.end(),
                       [](const Option& option) { return option.key == "rows"; });
}

Variants source_variants() {
  const Variant file{
      .name = "file",
      .help = "An image or a point cloud from an HDF5 file",
      .options = {input::file_option(),
                  input::dataset_option(
                      "dataset in the file: (w,), (h, w) or (l, h, w) is a grid of values; "
                      "(n, d) with kind: points is n points, for short points: NAME",
                      "/grey/camera")}};
  const Variant density{
      .name = "density",
      .help = "A formula on a grid of pixel centres",
      .options = {
          {.key = "density",
           .kind = Kind::expression,
           .help = "formula in x, y, z; x runs along the last axis of the grid (the columns "
                   "of an image), y along the one before",
           .example = "\"exp(-((x-0.3)^2+(y-0.5)^2)/0.02)\"",
           .variables = {"x", "y", "z"}},
          {.key = "shape",
           .kind = Kind::integer_or_list,
           .range = "[1, 1000000]",
           .help = "pixels of the grid: w, [h, w] or [l, h, w]",
           .required = true,
           .length = "[1, 3]",
           .example = "[128, 128]"}}};
  const Variant free{
      .name = "free",
      .help = "A measure that is sought, between others that are given",
      .options = {
          {.key = "free", .kind = Kind::boolean, .help = "true", .example = "true"},
          {.key = "like",
           .kind = Kind::text,
           .help = "a given marginal: the free one lives on all pixels of its grid, empty "
                   "ones included, or on the points of its cloud; with resize on another grid "
                   "in the same box",
           .required = true,
           .example = "a"},
          {.key = "support",
           .kind = Kind::integer,
           .range = "[1, 1e9]",
           .help = "centre of a star, squared_euclidean: so many points of equal mass, whose "
                   "places are sought too, beginning with draws of like; each edge's plan has its "
                   "own entropy",
           .example = "1000"}}};
  return {.help = "where the mass comes from", .of = {file, density, free}};
}

Variants kind_variants() {
  const Variant grid{.name = "grid",
                     .help = "pixel centres; the longer side has length 1",
                     .options = {{.key = "resize",
                                  .kind = Kind::integer,
                                  .range = "[1, 1000000]",
                                  .help = "length of the longer side in pixels: averages values "
                                          "down or interpolates them up; without it as in the "
                                          "file (free ones: as its like)",
                                  .example = "256"},
                                 {.key = "spacing",
                                  .kind = Kind::real,
                                  .range = "> 0",
                                  .help = "distance of pixel centres, after resizing; without it 1 "
                                          "/ pixels of the longer side",
                                  .example = "0.5"}}};
  const Variant points{.name = "points",
                       .help = "rows of the dataset are points",
                       .options = {{.key = "weights",
                                    .kind = Kind::text,
                                    .help = "dataset (n,) of the same file; without it all points "
                                            "weigh the same",
                                    .example = "/weights"},
                                   rows_option()}};
  return {.key = "kind", .default_value = "grid", .help = "what it is", .of = {grid, points}};
}

void check_density_kind(const Node& here, const Node&, Diagnostics& diagnostics) {
  if (!here["density"].present()) return;
  if (here["kind"].text() == "points") {
    diagnostics.error(here["kind"], "a density lives on a grid; remove the key");
  } else if (here["resize"].present()) {
    diagnostics.error(here["resize"], "a density has no pixels to resize; change shape");
  }
}

// A free marginal is sought: it has no values, and its places come from another one. Resolved decks
// have the defaults of all keys.
void check_free_keys(const Node& here, const Node& root, Diagnostics& diagnostics) {
  if (!here["free"].given()) return;
  if (here["floor"].real() > 0) {
    diagnostics.error(here["floor"], "a free marginal has no values to raise; remove the key");
  }
  if (here["kind"].text() == "points") {
    diagnostics.error(here["kind"],
                      "a free marginal is a grid or a cloud as its like is; remove the key");
    return;
  }
  if (here["spacing"].present()) {
    diagnostics.error(here["spacing"],
                      "a free marginal lies in the box of its like; give resize, the number of "
                      "pixels, or remove the key");
  }
  if (!here["resize"].present()) return;
  if (here["support"].present()) {
    diagnostics.error(here["resize"], "found support beside it: points that move have no pixels");
  }
  for (const auto& [name, marginal] : root["marginals"].entries()) {
    if (name != here["like"].text() || marginal["kind"].text() != "points") continue;
    diagnostics.error(here["resize"],
                      fmt::format("'{}' is a point cloud, which has no pixels to resize", name));
  }
}

void check_density_variables(const Node& here, const Node&, Diagnostics& diagnostics) {
  if (!here["density"].present()) return;
  static const std::array<std::string, 3> axes = {"x", "y", "z"};
  const input::Expression expression(here["density"].text());
  const auto dimension = here["shape"].integers().size();
  for (std::size_t axis = dimension; axis < axes.size(); ++axis) {
    if (!expression.uses(axes[axis])) continue;
    diagnostics.error(
        here["density"],
        fmt::format("found {} on a grid of {} ax{}; expected {}", axes[axis], dimension,
                    dimension == 1 ? "is" : "es", dimension == 1 ? "x only" : "x and y only"));
  }
}

}  // namespace

Table marginal_table() {
  return {.name = "marginal",
          .help = "A measure: value / max(value) + floor in every pixel or point, then normalised",
          .options = {{.key = "floor",
                       .kind = Kind::real,
                       .default_value = "0",
                       .range = "[0, 1e6]",
                       .help = "added to every value, relative to the largest; 0 keeps empty "
                               "pixels empty"}},
          .variants = {source_variants(), kind_variants()},
          .hints = {{"normalise", "the key stands at the top level and holds for all marginals"},
                    {"normalize", "the key is normalise, at the top level"},
                    {"points", "points: NAME stands for dataset: NAME and kind: points"},
                    {"generate", "give a formula: density: \"...\" and shape: [...]"}},
          .checks = {check_density_kind, check_free_keys, check_density_variables},
          .aliases = {{.key = "points", .stands_for = "dataset", .also = "kind", .as = "points"}}};
}

MarginalSpec marginal_from(const std::string& name, const Node& node) {
  MarginalSpec spec;
  spec.name = name;
  spec.where = node.mark().text() + ": " + node.key_path();
  if (node["free"].present()) {
    spec.free = true;
    spec.like = node["like"].text();
    if (node["support"].present()) spec.support = node["support"].integer();
    if (node["resize"].present()) spec.resize = node["resize"].integer();
    return spec;
  }
  spec.floor = node["floor"].real();
  if (node["kind"].text() == "points") {
    spec.kind = MarginalKind::points;
    const Node rows = node["rows"];
    spec.rows = {rows["start"].integer(), {}, rows["step"].integer()};
    if (rows["stop"].present()) spec.rows.stop = rows["stop"].integer();
    if (node["weights"].present()) spec.weights = node["weights"].text();
  }
  if (node["resize"].present()) spec.resize = node["resize"].integer();
  if (node["spacing"].present()) spec.spacing = node["spacing"].real();
  if (node["density"].present()) {
    spec.density = node["density"].text();
    spec.shape = node["shape"].integers();
  } else {
    spec.file = node["file"].path();
    spec.dataset = node["dataset"].text();
  }
  return spec;
}

int dimension_of(const Node& marginal) {
  return marginal["density"].present() ? static_cast<int>(marginal["shape"].integers().size()) : 0;
}

}  // namespace mensura::transport
