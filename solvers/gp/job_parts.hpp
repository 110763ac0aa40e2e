// SPDX-License-Identifier: BSD-3-Clause
// What the files of the job share. Include in these only (PETSc types).
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "gp/certificate.hpp"
#include "gp/job.hpp"

namespace mensura::gp {

struct GpJob::HistoryEntry {
  double time = 0, relative_step = 0, damping = 0, equation_residual = 0;
  double iterations = 0, residual = 0, quadratic = 0, complete = 1;
  static constexpr std::size_t width = 8;
};

// What a checkpoint held, until the set-up is there to take it.
struct GpJob::Restored {
  std::vector<double> state, mean, factorised;  // blocks of points x state rows
  std::vector<double> solution;                 // block of points; empty when there is none
  std::uint64_t fingerprint = 0;
  std::unique_ptr<Certificate::Saved> certificate;
};

}  // namespace mensura::gp
