// SPDX-License-Identifier: BSD-3-Clause
#include "gp/domain_deck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "input/common.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Option;
using input::Table;
using input::Variant;

namespace {

Option corner(const char* key, const char* help, const char* length, const char* example) {
  return {.key = key,
          .kind = Kind::real_or_list,
          .help = help,
          .required = true,
          .length = length,
          .example = example};
}

Option positive(const char* key, const char* help, const char* example) {
  return {.key = key,
          .kind = Kind::real,
          .range = "> 0",
          .help = help,
          .required = true,
          .example = example};
}

Variant shape(const char* name, const char* help, std::vector<Option> keys) {
  std::string sentence = help;
  sentence[0] = static_cast<char>(std::toupper(sentence[0]));
  const Table table{.name = name,
                    .help = sentence,
                    .options = std::move(keys),
                    .hints = {{"center", "the key is centre"}}};
  return {.name = name,
          .options = {{.key = name, .kind = Kind::table, .help = help, .table = table}}};
}

Option centre(const char* example = "[0, 0]") {
  return corner("centre", "two numbers, or three for the ball", "[2, 3]", example);
}

Table hole_table() {
  return {.name = "hole",
          .help = "A closed disk (ball) cut out of the shape: inside it and apart from the others",
          .options = {centre("[0.5, 0.5]"), positive("radius", "its radius", "0.1")},
          .hints = {{"center", "the key is centre"}}};
}

// The places where two lists of a shape have different lengths; check_domain assumes that they
// have not.
bool same_lengths(const Node& shape, Diagnostics& diagnostics) {
  const std::size_t lower = shape["lower"].reals().size();
  const std::size_t upper = shape["upper"].reals().size();
  if (lower == upper) return true;
  diagnostics.error(shape["upper"],
                    fmt::format("found {} numbers; expected {} as in `lower`", upper, lower));
  return false;
}

bool holes_fit(const Node& domain, int dimension, Diagnostics& diagnostics) {
  bool fit = true;
  if (!domain["holes"].present() || dimension == 1) return fit;
  for (const Node& hole : domain["holes"].items()) {
    const auto size = static_cast<int>(hole["centre"].reals().size());
    if (size == dimension) continue;
    fit = false;
    diagnostics.error(
        hole["centre"],
        fmt::format("found {} numbers; expected {}, the dimension of the shape", size, dimension));
  }
  return fit;
}

std::string dimension_words(int dimension) {
  static const std::string words[] = {"no", "one", "two", "three"};
  const auto number = static_cast<std::size_t>(dimension);
  return number < std::size(words) ? words[number] : std::to_string(dimension);
}

void check_per_side(const Node& points, int dimension, Diagnostics& diagnostics) {
  const auto sides = points["per_side"].integers();
  if (dimension == 0 || sides.size() == 1 || sides.size() == static_cast<std::size_t>(dimension)) {
    return;
  }
  diagnostics.error(
      points["per_side"],
      fmt::format("found {} numbers in {} dimension{}; give one number, or one per "
                  "axis",
                  sides.size(), dimension_words(dimension), dimension == 1 ? "" : "s"));
}

void check_ends(const Node& points, int dimension, Diagnostics& diagnostics) {
  const Node boundary = points["boundary"];
  if (dimension != 1 || boundary.integer() == 2) return;
  diagnostics.error(boundary,
                    fmt::format("found {}; the boundary in one dimension is its two ends: give "
                                "boundary: 2",
                                boundary.integer()));
}

Variant grid_layout() {
  return {.name = "grid",
          .help = "a regular grid inside the domain, and its spacing along the boundary",
          .options = {{.key = "per_side",
                       .kind = Kind::integer_or_list,
                       .range = "[3, 1000000]",
                       .help = "points along the first side of the domain's bounding box, ends "
                               "included; or a list, one for each axis",
                       .required = true,
                       .length = "[1, 3]",
                       .example = "101"}}};
}

Variant random_layout() {
  return {.name = "random",
          .help = "random points, uniform in the domain and along its boundary",
          .options = {{.key = "interior",
                       .kind = Kind::integer,
                       .range = "[1, 1000000000000]",
                       .help = "number of points inside",
                       .required = true,
                       .example = "10000"},
                      {.key = "boundary",
                       .kind = Kind::integer,
                       .range = "[1, 1000000000000]",
                       .help = "number of points on the boundary; 2 in one dimension",
                       .required = true,
                       .example = "400"},
                      {.key = "seed",
                       .kind = Kind::integer,
                       .range = "[0, 9223372036854775807]",
                       .help = "seed of the points; without it run.seed",
                       .example = "1"}}};
}

Variant file_layout() {
  return {.name = "file",
          .help = "points from HDF5 datasets (n, d)",
          .options = {{.key = "interior",
                       .kind = Kind::table,
                       .help = "points inside, which carry the equation",
                       .required = true,
                       .table = input::TableRef(point_file_table)},
                      {.key = "boundary",
                       .kind = Kind::table,
                       .help = "points on the boundary, which carry its values",
                       .required = true,
                       .table = input::TableRef(point_file_table)}}};
}

}  // namespace

