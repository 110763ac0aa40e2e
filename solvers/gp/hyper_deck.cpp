// SPDX-License-Identifier: BSD-3-Clause
#include "gp/hyper_deck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "gp/prior_deck.hpp"
#include "input/diagnostics.hpp"

namespace mensura::gp {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Option;
using input::Table;

namespace {

Option bounds_option(const char* key, const char* help) {
  return {.key = key,
          .kind = Kind::reals,
          .range = "[1e-50, 1e50]",
          .help = help,
          .length = "[2, 2]",
          .example = "[0.05, 2]"};
}

void check_order(const Node& here, const Node&, Diagnostics& diagnostics) {
  for (const auto& [key, node] : here.entries()) {
    const auto ends = node.reals();
    if (ends[0] < ends[1]) continue;
    diagnostics.error(node, fmt::format("found {:g} and {:g}; expected the lower bound before the "
                                        "upper one",
                                        ends[0], ends[1]));
  }
}

Table bounds_table() {
  return {.name = "bounds",
          .help = "Lower and upper bound of what is fitted",
          .options = {bounds_option("length",
                                    "of all lengths; without it from the mean spacing of the "
                                    "points to twice the diameter of the domain"),
                      bounds_option("variance",
                                    "of the variance; without it a factor of 1e4 either way from "
                                    "its first estimates"),
                      bounds_option("noise",
                                    "of standard deviations; without it a factor of 1000 either "
                                    "way from `noise` of the data")},
          .checks = {check_order}};
}

std::set<std::string> fitted(const Node& root) {
  const auto words = root["hyper"]["fit"].texts();
  return {words.begin(), words.end()};
}

}  // namespace

const Table& hyper_table() {
  static const Table table = {
      .name = "hyper",
      .help =
          "Fits numbers of prior and data by maximum evidence before the solve, which then has "
          "the fitted values; errors and 95 % intervals come from the curvature of the "
          "evidence: of the data given the equation where there is a second unknown, of all "
          "measurements else. Every evaluation is a solve and, with another length, a factor. "
          "factor.neighbours: 5 is advised, with radius 3 for a fit and 4 where evidences are "
          "compared. With exact, smooth data the evidence may grow with the length up to its "
          "bound",
      .options = {{.key = "fit",
                   .kind = Kind::texts,
                   .choices = {"length", "variance", "noise"},
                   .help = "length: every number of the prior's lengths (a list fits anisotropy), "
                           "of both priors where there are two; variance: prior.variance; "
                           "noise: that of `data`, but for averages, which keep theirs. Their "
                           "values in the deck are the first start",
                   .required = true,
                   .length = "[1, 3]",
                   .example = "[length, variance, noise]"},
                  {.key = "bounds",
                   .kind = Kind::table,
                   .default_value = "{}",
                   .help = "lower and upper bound of what is fitted",
                   .table = bounds_table()},
                  {.key = "shared_noise",
                   .kind = Kind::boolean,
                   .default_value = "false",
                   .help = "one standard deviation for all entries of `data` instead of one each"},
                  {.key = "starts",
                   .kind = Kind::integer,
                   .default_value = "3",
                   .range = "[1, 100]",
                   .help = "searches: from the deck's values and from others spread over the "
                           "bounds; the best end wins"},
                  {.key = "profile",
                   .kind = Kind::boolean,
                   .default_value = "true",
                   .help = "record the evidence at nine values of every fitted number, over three "
                           "standard errors either way: eight evaluations each"}},
      .hints = {{"lengths", "the word is length"}, {"parameters", "the key is fit"}}};
  return table;
}

std::optional<HyperSpec> hyper_from(const Node& root) {
  const Node node = root["hyper"];
  if (!node.present()) return std::nullopt;
  const auto fit = fitted(root);
  HyperSpec spec;
  spec.length = fit.contains("length");
  spec.variance = fit.contains("variance");
  spec.noise = fit.contains("noise");
  spec.shared_noise = node["shared_noise"].flag();
  spec.starts = static_cast<int>(node["starts"].integer());
  spec.profile = node["profile"].flag();
  const auto bounds = [&](const char* key) -> std::optional<HyperSpec::Bounds> {
    const Node given = node["bounds"][key];
    if (!given.present()) return std::nullopt;
    const auto ends = given.reals();
    return HyperSpec::Bounds{ends[0], ends[1]};
  };
  spec.length_bounds = bounds("length");
  spec.variance_bounds = bounds("variance");
  spec.noise_bounds = bounds("noise");
  return spec;
}

void check_hyper(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node hyper = root["hyper"];
  if (!hyper.present()) return;
  if (root["time"].present()) {
    diagnostics.error(hyper,
                      "the evidence of an equation in time is that of its last step, which "
                      "says little; remove the section");
  }
  const auto fit = fitted(root);
  if (static_cast<std::int64_t>(fit.size()) != hyper["fit"].size()) {
    diagnostics.error(hyper["fit"], "found a word twice; name every one once");
  }
  if (fit.contains("variance") && root["inverse"].present()) {
    diagnostics.error(hyper["fit"],
                      "found variance with a second unknown, whose prior has a "
                      "variance of its own; fit length and noise");
  }
  const bool data = root["data"].present();
  const bool noisy = data && std::ranges::any_of(root["data"].items(), [](const Node& entry) {
                       return entry["functional"].text() != "average";
                     });
  if (fit.contains("noise") && !noisy) {
    diagnostics.error(hyper["fit"],
                      data ? "found noise with averages only, whose noise is not fitted; add other "
                             "entries to `data`, or fit length"
                           : "found noise without noisy data; add the section `data`, or "
                             "fit length");
  }
  if (!data && fit == std::set<std::string>{"variance"}) {
    diagnostics.error(hyper["fit"],
                      "found variance alone with exact data, from which it follows "
                      "without a fit; remove the section, or fit length too");
  }
  for (const auto& [key, node] : hyper["bounds"].entries()) {
    const bool profiled = key == "variance" && !data;
    if (fit.contains(key) && !profiled) continue;
    const bool estimated = key == "variance" && !root["prior"]["variance"].present() && data;
    if (estimated) continue;
    diagnostics.error(node, profiled ? "the variance follows from exact data without bounds; "
                                       "remove the key"
                                     : fmt::format("{} is not fitted; remove its bounds, or add it "
                                                   "to hyper.fit",
                                                   key));
  }
}

void check_hyper_bounds(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node hyper = root["hyper"];
  if (!hyper.present()) return;
  const Node bounds = hyper["bounds"];
  const auto inside = [&](const Node& value, double number, const char* key) {
    if (!bounds[key].present()) return;
    const auto ends = bounds[key].reals();
    const bool reversed = ends[0] >= ends[1];  // has its own error
    if (reversed || (number >= ends[0] && number <= ends[1])) return;
    diagnostics.error(value, fmt::format("found {:g}, where the first search begins; expected a "
                                         "value inside hyper.bounds.{}, [{:g}, {:g}]",
                                         number, key, ends[0], ends[1]));
  };
  const auto fit = fitted(root);
  if (fit.contains("length")) {
    const auto check = [&](const Node& node, double length) { inside(node, length, "length"); };
    each_length(root["prior"], check);
    if (root["inverse"].present()) each_length(root["inverse"]["prior"], check);
  }
  const Node variance = root["prior"]["variance"];
  if (fit.contains("variance") && variance.present() && root["data"].present()) {
    inside(variance, variance.real(), "variance");
  }
  if (!fit.contains("noise") || !root["data"].present()) return;
  for (const Node& data : root["data"].items()) {
    inside(data["noise"], data["noise"].real(), "noise");
  }
}

}  // namespace mensura::gp
