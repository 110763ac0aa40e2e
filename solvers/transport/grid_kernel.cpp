// SPDX-License-Identifier: BSD-3-Clause
#include "transport/grid_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "parallel/exact_sum.hpp"
#include "transport/grid_layout.hpp"
#include "transport/line_sums.hpp"
#include "transport/ring.hpp"

namespace mensura::transport {

namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();

double log_of_sum(double a, double b) {
  const double top = std::max(a, b);
  return top == nothing ? nothing : top + std::log(std::exp(a - top) + std::exp(b - top));
}

// The kernel between two grids in one direction, all factors logarithms of (axis, target, source).
using Factors = std::function<double(std::size_t axis, std::size_t target, std::size_t source)>;

std::size_t product(std::span<const std::int64_t> shape) {
  return static_cast<std::size_t>(
      std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>()));
}

class GridKernel final : public Kernel {
 public:
  GridKernel(const parallel::Communicator& comm, const Cloud& x, const output::RegularGrid& x_grid,
             const Cloud& y, const output::RegularGrid& y_grid, AxisKernel kernel, std::string name)
      : comm_(comm),
        x_(x),
        y_(y),
        x_grid_(x_grid),
        y_grid_(y_grid),
        x_layout_(comm, x, x_grid.shape),
        y_layout_(comm, y, y_grid.shape),
        kernel_(std::move(kernel)),
        name_(std::move(name)) {}

  void soft_rows(double epsilon, std::span<const double> g, std::span<double> f,
                 const std::function<void()>& poll) const override {
    Pace pace(poll);
    sum(y_, y_layout_, epsilon, g, x_layout_, rows(epsilon), f, pace);
    for (double& value : f) value *= -epsilon;
  }
  void soft_columns(double epsilon, std::span<const double> f, std::span<double> g,
                    const std::function<void()>& poll) const override {
    Pace pace(poll);
    const Factors transposed = [factors = rows(epsilon)](std::size_t axis, std::size_t target,
                                                         std::size_t source) {
      return factors(axis, source, target);
    };
    sum(x_, x_layout_, epsilon, f, y_layout_, transposed, g, pace);
    for (double& value : g) value *= -epsilon;
  }
  double linear_cost(double epsilon, std::span<const double> f, std::span<const double> g,
                     const std::function<void()>& poll) const override;
  std::string name() const override { return name_; }

 private:
  static double position(const output::RegularGrid& grid, std::size_t axis, std::size_t index) {
    return grid.origin[axis] + static_cast<double>(index) * grid.spacing[axis];
  }
  Factors rows(double epsilon) const {
    return [this, epsilon](std::size_t axis, std::size_t target, std::size_t source) {
      return kernel_(axis, position(x_grid_, axis, target), position(y_grid_, axis, source),
                     epsilon);
    };
  }
  double least_cost(double epsilon, std::size_t axis) const;
  void sum(const Cloud& cloud, const GridLayout& from, double epsilon,
           std::span<const double> potential, const GridLayout& to, const Factors& factors,
           std::span<double> result, Pace& pace) const;
  std::vector<double> along_a_single_axis(std::vector<double> values, const GridLayout& from,
                                          const GridLayout& to, const Factors& factors,
                                          Pace& pace) const;

  const parallel::Communicator& comm_;
  const Cloud& x_;
  const Cloud& y_;
  output::RegularGrid x_grid_, y_grid_;
  GridLayout x_layout_, y_layout_;
  AxisKernel kernel_;
  std::string name_;
};

// Logarithms of the sums against m exp(potential / epsilon) at the points of the other side.
void GridKernel::sum(const Cloud& cloud, const GridLayout& from, double epsilon,
                     std::span<const double> potential, const GridLayout& to,
                     const Factors& factors, std::span<double> result, Pace& pace) const {
  std::vector<double> weights, values;
  parallel::agree(comm_, [&] {
    weights.resize(cloud.own());
    values.resize(static_cast<std::size_t>(from.slabs().size(comm_.rank()) * from.columns().total));
  });
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = cloud.log_mass[i] + potential[i] / epsilon;
  }
  from.to_slab(comm_, weights, values);
  const std::size_t axes = from.shape().size();
  if (axes == 1) {
    values = along_a_single_axis(std::move(values), from, to, factors, pace);
    to.from_slab(comm_, values, result);
    return;
  }
  // The largest share of a slab, for the polls.
  const auto share = [&](std::int64_t total) {
    return static_cast<std::size_t>((total + comm_.size() - 1) / comm_.size());
  };
  const std::span source(from.shape()), target(to.shape());
  for (std::size_t axis = axes - 1; axis > 0; --axis) {
    const std::size_t before = product(source.subspan(1, axis - 1));
    const LineShape shape{static_cast<std::size_t>(from.slabs().size(comm_.rank())) * before,
                          static_cast<std::size_t>(source[axis]),
                          product(target.subspan(axis + 1))};
    const std::size_t most = share(source[0]) * before * shape.inner;
    values = line_sums(
        comm_, values, shape, static_cast<std::size_t>(target[axis]),
        [&](std::size_t j, std::size_t k) { return factors(axis, j, k); }, most, pace);
  }
  values = slabs_to_columns(comm_, values, from.slabs(), to.columns());
  const LineShape shape{1, static_cast<std::size_t>(source[0]),
                        static_cast<std::size_t>(to.columns().size(comm_.rank()))};
  values = line_sums(
      comm_, values, shape, static_cast<std::size_t>(target[0]),
      [&](std::size_t j, std::size_t k) { return factors(0, j, k); }, share(to.columns().total),
      pace);
  to.from_columns(comm_, values, result);
}

