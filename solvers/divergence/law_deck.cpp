// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/law_deck.hpp"

#include "input/diagnostics.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Option;
using input::Table;
using input::Variants;

namespace {

const Table& component_table();

Option vector_option(const char* key, const char* default_value, const char* range,
                     const char* help, bool required = false, const char* example = "") {
  return {.key = key,
          .kind = Kind::real_or_list,
          .default_value = default_value,
          .range = range,
          .help = help,
          .required = required,
          .example = example};
}

Variants laws() {
  Variants result;
  result.key = "law";
  result.help = "the law; a vector of one number holds for every coordinate";
  const Option mean = vector_option("mean", "0", "", "mean, one number or one for each coordinate");
  result.of = {
      {.name = "gaussian",
       .help = "normal law",
       .options =
           {mean,
            {.key = "covariance",
             .kind = Kind::real_vector_or_matrix,
             .default_value = "1",
             .help = "covariance: a number (times the identity), a diagonal, or a full matrix"}}},
      {.name = "truncated_gaussian",
       .help = "normal law with diagonal covariance inside a box",
       .options = {mean,
                   vector_option("covariance", "1", "> 0", "variance, one number or the diagonal"),
                   vector_option("lower", "", "", "lower corner of the box", true, "0"),
                   vector_option("upper", "", "", "upper corner of the box", true, "1")}},
      {.name = "uniform",
       .help = "uniform law on a box",
       .options = {vector_option("lower", "0", "", "lower corner"),
                   vector_option("upper", "1", "", "upper corner")}},
      {.name = "beta",
       .help = "independent beta coordinates on (0, 1)",
       .options = {vector_option("alpha", "", "> 0", "first shape", true, "2"),
                   vector_option("beta", "", "> 0", "second shape", true, "3")}},
      {.name = "exponential",
       .help = "independent exponential coordinates",
       .options = {vector_option("rate", "1", "> 0", "rate (one over the mean)")}},
      {.name = "student_t",
       .help = "independent coordinates location + scale t",
       .options = {vector_option("degrees_of_freedom", "", "> 0", "degrees of freedom", true, "3"),
                   vector_option("location", "0", "", "location"),
                   vector_option("scale", "1", "> 0", "scale")}},
      {.name = "mixture",
       .help = "weighted sum of laws",
       .options = {{.key = "components",
                    .kind = Kind::tables,
                    .help = "laws with their weights",
                    .required = true,
                    .length = ">= 1",
                    .example = "[{weight: 1, law: gaussian}]",
                    .table = input::TableRef(component_table)}}},
  };
  return result;
}

Option dimension_option() {
  return {.key = "dimension",
          .kind = Kind::integer,
          .range = "[1, 1000]",
          .help = "number of coordinates; without it the length of the longest vector",
          .example = "3"};
}

Table make_component_table() {
  Table table;
  table.name = "component";
  table.help = "A law of a mixture with its weight";
  table.options = {{.key = "weight",
                    .kind = Kind::real,
                    .range = "> 0",
                    .help = "relative weight; the weights are normalised",
                    .required = true},
                   dimension_option()};
  table.variants = {laws()};
  table.hints = {{"dof", "the key is degrees_of_freedom"},
                 {"sigma", "give the variance as covariance"}};
  return table;
}

const Table& component_table() {
  static const Table table = make_component_table();
  return table;
}

Law law_without_check(const Node& node);

Mixture mixture_from(const Node& node) {
  Mixture mixture;
  for (const Node& component : node["components"].items()) {
    mixture.weights.push_back(component["weight"].real());
    mixture.components.push_back(law_without_check(component));
  }
  return mixture;
}

Law law_without_check(const Node& node) {
  Law law;
  const auto& name = node["law"].text();
  const auto list = [&](const char* key) { return node[key].reals(); };
  if (name == "gaussian") {
    const input::Matrix covariance = node["covariance"].matrix();
    law.form = Gaussian{list("mean"), {covariance.values, covariance.rank == 2}};
  } else if (name == "truncated_gaussian") {
    auto& form = law.form.emplace<TruncatedGaussian>();
    form.mean = list("mean");
    form.covariance.values = list("covariance");
    form.lower = list("lower");
    form.upper = list("upper");
  } else if (name == "uniform") {
    law.form = Uniform{list("lower"), list("upper")};
  } else if (name == "beta") {
    law.form = Beta{list("alpha"), list("beta")};
  } else if (name == "exponential") {
    law.form = Exponential{list("rate")};
  } else if (name == "student_t") {
    law.form = StudentT{list("degrees_of_freedom"), list("location"), list("scale")};
  } else {
    parallel::require(name == "mixture",
                      "law_deck: a law of the option table without a translation");
    law.form = mixture_from(node);
  }
  if (node["dimension"].present()) law.dimension = static_cast<int>(node["dimension"].integer());
  return law;
}

void check_law(const Node& here, const Node&, Diagnostics& diagnostics) {
  const Law law = law_without_check(here);
  try {
    validate(law);
  } catch (const parallel::Error& error) {
    diagnostics.error(here, error.what());
  }
}

}  // namespace

Table generated_table() {
  Table table;
  table.name = "generate";
  table.help = "Points drawn by a counter-based generator: key = (seed, set name), counter = row";
  table.options = {{.key = "count",
                    .kind = Kind::integer,
                    .range = "[2, 1000000000000]",
                    .help = "number of points",
                    .required = true,
                    .example = "1000000"},
                   {.key = "seed",
                    .kind = Kind::integer,
                    .range = "[0, 9223372036854775807]",
                    .help = "seed of this set; without it run.seed",
                    .example = "7"},
                   dimension_option()};
  table.variants = {laws()};
  table.hints = make_component_table().hints;
  table.checks = {check_law};
  return table;
}

Law law_from(const Node& node) {
  return validate(law_without_check(node));
}

}  // namespace mensura::divergence
