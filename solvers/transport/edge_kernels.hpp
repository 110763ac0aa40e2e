// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <memory>

#include "transport/kernel.hpp"
#include "transport/sparse_plan.hpp"

namespace mensura::transport {

/// The sums over the stored support of a plan: +infinity where a line has no pair. The linear cost
/// leaves the plan's values behind at f and g. The plan outlives the kernel.
std::unique_ptr<Kernel> make_support_kernel(SparsePlan& plan);

/// All pairs, by searches in the clouds' trees that pass over what is below 1e-15 of a sum: fast
/// where the kernel is narrow. It knows no linear cost (Error{internal}).
std::unique_ptr<Kernel> make_search_kernel(const parallel::Communicator& comm, const Cloud& x,
                                           const Cloud& y, const Cost& cost);

/// The limit of no regularisation: soft_rows and soft_columns are exact c-transforms. No linear
/// cost either.
std::unique_ptr<Kernel> make_hard_kernel(const parallel::Communicator& comm, const Cloud& x,
                                         const Cloud& y, const Cost& cost);

}  // namespace mensura::transport
