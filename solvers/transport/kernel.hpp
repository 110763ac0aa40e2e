// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "output/field_writer.hpp"
#include "parallel/communicator.hpp"
#include "transport/cloud.hpp"
#include "transport/cost.hpp"

namespace mensura::transport {

class CostRows;

/// Sums against the Gibbs kernel of one edge between the clouds x (rows) and y (columns), in the
/// log domain, with the product of the marginals as reference (reference/transport_robust 1):
///   soft_rows:     f(x) = -eps log sum_y m(y) exp((g(y) - c(x, y)) / eps)
///   soft_columns:  g(y) = -eps log sum_x m(x) exp((f(x) - c(x, y)) / eps)
/// so that P(x, y) = m(x) m(y) exp((f + g - c) / eps) has the exact row (column) sums afterwards.
/// All members are collective; spans hold own points in the clouds' order. eps > 0.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void soft_rows(double epsilon, std::span<const double> g, std::span<double> f,
                         const std::function<void()>& poll) const = 0;
  virtual void soft_columns(double epsilon, std::span<const double> f, std::span<double> g,
                            const std::function<void()>& poll) const = 0;
  /// sum_xy c(x, y) P(x, y) for the plan of f and g.
  virtual double linear_cost(double epsilon, std::span<const double> f, std::span<const double> g,
                             const std::function<void()>& poll) const = 0;
  virtual std::string name() const = 0;  ///< "separable", "blocked", "reflected", "matrix"
};

/// Any cost, any dimension: blocks of y travel through a ring of the ranks, overlapping the sums;
/// memory O(n/P) per rank; exponentials in vector registers; parts of y that are too far away to be
/// noticed are passed over. Every rank sums in an order of its own: sums on different numbers of
/// ranks differ by rounding, f by about 1e-15 (|f| + eps log n).
/// Communicator and clouds must outlive this kernel and the others.
std::unique_ptr<Kernel> make_blocked_kernel(const parallel::Communicator& comm, const Cloud& x,
                                            const Cloud& y, const Cost& cost);

/// Both clouds (ids: flat positions) on grids of one dimension (1 to 3) and a separable cost: axis
/// after axis, distributed in slabs along the slowest axis with a transpose; O(N^(1 + 1/d)) per sum
/// at most, fewer where the kernel is narrow and the potentials permit. On one axis there is
/// nothing to separate: the blocked kernel.
std::unique_ptr<Kernel> make_separable_kernel(const parallel::Communicator& comm, const Cloud& x,
                                              const output::RegularGrid& x_grid, const Cloud& y,
                                              const output::RegularGrid& y_grid, const Cost& cost);

/// The heat kernel of the grids' common box with reflecting walls, squared Euclidean cost: images
/// G(x-y+2mL) + G(x+y+2mL), |m| <= 3 (more for kernels wider than the box), along every axis, times
/// the volume of the box, so that rows sum to one against the uniform probability (by the pixels'
/// midpoint rule: to 2 exp(-pi^2 eps / (w h^2)) for weight w and spacing h); -eps log of it takes
/// the place of c (linear cost too). Reference/transport 2.6. Throws Error{input_data} on all ranks
/// when the grids' boxes differ.
std::unique_ptr<Kernel> make_reflected_kernel(const parallel::Communicator& comm, const Cloud& x,
                                              const output::RegularGrid& x_grid, const Cloud& y,
                                              const output::RegularGrid& y_grid, double weight);

/// A cost matrix (rows by the input position of x, columns by that of y) from HDF5, weight times.
/// Every rank keeps its rows. Throws Error{input_data} on all ranks for a shape that does not match
/// or an entry that is not finite.
std::unique_ptr<Kernel> make_matrix_kernel(const parallel::Communicator& comm, const Cloud& x,
                                           std::int64_t x_input_total, const Cloud& y,
                                           std::int64_t y_input_total, const CostSpec& cost,
                                           double weight);

/// The same with a matrix that is there already.
std::unique_ptr<Kernel> make_matrix_kernel(const parallel::Communicator& comm, const Cloud& x,
                                           const Cloud& y, std::shared_ptr<const CostRows> rows);

}  // namespace mensura::transport