const Table& domain_table() {
  static const Table table = [] {
    Table made;
    made.name = "domain";
    made.help = "Where u is wanted: a shape with holes";
    made.options = {{.key = "holes",
                     .kind = Kind::tables,
                     .help = "disks (balls) cut out of the shape",
                     .example = "[{centre: [0.5, 0.5], radius: 0.1}]",
                     .table = hole_table()}};
    made.variants = {
        {.help = "the shape",
         .of = {shape("box", "an interval, a rectangle or a cuboid",
                      {corner("lower", "lower ends", "[1, 3]", "[0, 0]"),
                       corner("upper", "upper ends", "[1, 3]", "[1, 1]")}),
                shape("disk", "a disk, or a ball with a centre in three dimensions",
                      {centre(), positive("radius", "its radius", "1")}),
                shape("l_shape", "a rectangle without its upper right quarter",
                      {corner("lower", "lower ends", "[2, 2]", "[0, 0]"),
                       corner("upper", "upper ends", "[2, 2]", "[1, 1]")}),
                shape("annulus", "a ring, or a shell with a centre in three dimensions",
                      {centre(), positive("inner", "radius of its hole", "0.5"),
                       positive("outer", "radius of the whole", "1")})}}};
    made.hints = {{"ball", "write disk with a centre of three numbers"},
                  {"sphere", "write disk with a centre of three numbers"},
                  {"circle", "the key is disk"},
                  {"interval", "write box: {lower: 0, upper: 1}"},
                  {"rectangle", "write box: {lower: [0, 0], upper: [1, 1]}"},
                  {"shell", "write annulus with a centre of three numbers"}};
    return made;
  }();
  return table;
}

const Table& point_file_table() {
  static const Table table{.name = "points in a file",
                           .help = "Points (n, d) in an HDF5 file",
                           .options = input::file_source().options};
  return table;
}

const Table& points_table() {
  static const Table table = [] {
    Table made;
    made.name = "points";
    made.help = "The collocation points";
    made.variants = {{.key = "layout",
                      .help = "where they come from",
                      .of = {grid_layout(), random_layout(), file_layout()}}};
    return made;
  }();
  return table;
}

Domain domain_from(const Node& node) {
  Domain domain;
  if (const Node box = node["box"]; box.present()) {
    domain.shape = Box{box["lower"].reals(), box["upper"].reals()};
  } else if (const Node disk = node["disk"]; disk.present()) {
    domain.shape = Disk{disk["centre"].reals(), disk["radius"].real()};
  } else if (const Node l_shape = node["l_shape"]; l_shape.present()) {
    domain.shape = LShape{l_shape["lower"].reals(), l_shape["upper"].reals()};
  } else {
    const Node annulus = node["annulus"];
    domain.shape =
        Annulus{annulus["centre"].reals(), annulus["inner"].real(), annulus["outer"].real()};
  }
  if (!node["holes"].present()) return domain;
  for (const Node& hole : node["holes"].items()) {
    domain.holes.push_back({hole["centre"].reals(), hole["radius"].real()});
  }
  return domain;
}

LayoutSpec layout_from(const Node& points, std::uint64_t run_seed) {
  const std::string& layout = points["layout"].text();
  if (layout == "grid") return GridLayout{points["per_side"].integers()};
  if (layout == "file") {
    return FileLayout{input::read_file_source(points["interior"]),
                      input::read_file_source(points["boundary"])};
  }
  parallel::require(layout == "random", "domain_deck: a layout without a translation");
  const Node seed = points["seed"];
  return RandomLayout{points["interior"].integer(), points["boundary"].integer(),
                      seed.present() ? static_cast<std::uint64_t>(seed.integer()) : run_seed};
}

int dimension_of(const Node& root) {
  const Node domain = root["domain"];
  if (domain.present()) {
    for (const char* key : {"box", "l_shape"}) {
      if (!domain[key].present()) continue;
      const std::size_t lower = domain[key]["lower"].reals().size();
      return domain[key]["upper"].reals().size() == lower ? static_cast<int>(lower) : 0;
    }
    const Node round = domain["disk"].present() ? domain["disk"] : domain["annulus"];
    return static_cast<int>(round["centre"].reals().size());
  }
  const std::string& name = root["equation"]["name"].text();
  if (name == "burgers") return 1;
  return name == "monge_ampere" ? 2 : 0;
}

void check_shape(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node node = root["domain"];
  if (!node.present()) return;
  for (const char* key : {"box", "l_shape"}) {
    if (node[key].present() && !same_lengths(node[key], diagnostics)) return;
  }
  const Domain domain = domain_from(node);
  if (!holes_fit(node, dimension_of(domain), diagnostics)) return;
  try {
    check_domain(domain);
  } catch (const parallel::Error& error) {
    const std::string text = error.what();
    const std::string prefix = "domain: ";  // the key path says it already
    diagnostics.error(node, text.starts_with(prefix) ? text.substr(prefix.size()) : text);
  }
}

void check_domain_given(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (root["domain"].present() || root["points"]["layout"].text() == "file") return;
  diagnostics.error(root["points"],
                    fmt::format("layout: {} needs the section `domain`, for example domain: {{box: "
                                "{{lower: [0, 0], upper: [1, 1]}}}}",
                                root["points"]["layout"].text()));
}

void check_equation_dimension(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!root["domain"].present()) return;
  const std::string& name = root["equation"]["name"].text();
  const int wanted = name == "burgers" ? 1 : (name == "monge_ampere" ? 2 : 0);
  const int dimension = dimension_of(root);
  if (wanted == 0 || dimension == 0 || dimension == wanted) return;
  diagnostics.error(
      root["domain"],
      fmt::format("found {} dimension{}; {} has {}: give box: {}", dimension_words(dimension),
                  dimension == 1 ? "" : "s", name, dimension_words(wanted),
                  wanted == 1 ? "{lower: -1, upper: 1}"
                              : "{lower: [0, 0], upper: [1, 1]}, or another shape of "
                                "two dimensions"));
}

void check_points(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node points = root["points"];
  const int dimension = dimension_of(root);
  if (points["layout"].text() == "grid") check_per_side(points, dimension, diagnostics);
  if (points["layout"].text() == "random") check_ends(points, dimension, diagnostics);
}

}  // namespace mensura::gp
