// SPDX-License-Identifier: BSD-3-Clause
#include "gp/posterior_deck.hpp"

#include "input/diagnostics.hpp"

namespace mensura::gp {

using input::Kind;
using input::Node;
using input::Table;
using input::Variant;

namespace {

void check_samples(const Node& here, const Node& root, input::Diagnostics& diagnostics) {
  if (root["time"].present()) {
    diagnostics.error(here,
                      "the posterior of a time step does not know that of the step before: "
                      "variances and samples are for equations without time; remove the section");
  }
  if (here["variance"].text() != "modes" || here["samples"].integer() > 0) return;
  diagnostics.error(here["samples"],
                    "found 0 with variance: modes, which needs samples for what the modes do not "
                    "tell; expected 1 or more (20 give about 4 % with 50 modes)");
}

}  // namespace

const Table& posterior_table() {
  const Variant modes{.name = "modes",
                      .help = "largest modes of the posterior exactly, the rest from samples",
                      .options = {{.key = "modes",
                                   .kind = Kind::integer,
                                   .default_value = "50",
                                   .range = "[0, 1000]",
                                   .help = "how many, in eights; 0: samples alone"}}};
  const Variant exact{.name = "exact",
                      .help = "one linear solve for every prediction point, eight at a time"};
  static const Table table{
      .name = "posterior",
      .help = "Variance and samples of the posterior at the prediction points",
      .options = {{.key = "samples",
                   .kind = Kind::integer,
                   .default_value = "20",
                   .range = "[0, 100000]",
                   .help = "samples to draw; variances by modes use them too, in eights: relative "
                           "error sqrt(2 / samples) of what the modes leave"},
                  {.key = "write_samples",
                   .kind = Kind::boolean,
                   .default_value = "true",
                   .help = "keep the samples for /predict/samples and fields/samples.h5"}},
      .variants = {{.key = "variance",
                    .default_value = "modes",
                    .help = "how variances are found",
                    .of = {modes, exact}}},
      .checks = {check_samples}};
  return table;
}

PosteriorSpec posterior_from(const Node& node) {
  PosteriorSpec spec;
  spec.samples = node["samples"].integer();
  spec.write_samples = node["write_samples"].flag();
  if (node["variance"].text() == "exact") {
    spec.variance = VarianceMethod::exact;
  } else {
    spec.modes = node["modes"].integer();
  }
  return spec;
}

}  // namespace mensura::gp
