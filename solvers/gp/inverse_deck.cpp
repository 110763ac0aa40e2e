// SPDX-License-Identifier: BSD-3-Clause
#include "gp/inverse_deck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "gp/equation_deck.hpp"
#include "gp/prior_deck.hpp"

namespace mensura::gp {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Table;
using input::TableRef;

namespace {

// In the order of Unknown.
const std::vector<std::string> words = {"source", "reaction", "diffusion"};

Unknown unknown_of(const Node& inverse) {
  const std::string& word = inverse["unknown"].text();
  return static_cast<Unknown>(std::find(words.begin(), words.end(), word) - words.begin());
}

}  // namespace

const Table& inverse_table() {
  static const Table table{
      .name = "inverse",
      .help =
          "A coefficient of the equation as a second unknown, found from measurements of u; take "
          "factor.neighbours 5, for measurements are irregular points",
      .options = {
          {.key = "unknown",
           .kind = Kind::choice,
           .default_value = "diffusion",
           .choices = words,
           .help = "the coefficient of elliptic that is looked for, in place of its key there; of "
                   "the diffusion the logarithm"},
          {.key = "prior",
           .kind = Kind::table,
           .help = "the Gaussian process that it is drawn from, with its variance",
           .required = true,
           .table = TableRef(prior_table)},
          {.key = "exact",
           .kind = Kind::table,
           .help = "the true coefficient (of the diffusion its logarithm), for its error_l2 and "
                   "error_linf",
           .example = "\"sin(pi*x)\"",
           .table = TableRef(field_table)}}};
  return table;
}

std::string second_name(const Node& root) {
  if (!root["inverse"].present()) return {};
  if (root["equation"]["name"].text() == "darcy_inverse") return "log_permeability";
  const std::string& word = root["inverse"]["unknown"].text();
  return word == "diffusion" ? "log_diffusion" : word;
}

std::optional<InverseSpec> inverse_from(const Node& root) {
  const Node inverse = root["inverse"];
  if (!inverse.present()) return std::nullopt;
  InverseSpec spec;
  spec.unknown = unknown_of(inverse);
  spec.name = second_name(root);
  spec.prior = kernel_from(inverse["prior"]);
  spec.exact = field_from(inverse["exact"]);
  return spec;
}

void check_inverse(const Node&, const Node& root, Diagnostics& diagnostics) {
  const std::string& name = root["equation"]["name"].text();
  const Node inverse = root["inverse"];
  if (name == "darcy_inverse" && !inverse.present()) {
    diagnostics.error(root["equation"],
                      "darcy_inverse needs the section `inverse` with the prior of the "
                      "log-permeability, for example inverse: {prior: {length: 0.3, variance: 1}}");
    return;
  }
  if (!inverse.present()) return;
  if (name != "darcy_inverse" && name != "elliptic") {
    diagnostics.error(inverse, fmt::format("{} has no coefficient to look for; inverse problems "
                                           "are for elliptic and darcy_inverse: remove the section",
                                           name));
    return;
  }
  if (root["data"].present()) return;
  diagnostics.error(inverse, "an inverse problem needs measurements of u: give the section `data`");
}

void check_unknown(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node inverse = root["inverse"];
  if (!inverse.present()) return;
  const Node equation = root["equation"];
  const Unknown unknown = unknown_of(inverse);
  if (equation["name"].text() == "darcy_inverse") {
    if (unknown == Unknown::diffusion) return;
    diagnostics.error(inverse["unknown"],
                      fmt::format("darcy_inverse looks for the permeability; for the {} take the "
                                  "equation elliptic",
                                  inverse["unknown"].text()));
    return;
  }
  if (equation["name"].text() != "elliptic") return;
  const auto refuse = [&](const char* key, bool given) {
    if (!given) return;
    diagnostics.error(equation[key],
                      fmt::format("the {} is what is looked for; remove the key, or correct "
                                  "inverse.unknown",
                                  inverse["unknown"].text()));
  };
  if (equation["manufactured"].present()) {
    diagnostics.error(equation["manufactured"],
                      "a manufactured solution comes with all its coefficients; give the source "
                      "and the boundary values of an inverse problem");
  }
  refuse("source", unknown == Unknown::source && equation["source"].present());
  refuse("reaction", unknown == Unknown::reaction && equation["reaction"].given());
  refuse("diffusion", unknown == Unknown::diffusion && equation["diffusion"].given());
  refuse("diffusion_gradient",
         unknown == Unknown::diffusion && equation["diffusion_gradient"].present());
}

void check_data_fields(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!root["data"].present()) return;
  const std::string second = second_name(root);
  bool of_u = false;
  for (const Node& entry : root["data"].items()) {
    const std::string& field = entry["field"].text();
    of_u = of_u || field == "u";
    if (field == "u" || (!second.empty() && field == second)) continue;
    diagnostics.error(entry["field"],
                      second.empty()
                          ? fmt::format("found '{}'; expected u: there is no other unknown without "
                                        "the section `inverse`",
                                        field)
                          : fmt::format("found '{}'; expected u or {}", field, second));
  }
  if (second.empty() || of_u) return;
  diagnostics.error(root["data"],
                    "an inverse problem needs measurements of u: give an entry with field: u");
}

}  // namespace mensura::gp