// Blocks of the sources travel, every rank has its share of the targets: no rank holds a whole
// line.
std::vector<double> GridKernel::along_a_single_axis(std::vector<double> values,
                                                    const GridLayout& from, const GridLayout& to,
                                                    const Factors& factors, Pace& pace) const {
  std::vector<std::int64_t> lengths;
  for (int r = 0; r < comm_.size(); ++r) lengths.push_back(from.slabs().size(r));
  const std::int64_t first_target = to.slabs().begin(comm_.rank());
  const std::int64_t targets = to.slabs().size(comm_.rank());
  std::vector<double> result;
  parallel::agree(comm_, [&] { result.assign(static_cast<std::size_t>(targets), nothing); });
  const double share = static_cast<double>(comm_.size());
  const double seconds = 1e-7 * static_cast<double>(from.slabs().total) / share *
                         static_cast<double>(to.slabs().total) / share;
  const auto pieces = static_cast<std::int64_t>(std::ceil(std::max(seconds / Pace::interval, 1.0)));
  const std::function<void()> no_poll;
  Pace silent(no_poll);
  int owner = comm_.rank();
  travel(comm_, values, lengths, [&](std::span<const double> block, const auto& progress) {
    const std::int64_t first_source = from.slabs().begin(owner);
    owner = (owner + 1) % comm_.size();
    for (std::int64_t piece = 0; piece < pieces; ++piece) {
      const std::int64_t begin = targets * piece / pieces, end = targets * (piece + 1) / pieces;
      const AxisLogarithm kernel = [&](std::size_t j, std::size_t k) {
        return factors(0, static_cast<std::size_t>(first_target + begin) + j,
                       static_cast<std::size_t>(first_source) + k);
      };
      const auto sums = line_sums(comm_, block, {1, block.size(), 1},
                                  static_cast<std::size_t>(end - begin), kernel, 1, silent);
      for (std::size_t j = 0; j < sums.size(); ++j) {
        double& target = result[static_cast<std::size_t>(begin) + j];
        target = log_of_sum(target, sums[j]);
      }
      progress();
      pace.worked(seconds / static_cast<double>(pieces));
    }
  });
  return result;
}

double GridKernel::least_cost(double epsilon, std::size_t axis) const {
  const Factors factors = rows(epsilon);
  double least = 0;
  for (std::size_t j = 0; j < static_cast<std::size_t>(x_grid_.shape[axis]); ++j) {
    for (std::size_t k = 0; k < static_cast<std::size_t>(y_grid_.shape[axis]); ++k) {
      least = std::min(least, -epsilon * factors(axis, j, k));
    }
  }
  return least;
}

// The cost is a sum over the axes: for every axis, the factor along it is multiplied by its cost.
// Where costs are negative (a kernel above one) they are shifted, and the shift times the mass of
// the plan is taken off.
double GridKernel::linear_cost(double epsilon, std::span<const double> f, std::span<const double> g,
                               const std::function<void()>& poll) const {
  Pace pace(poll);
  const Factors plain = rows(epsilon);
  std::vector<double> logarithms;
  parallel::agree(comm_, [&] { logarithms.resize(x_.own()); });
  parallel::ExactSum total;
  const auto add = [&](const Factors& factors, double factor) {
    sum(y_, y_layout_, epsilon, g, x_layout_, factors, logarithms, pace);
    for (std::size_t i = 0; i < x_.own(); ++i) {
      total.add(factor * std::exp(x_.log_mass[i] + f[i] / epsilon + logarithms[i]));
    }
  };
  double shifts = 0;
  for (std::size_t axis = 0; axis < x_grid_.shape.size(); ++axis) {
    const double shift = -least_cost(epsilon, axis);
    shifts += shift;
    add(
        [&](std::size_t along, std::size_t j, std::size_t k) {
          const double logarithm = plain(along, j, k);
          return along != axis ? logarithm : logarithm + std::log(shift - epsilon * logarithm);
        },
        1);
  }
  if (shifts > 0) add(plain, -shifts);
  parallel::reduce(comm_, {&total, 1});
  return total.value();
}

}  // namespace

std::unique_ptr<Kernel> make_grid_kernel(const parallel::Communicator& comm, const Cloud& x,
                                         const output::RegularGrid& x_grid, const Cloud& y,
                                         const output::RegularGrid& y_grid, AxisKernel kernel,
                                         std::string name) {
  return std::make_unique<GridKernel>(comm, x, x_grid, y, y_grid, std::move(kernel),
                                      std::move(name));
}

}  // namespace mensura::transport
