// SPDX-License-Identifier: BSD-3-Clause
#include "gp/interpolation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "gp/covariance.hpp"
#include "gp/neighbour_rows.hpp"
#include "linear/arrays.hpp"
#include "linear/dense.hpp"
#include "parallel/exchange.hpp"
#include "points/neighbours.hpp"

namespace mensura::gp {

namespace {

// Nearest points that a target is conditioned on, by dimension: enough for the interpolation error
// to stay below that of the solution (tests compare with the exact kernel sums).
constexpr std::array<int, 4> neighbours_by_dimension = {0, 16, 40, 80};
// About a second of work.
constexpr std::array<std::int64_t, 4> sites_per_batch = {1, 1 << 15, 1 << 14, 1 << 11};

std::size_t round_up(std::size_t n) {
  return (n + 7) / 8 * 8;
}

// A place where the functional is wanted.
struct Site {
  std::array<double, 3> x{};
  std::vector<std::int64_t> targets;      // global numbers of those at this place, ascending
  std::vector<std::uint64_t> neighbours;  // nearest first
  bool coincides = false;                 // with the nearest
};

// The weights of one site, and what they leave unknown.
class LocalWeights {
 public:
  LocalWeights(const Prior& prior, int dimension, double nugget, const Functional& functional)
      : covariance_(prior, dimension), nugget_(nugget), functional_(functional) {
    block_.dimension = target_.dimension = dimension;
  }

  Rows& begin() {
    block_.clear();
    return block_;
  }

  // False when the covariance is not positive definite.
  bool solve(const std::array<double, 3>& x) {
    set_target(x);
    const std::size_t n = block_.rows(), stride = round_up(n);
    matrix_.resize(n * stride);
    weights_.resize(stride);
    std::array<double, 8> own{};
    covariance_.symmetric(target_, own.data(), own.size());
    covariance_.symmetric(block_, matrix_.data(), stride);
    for (std::size_t i = 0; i < n; ++i) matrix_[i * stride + i] *= 1 + nugget_;
    if (linear::cholesky(n, matrix_.data(), stride) < n) return false;
    covariance_.cross(target_, block_, weights_.data(), stride);
    linear::solve_upper_transposed(n, matrix_.data(), stride, 1, weights_.data(), stride);
    double known = 0;
    for (std::size_t i = 0; i < n; ++i) known += weights_[i] * weights_[i];
    variance_ = std::max(0.0, own[0] - known);
    linear::solve_upper(n, matrix_.data(), stride, 1, weights_.data(), stride);
    return true;
  }
  std::span<const double> weights() const { return std::span(weights_).first(block_.rows()); }
  double variance() const { return variance_; }

 private:
  void set_target(const std::array<double, 3>& x) {
    target_.clear();
    const auto d = static_cast<std::size_t>(target_.dimension);
    for (std::size_t a = 0; a < d; ++a) target_.coordinate[a].push_back(x[a]);
    target_.point.push_back(0);
    each_kind(
        [](std::vector<double>& column, const double& weight) {
          if (weight != 0) column.push_back(weight);
        },
        target_, functional_);
  }

  Covariance covariance_;
  double nugget_;
  Functional functional_;
  Rows block_, target_;
  std::vector<double> matrix_, weights_;
  double variance_ = 0;
};

// Points and targets as two sets for the neighbour engine, axes made comparable.
points::LabelledPoints labelled(const StateRows& state, std::span<const double> targets,
                                std::int64_t first, std::int64_t total) {
  const Pattern& pattern = state.pattern;
  const auto d = static_cast<std::size_t>(pattern.dimension);
  const std::int64_t known = pattern.counts[0] + pattern.counts[1] + pattern.counts[2];
  points::LabelledPoints result;
  result.dimension = pattern.dimension;
  result.offsets = {0, known, known + total};
  const auto add = [&](const double* x, std::uint64_t id) {
    for (std::size_t a = 0; a < d; ++a) result.coordinates.push_back(x[a] * state.axis_scale[a]);
    result.ids.push_back(id);
  };
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    add(&pattern.coordinates[p * d], pattern.ids[p]);
  }
  for (std::size_t i = 0; i < targets.size() / d; ++i) {
    add(&targets[i * d], static_cast<std::uint64_t>(known + first) + i);
  }
  return result;
}

Site site_of(const points::Neighbourhood& found, std::span<const double> axis_scale,
             std::int64_t known, std::size_t neighbours) {
  Site site;
  for (std::size_t a = 0; a < axis_scale.size(); ++a) {
    site.x[a] = found.position[a] / axis_scale[a];
  }
  for (const std::uint64_t id : found.copies) {
    const auto target = static_cast<std::int64_t>(id) - known;
    if (target >= 0) site.targets.push_back(target);
  }
  std::ranges::sort(site.targets);
  const auto list = found.lists[0].first(std::min(found.lists[0].size(), neighbours));
  for (const points::Neighbour& neighbour : list) site.neighbours.push_back(neighbour.id);
  site.coincides = !list.empty() && list[0].distance2 == 0;
  return site;
}

// What becomes the matrix, site after site, and the targets of every site.
struct Found {
  std::vector<PetscInt> begin{0}, columns;
  std::vector<double> weights, variance;
  std::vector<std::int64_t> targets;
  std::vector<std::int32_t> target_site;

