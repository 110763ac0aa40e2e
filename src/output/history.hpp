// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "output/hdf5.hpp"
#include "output/record.hpp"

namespace mensura::output {

/// Collective. The record's `history` as the group /history of a results file: one array per
/// numeric key, one entry per step, NaN where a step lacks the key.
void write_history(File& file, const Record& record);

}  // namespace mensura::output
