// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "divergence/job.hpp"
#include "output/hdf5.hpp"
#include "output/record.hpp"

namespace mensura::divergence {

/// Local. One line for the log: value, standard error, interval, status.
std::string summary_line(const Problem& problem, const Answer& answer);

/// Local. The entry of `results` in run.json.
output::Value::Object entry_of(const Problem& problem, const Answer& answer);

/// Local. The entry of `passes` in run.json: sizes and cost of one labelled pass.
output::Value pass_entry(const Problem& problem, const Pass& pass);

/// Collective. The group /quantities of results.h5: one array entry per answer, in the order of the
/// deck. NaN stands for "unknown", -1 for an unknown count.
void write_quantities(output::File& file, const Problem& problem,
                      const std::vector<Answer>& answers);

}  // namespace mensura::divergence
