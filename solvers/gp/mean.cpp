// SPDX-License-Identifier: BSD-3-Clause
#include "gp/mean.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "gp/covariance.hpp"
#include "linear/dense.hpp"
#include "parallel/by_index.hpp"
#include "points/neighbours.hpp"

namespace mensura::gp {

namespace {

// Nearest points that a value is conditioned on, by dimension: enough for the interpolation error
// to stay below that of the solution (tests compare with the exact kernel sums).
constexpr std::array<int, 4> neighbours_by_dimension = {0, 16, 40, 80};
constexpr std::int64_t sites_per_batch = 1 << 15;

std::size_t round_up(std::size_t n) {
  return (n + 7) / 8 * 8;
}

// What a neighbour brings along, as one row of numbers: coordinates, then for each of its rows the
// state and the weights of the kinds in use. Absent rows (boundary points) have zero weights.
class Payload {
 public:
  Payload(const parallel::Communicator& comm, const Pattern& pattern, const RowLayout& layout,
          const RowWeights& weights)
      : dimension_(static_cast<std::size_t>(pattern.dimension)) {
    std::int32_t widest = 1;
    for (std::size_t p = 0; p < pattern.ids.size(); ++p) {
      widest = std::max(widest, layout.rows_of(p));
    }
    rows_ = static_cast<std::size_t>(comm.max(static_cast<std::int64_t>(widest)));
    const auto add = [&](const std::vector<double>& kind) {
      const auto used = comm.max(static_cast<std::int64_t>(!kind.empty())) > 0;
      used_.push_back(used);
      kinds_ += used ? 1 : 0;
    };
    each_kind(add, weights);
  }

  int width() const { return static_cast<int>(dimension_ + rows_ * (1 + kinds_)); }

  std::vector<double> pack(const Pattern& pattern, const RowLayout& layout,
                           const RowWeights& weights, std::span<const double> state) const {
    const auto width = static_cast<std::size_t>(this->width());
    std::vector<double> packed(static_cast<std::size_t>(pattern.own) * width, 0.0);
    for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
      double* to = &packed[p * width];
      to = std::copy_n(&pattern.coordinates[p * dimension_], dimension_, to);
      for (auto r = static_cast<std::size_t>(layout.first[p]);
           r < static_cast<std::size_t>(layout.first[p + 1]); ++r) {
        *to++ = state[r];
        std::size_t kind = 0;
        each_kind(
            [&](const std::vector<double>& values) {
              if (used_[kind++]) *to++ = values[r];
            },
            weights);
      }
    }
    return packed;
  }

  // Appends a neighbour to the block; its state to `state`.
  void unpack(const double* row, Rows& block, std::vector<double>& state) const {
    const auto point = static_cast<std::int32_t>(block.points());
    for (std::size_t a = 0; a < dimension_; ++a) block.coordinate[a].push_back(*row++);
    for (std::size_t r = 0; r < rows_; ++r, row += 1 + kinds_) {
      const bool absent = std::all_of(row + 1, row + 1 + kinds_, [](double w) { return w == 0; });
      if (absent) continue;
      block.point.push_back(point);
      state.push_back(row[0]);
      const double* weight = row + 1;
      std::size_t kind = 0;
      each_kind(
          [&](std::vector<double>& values) {
            if (used_[kind++]) values.push_back(*weight++);
          },
          block);
    }
  }

  double u_of(const double* row) const { return row[dimension_]; }

 private:
  std::size_t dimension_, rows_ = 1, kinds_ = 0;
  std::vector<bool> used_;
};

// A point where the mean is wanted, with the ids of its neighbours, nearest first.
struct Wanted {
  std::array<double, 3> x{};
  std::vector<std::uint64_t> ids;  // of the wanted points at this place
  std::size_t first = 0, count = 0;
  bool coincides = false;
};

class LocalMean {
 public:
  LocalMean(const Prior& prior, int dimension, double nugget)
      : covariance_(prior, dimension), nugget_(nugget) {
    block_.dimension = target_.dimension = dimension;
  }

  Rows& begin() {
    block_.clear();
    state_.clear();
    return block_;
  }
  std::vector<double>& state() { return state_; }

  // NaN when the covariance is not positive definite.
  double at(const std::array<double, 3>& x) {
    target_.clear();
    for (std::size_t a = 0; a < static_cast<std::size_t>(target_.dimension); ++a) {
      target_.coordinate[a].push_back(x[a]);
    }
    target_.point.push_back(0);
    target_.value.push_back(1);
    const std::size_t n = block_.rows(), stride = round_up(n);
    matrix_.resize(n * stride);
    row_.resize(stride);
    covariance_.symmetric(block_, matrix_.data(), stride);
    for (std::size_t i = 0; i < n; ++i) matrix_[i * stride + i] *= 1 + nugget_;
    if (linear::cholesky(n, matrix_.data(), stride) < n) return NAN;
    covariance_.cross(target_, block_, row_.data(), stride);
    linear::solve_upper_transposed(n, matrix_.data(), stride, 1, row_.data(), stride);
    linear::solve_upper_transposed(n, matrix_.data(), stride, 1, state_.data(), n);
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += row_[i] * state_[i];
    return sum;
  }