  void add(const Site& site, std::span<const std::int64_t> numbers, std::span<const double> values,
           double unknown) {
    order.resize(numbers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, {}, [&](std::size_t i) { return numbers[i]; });
    for (const std::size_t i : order) {
      columns.push_back(static_cast<PetscInt>(numbers[i]));
      weights.push_back(values[i]);
    }
    if (columns.size() > static_cast<std::size_t>(std::numeric_limits<PetscInt>::max())) {
      throw parallel::Error(parallel::ExitCode::too_large,
                            "one rank would hold more weights of the interpolation than PETSc's "
                            "index type can count; use more ranks or fewer prediction points");
    }
    begin.push_back(static_cast<PetscInt>(columns.size()));
    targets.insert(targets.end(), site.targets.begin(), site.targets.end());
    target_site.resize(targets.size(), static_cast<std::int32_t>(variance.size()));
    variance.push_back(unknown);
  }

 private:
  std::vector<std::size_t> order;
};

void weigh(const std::vector<Site>& sites, const NeighbourRows& rows, const Functional& functional,
           LocalWeights& local, Found& found) {
  std::vector<std::int64_t> numbers;
  for (const Site& site : sites) {
    const std::int64_t same =
        site.coincides ? rows.row_with(site.neighbours[0], functional) : std::int64_t{-1};
    if (same >= 0) {
      found.add(site, std::array{same}, std::array{1.0}, 0);
      continue;
    }
    Rows& block = local.begin();
    numbers.clear();
    for (const std::uint64_t id : site.neighbours) rows.append(id, block, numbers);
    if (!local.solve(site.x)) {
      throw parallel::Error(
          parallel::ExitCode::numerical,
          "the covariance of the points around a prediction point is not positive definite in "
          "double precision: raise factor.nugget, or take a rougher kernel or a shorter length");
    }
    found.add(site, numbers, local.weights(), local.variance());
  }
}

// Collective. `first`: global number of every rank's first target, and their total.
Found find(const parallel::Communicator& comm, const StateRows& state,
           std::span<const double> targets, std::span<const std::int64_t> first,
           const Functional& functional, const std::function<void()>& poll) {
  Found found;
  const std::int64_t total = first.back();
  if (total == 0) return found;
  const auto d = static_cast<std::size_t>(state.pattern.dimension);
  NeighbourRows rows(comm, state.pattern, state.layout, state.weights);
  const std::int64_t known = rows.points();
  const int k = static_cast<int>(std::min<std::int64_t>(neighbours_by_dimension[d], known));
  points::NeighbourEngine engine(
      comm, labelled(state, targets, first[static_cast<std::size_t>(comm.rank())], total), k,
      points::EngineOptions{.keep_all_copies = true});
  const std::vector<points::Request> requests{{.labels = 1, .neighbours = k}};
  const std::int64_t batches = total / (sites_per_batch[d] * comm.size()) + 1;
  LocalWeights local(state.prior, state.pattern.dimension, state.nugget, functional);
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    std::vector<Site> sites;
    engine.search(
        requests, 2, batch, batches,
        [&](const points::Neighbourhood& place) {
          sites.push_back(site_of(place, state.axis_scale, known, static_cast<std::size_t>(k)));
        },
        poll);
    std::vector<std::uint64_t> wanted;
    for (const Site& site : sites) {
      wanted.insert(wanted.end(), site.neighbours.begin(), site.neighbours.end());
    }
    rows.fetch(wanted);
    // The engine's order depends on messages; products are to be repeatable.
    std::ranges::sort(sites, {}, [](const Site& site) { return site.targets.front(); });
    parallel::agree(comm, [&] { weigh(sites, rows, functional, local, found); });
    poll();
  }
  return found;
}

// Collective. One row per site.
linear::Matrix assemble(const parallel::Communicator& comm, const RowLayout& layout,
                        const Found& found) {
  linear::Matrix matrix;
  const auto rows = static_cast<PetscInt>(found.variance.size());
  const auto columns = static_cast<PetscInt>(layout.own);
  linear::check_petsc(MatCreate(comm.handle(), matrix.put()), "MatCreate");
  linear::check_petsc(MatSetSizes(matrix.get(), rows, columns, PETSC_DETERMINE, PETSC_DETERMINE),
                      "MatSetSizes");
  linear::check_petsc(MatSetType(matrix.get(), MATAIJ), "MatSetType");
  const auto set = comm.size() > 1 ? MatMPIAIJSetPreallocationCSR : MatSeqAIJSetPreallocationCSR;
  linear::check_petsc(
      set(matrix.get(), found.begin.data(), found.columns.data(), found.weights.data()),
      "MatAIJSetPreallocationCSR");
  return matrix;
}

}  // namespace

double Interpolation::bytes(int dimension, int state_rows, std::int64_t targets, int ranks) {
  const auto d = static_cast<std::size_t>(dimension);
  // Weights and columns twice while PETSc takes them over; coordinates, ids, variance, plan.
  const double per_target = 24.0 * neighbours_by_dimension[d] * state_rows + 150;
  return per_target * static_cast<double>(targets) / ranks;
}

Interpolation::Interpolation(const parallel::Communicator& comm, const StateRows& state,
                             std::span<const double> targets, const std::function<void()>& poll,
                             const Functional& functional)
    : comm_(comm), own_rows_(static_cast<std::size_t>(state.layout.own)) {
  const auto d = static_cast<std::size_t>(state.pattern.dimension);
  const auto count = static_cast<std::int64_t>(targets.size() / d);
  const auto counts = comm.all_gather(std::span(&count, 1));
  std::vector<std::int64_t> first(counts.size() + 1, 0);
  std::partial_sum(counts.begin(), counts.end(), first.begin() + 1);
  if (first.back() > std::numeric_limits<PetscInt>::max()) {
    throw parallel::Error(parallel::ExitCode::too_large,
                          fmt::format("{} prediction points are more than this PETSc can number "
                                      "({}); use fewer, or a PETSc with 64-bit indices",
                                      first.back(), std::numeric_limits<PetscInt>::max()));
  }
  const Found found = find(comm, state, targets, first, functional, poll);
  sites_ = found.variance.size();
  matrix_ = assemble(comm, state.layout, found);
  linear::or_destroy(
      [&] {
        product_.emplace(comm, matrix_.get());
        plan(first, found.targets, found.target_site);
        variance_ = to_targets(std::span(found.variance));
      },
      matrix_);
}

void Interpolation::plan(std::span<const std::int64_t> first, std::span<const std::int64_t> targets,
                         std::span<const std::int32_t> sites) {
  std::vector<std::size_t> order(targets.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return targets[i]; });
  sent_.assign(first.size() - 1, 0);
  std::vector<std::int64_t> numbers;
  for (const std::size_t i : order) {
    const auto owner = std::upper_bound(first.begin(), first.end(), targets[i]) - first.begin() - 1;
    ++sent_[static_cast<std::size_t>(owner)];
    places_.push_back(sites[i]);
    numbers.push_back(targets[i]);
  }
  const auto got = parallel::exchange<std::int64_t>(comm_, numbers, sent_);
  received_ = got.counts;
  for (const std::int64_t number : got.data) {
    order_.push_back(
        static_cast<std::int32_t>(number - first[static_cast<std::size_t>(comm_.rank())]));
  }
}

template <class T>
std::vector<T> Interpolation::to_targets(std::span<const T> sites) const {
  std::vector<T> outbox(places_.size()), inbox(order_.size()), result(order_.size());
  for (std::size_t i = 0; i < outbox.size(); ++i) {
    outbox[i] = sites[static_cast<std::size_t>(places_[i])];
  }
  parallel::exchange_into<T>(comm_, outbox, sent_, inbox, received_);
  for (std::size_t i = 0; i < inbox.size(); ++i) {
    result[static_cast<std::size_t>(order_[i])] = inbox[i];
  }
  return result;
}

std::vector<double> Interpolation::multiply(std::span<const double> state) const {
  linear::Vector x, y;
  linear::check_petsc(MatCreateVecs(matrix_.get(), x.put(), y.put()), "MatCreateVecs");
  {
    linear::WriteArray to(x.get());
    std::ranges::copy(state, to.data());
  }
  linear::check_petsc(MatMult(matrix_.get(), x.get(), y.get()), "MatMult");
  PetscInt sites = 0;
  linear::check_petsc(VecGetLocalSize(y.get(), &sites), "VecGetLocalSize");
  const linear::ReadArray values(y.get());
  return to_targets(std::span(values.data(), static_cast<std::size_t>(sites)));
}

std::vector<linear::Eight> Interpolation::multiply(std::span<const linear::Eight> state) {
  std::vector<linear::Eight> sites(sites_);
  product_->multiply(state, sites);
  return to_targets(std::span<const linear::Eight>(sites));
}

std::vector<linear::Eight> Interpolation::multiply_transposed(
    std::span<const linear::Eight> targets) {
  parallel::require(targets.size() == order_.size(), "a block has all targets of the rank");
  std::vector<linear::Eight> outbox(order_.size()), inbox(places_.size());
  for (std::size_t i = 0; i < outbox.size(); ++i) {
    outbox[i] = targets[static_cast<std::size_t>(order_[i])];
  }
  parallel::exchange_into<linear::Eight>(comm_, outbox, received_, inbox, sent_);
  std::vector<linear::Eight> sites(sites_), rows(own_rows_);
  for (std::size_t i = 0; i < inbox.size(); ++i) {
    linear::Eight& site = sites[static_cast<std::size_t>(places_[i])];
    site = site + inbox[i];
  }
  product_->multiply_transposed(sites, rows);
  return rows;
}

}  // namespace mensura::gp