 private:
  Covariance covariance_;
  double nugget_;
  Rows block_, target_;
  std::vector<double> state_, matrix_, row_;
};

points::LabelledPoints labelled(const Pattern& pattern, std::span<const double> scale,
                                std::span<const double> coordinates, std::int64_t first,
                                std::int64_t total) {
  const auto d = static_cast<std::size_t>(pattern.dimension);
  const std::int64_t known = pattern.counts[0] + pattern.counts[1] + pattern.counts[2];
  points::LabelledPoints result;
  result.dimension = pattern.dimension;
  result.offsets = {0, known, known + total};
  const auto add = [&](const double* x, std::uint64_t id) {
    for (std::size_t a = 0; a < d; ++a) result.coordinates.push_back(x[a] * scale[a]);
    result.ids.push_back(id);
  };
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    add(&pattern.coordinates[p * d], pattern.ids[p]);
  }
  for (std::size_t i = 0; i < coordinates.size() / d; ++i) {
    add(&coordinates[i * d], static_cast<std::uint64_t>(known + first) + i);
  }
  return result;
}

}  // namespace

std::vector<double> local_mean(const parallel::Communicator& comm, const Pattern& pattern,
                               const RowLayout& layout, const RowWeights& weights,
                               const Prior& prior, double nugget,
                               std::span<const double> axis_scale, std::span<const double> state,
                               std::span<const double> coordinates, std::int64_t total,
                               const std::function<void()>& poll) {
  if (total == 0) return {};
  const auto d = static_cast<std::size_t>(pattern.dimension);
  const std::int64_t known = pattern.counts[0] + pattern.counts[1] + pattern.counts[2];
  const Payload payload(comm, pattern, layout, weights);
  const auto width = static_cast<std::size_t>(payload.width());
  const std::vector<std::uint64_t> own_ids(pattern.ids.begin(), pattern.ids.begin() + pattern.own);
  const std::vector<double> blocks = parallel::to_blocks(
      comm, payload.pack(pattern, layout, weights, state), payload.width(), own_ids, known);
  const parallel::Blocks distribution{total, comm.size()};
  const int k = static_cast<int>(std::min<std::int64_t>(neighbours_by_dimension[d], known));
  points::NeighbourEngine engine(
      comm, labelled(pattern, axis_scale, coordinates, distribution.begin(comm.rank()), total), k,
      points::EngineOptions{.keep_all_copies = true});
  const std::int64_t batches = total / (sites_per_batch * comm.size()) + 1;
  const std::vector<points::Request> requests{{.labels = 1, .neighbours = k}};
  std::vector<double> result;
  std::vector<std::uint64_t> result_ids;
  LocalMean mean(prior, pattern.dimension, nugget);
  std::string failure;
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    std::vector<Wanted> wanted;
    std::vector<std::uint64_t> neighbours;
    engine.search(
        requests, 2, batch, batches,
        [&](const points::Neighbourhood& site) {
          Wanted one;
          for (std::size_t a = 0; a < d; ++a) one.x[a] = site.position[a] / axis_scale[a];
          for (const std::uint64_t id : site.copies) {
            if (id >= static_cast<std::uint64_t>(known)) {
              one.ids.push_back(id - static_cast<std::uint64_t>(known));
            }
          }
          one.first = neighbours.size();
          one.count = std::min(site.lists[0].size(), static_cast<std::size_t>(k));
          one.coincides = one.count > 0 && site.lists[0][0].distance2 == 0;
          if (one.coincides) one.count = 1;
          for (std::size_t i = 0; i < one.count; ++i) neighbours.push_back(site.lists[0][i].id);
          wanted.push_back(std::move(one));
        },
        poll);
    // Every neighbour is fetched once.
    std::vector<std::uint64_t> unique(neighbours);
    std::sort(unique.begin(), unique.end());
    unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
    const auto rows = parallel::fetch_rows(comm, blocks, known, payload.width(), unique);
    const auto row_of = [&](std::uint64_t id) {
      const auto place = std::lower_bound(unique.begin(), unique.end(), id) - unique.begin();
      return &rows[static_cast<std::size_t>(place) * width];
    };
    for (const Wanted& one : wanted) {
      double value = 0;
      if (one.coincides) {
        value = payload.u_of(row_of(neighbours[one.first]));
      } else {
        Rows& block = mean.begin();
        for (std::size_t i = 0; i < one.count; ++i) {
          payload.unpack(row_of(neighbours[one.first + i]), block, mean.state());
        }
        value = mean.at(one.x);
        if (std::isnan(value) && failure.empty()) {
          failure =
              "the covariance of the points around a prediction point is not positive definite in "
              "double precision: raise factor.nugget, or take a rougher kernel or a shorter length";
        }
      }
      for (const std::uint64_t id : one.ids) {
        result.push_back(value);
        result_ids.push_back(id);
      }
    }
    poll();
  }
  parallel::agree(comm, [&] {
    if (!failure.empty()) throw parallel::Error(parallel::ExitCode::numerical, failure);
  });
  return parallel::to_blocks(comm, result, 1, result_ids, total);
}

}  // namespace mensura::gp
