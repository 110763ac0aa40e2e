// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cycle_coarse.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "linear/dense.hpp"
#include "linear/exponential.hpp"
#include "parallel/random.hpp"

namespace mensura::transport {

namespace {

using namespace linear;  // Eight lanes and what is done with them

// Of the matrix in fixed point: entries are at most one. Draws are coarser by themselves.
constexpr double weight_scale = 0x1p50, exact_scale = 0x1p60;
constexpr std::size_t trajectories_per_unknown = 8;
constexpr std::size_t most_axes = 3;

// Lines of an axis: quantiles of the mass, without repetitions.
std::vector<double> lines_of(const CycleNode& node, std::size_t axis, std::size_t dimension,
                             std::size_t wanted) {
  std::vector<std::size_t> order(node.size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto z = [&](std::size_t i) { return node.coordinates[i * dimension + axis]; };
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return z(a) < z(b); });
  std::vector<double> lines;
  double passed = 0;
  for (const std::size_t i : order) {
    const double level = static_cast<double>(lines.size()) /
                         static_cast<double>(std::max<std::size_t>(1, wanted - 1));
    if ((lines.empty() || z(i) > lines.back()) && passed + node.mass[i] > level) {
      lines.push_back(z(i));
    }
    passed += node.mass[i];
  }
  const double end = z(order.back());
  if (lines.back() < end) lines.push_back(end);
  return lines;
}

// The line at or before a coordinate and the share of the next one.
std::pair<std::size_t, double> place(const std::vector<double>& lines, double z) {
  if (lines.size() < 2) return {0, 0};
  auto next = static_cast<std::size_t>(std::ranges::upper_bound(lines, z) - lines.begin());
  next = std::clamp<std::size_t>(next, 1, lines.size() - 1);
  return {next - 1, std::clamp((z - lines[next - 1]) / (lines[next] - lines[next - 1]), 0.0, 1.0)};
}

// The longest axes of a node's points, and how many lines each gets.
std::vector<std::pair<std::size_t, std::size_t>> axes_of(const CycleNode& node, std::size_t d,
                                                         std::size_t wanted) {
  std::vector<std::pair<double, std::size_t>> sides;
  for (std::size_t j = 0; j < d; ++j) {
    double low = node.coordinates[j], high = low;
    for (std::size_t i = 0; i < node.size; ++i) {
      low = std::min(low, node.coordinates[i * d + j]);
      high = std::max(high, node.coordinates[i * d + j]);
    }
    if (high > low) sides.emplace_back(high - low, j);
  }
  std::ranges::stable_sort(sides, [](const auto& a, const auto& b) { return a.first > b.first; });
  if (sides.size() > most_axes) sides.resize(most_axes);
  std::vector<std::pair<std::size_t, std::size_t>> axes;
  const double each =
      sides.empty() ? 1
                    : std::pow(static_cast<double>(wanted), 1 / static_cast<double>(sides.size()));
  for (const auto& [side, axis] : sides) {
    axes.emplace_back(axis, std::max<std::size_t>(2, static_cast<std::size_t>(each + 0.5)));
  }
  return axes;
}

}  // namespace

CycleCoarse::CycleCoarse(const parallel::Communicator& comm, const CycleData& data,
                         std::int64_t unknowns, std::uint64_t seed)
    : comm_(comm), data_(data), seed_(seed) {
  parallel::agree(comm, [&] {
    std::size_t points = 0;
    for (const CycleNode& node : data.nodes) points += node.size;
    exact_ = static_cast<std::size_t>(unknowns) >= points;
    if (exact_) {
      for (const CycleNode& node : data.nodes) {
        std::vector<Entry>& entries = entries_.emplace_back();
        for (std::size_t i = 0; i < node.size; ++i) {
          entries.push_back({static_cast<std::uint32_t>(total_++), 1});
        }
        corners_.push_back(1);
      }
      return;
    }
    const auto wanted = static_cast<std::size_t>(unknowns) / data.count();
    for (std::size_t k = 0; k < data.count(); ++k) {
      // Below two points to a function there is nothing smooth about it.
      build_node(
          k, std::clamp<std::size_t>(wanted, 1, std::max<std::size_t>(2, data.nodes[k].size / 2)));
    }
  });
}

void CycleCoarse::build_node(std::size_t number, std::size_t wanted) {
  const CycleNode& node = data_.nodes[number];
  const auto d = static_cast<std::size_t>(data_.dimension);
  const auto axes = axes_of(node, d, wanted);
  std::vector<std::vector<double>> lines;
  std::size_t vertices = 1;
  for (const auto& [axis, count] : axes) {
    lines.push_back(lines_of(node, axis, d, count));
    vertices *= lines.back().size();
  }
  const std::size_t corners = std::size_t{1} << axes.size();
  // Vertices without points are no functions.
  constexpr std::uint32_t unused = ~std::uint32_t{0};
  std::vector<std::uint32_t> names(vertices, unused);
  std::vector<Entry> entries;
  for (std::size_t i = 0; i < node.size; ++i) {
    for (std::size_t corner = 0; corner < corners; ++corner) {
      std::size_t vertex = 0;
      double value = 1;
      for (std::size_t q = 0; q < axes.size(); ++q) {
        const auto [line, share] = place(lines[q], node.coordinates[i * d + axes[q].first]);
        const bool upper = (corner >> q & 1U) != 0;
        vertex = vertex * lines[q].size() + std::min(line + (upper ? 1 : 0), lines[q].size() - 1);
        value *= upper ? share : 1 - share;
      }
      if (names[vertex] == unused && value > 0) {
        names[vertex] = static_cast<std::uint32_t>(total_++);
      }
      entries.push_back({static_cast<std::uint32_t>(vertex), value});
    }
  }
  for (Entry& entry : entries) {
    const std::uint32_t name = names[entry.function];
    entry = {name == unused ? 0 : name, name == unused ? 0 : entry.value};
  }
  entries_.push_back(std::move(entries));
  corners_.push_back(corners);
}

namespace {

// Points of the next node drawn with probability proportional to exp(to(x) - c(x) / eps), `c` with
// a stride: the largest exponent first, then the sum up to a share of the whole.
class Draw {
 public:
  explicit Draw(std::size_t n) : exponents_(n), sums_(n) {}

  std::size_t operator()(const double* to, const double* c, double inverse, double uniform) {
    const std::size_t n = exponents_.size();
    double top = -1e300;
    for (std::size_t i = 0; i < n; ++i) {
      exponents_[i] = to[i] - c[i] * inverse;
      top = exponents_[i] > top ? exponents_[i] : top;
    }
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (exponents_[i] > top - 40) sum += std::exp(exponents_[i] - top);
      sums_[i] = sum;
    }
    const auto found = std::ranges::lower_bound(sums_, uniform * sum);
    return std::min(n - 1, static_cast<std::size_t>(found - sums_.begin()));
  }

 private:
  std::vector<double> exponents_, sums_;
};

}  // namespace

double CycleCoarse::scale() const noexcept {
  return exact_ ? exact_scale : weight_scale;
}

// All pairs of points: for every column the chain of the other nodes, step by step from each.
void CycleCoarse::sum(const CycleSweep& sweep, std::vector<std::int64_t>& gram) const {
  const std::size_t count = data_.count(), columns = data_.nodes[0].size;
  const double inverse = 1 / sweep.epsilon();
  const auto add = [&](std::size_t row, std::size_t column, double value) {
    gram[row * (row + 1) / 2 + column] += std::llround(value * exact_scale);
  };
  const auto normalise = [](std::span<double> row) {
    const double top = *std::ranges::max_element(row);
    // What no message reaches is of no weight.
    if (!(top > -1e300)) {
      std::ranges::fill(row, 0.0);
      return;
    }
    double sum = 0;
    for (double& v : row) sum += v = std::exp(v - top);
    for (double& v : row) v /= sum;
  };
  // Node k + 1 given node k, and the masses of the pairs of node k and a later one.
  std::vector<std::vector<double>> step(count);
  std::vector<double> mass, pairs, product;
  for (std::size_t g = 0; g < data_.groups; ++g) {
    for (std::size_t lane = 0; lane < 8 && data_.column(g, lane) < columns; ++lane) {
      const std::size_t a = data_.column(g, lane);
      for (std::size_t k = 0; k + 1 < count; ++k) {
        const CycleNode& next = data_.nodes[k + 1];
        const std::size_t n = next.size, rows = k == 0 ? 1 : data_.nodes[k].size;
        step[k].resize(rows * n);
        for (std::size_t i = 0; i < rows; ++i) {
          for (std::size_t j = 0; j < n; ++j) {
            const double cost = k == 0 ? data_.first_costs[(g * n + j) * 8 + lane]
                                       : data_.edges[k]->entries[i * n + j];
            step[k][i * n + j] = sweep.backward_messages()[k + 1][(g * n + j) * 8 + lane] +
                                 sweep.potentials()[k + 1][j] + next.log_mass[j] - cost * inverse;
          }
          normalise(std::span(step[k]).subspan(i * n, n));
        }
      }
      const std::size_t first = at(0, a)[0].function;
      add(first, first, data_.nodes[0].mass[a]);
      mass.assign(1, data_.nodes[0].mass[a]);
      for (std::size_t k = 0; k < count; ++k) {
        const std::size_t rows = mass.size();
        pairs.assign(rows * rows, 0);
        for (std::size_t i = 0; i < rows; ++i) pairs[i * rows + i] = mass[i];
        for (std::size_t l = k; l + 1 < count; ++l) {
          const std::size_t from = pairs.size() / rows, to = step[l].size() / from;
          product.assign(rows * to, 0);
          for (std::size_t i = 0; i < rows; ++i) {
            for (std::size_t m = 0; m < from; ++m) {
              const double p = pairs[i * from + m];
              if (p == 0) continue;
              for (std::size_t j = 0; j < to; ++j) {
                product[i * to + j] += p * step[l][m * to + j];
              }
            }
          }
          pairs.swap(product);
          for (std::size_t i = 0; i < rows; ++i) {
            const std::size_t row = k == 0 ? first : at(k, i)[0].function;
            for (std::size_t j = 0; j < to; ++j) {
              add(at(l + 1, j)[0].function, row, pairs[i * to + j]);
            }
          }
        }
        if (k + 1 == count) break;
        product.assign(step[k].size() / rows, 0);
        for (std::size_t i = 0; i < rows; ++i) {
          for (std::size_t j = 0; j < product.size(); ++j) {
            product[j] += mass[i] * step[k][i * product.size() + j];
          }
        }
        mass.swap(product);
        for (std::size_t j = 0; j < mass.size(); ++j) {
          const std::size_t point = at(k + 1, j)[0].function;
          add(point, point, mass[j]);
        }
      }
    }
  }
}

std::size_t CycleCoarse::per_column() const {
  const std::size_t columns = data_.nodes[0].size;
  return std::max<std::size_t>(1, (trajectories_per_unknown * total_ + columns - 1) / columns);
}

void CycleCoarse::draw(const CycleSweep& sweep, std::int64_t round,
                       std::vector<std::int64_t>& gram) const {
  const std::size_t count = data_.count(), columns = data_.nodes[0].size;
  const std::size_t each = per_column();
  const double inverse = 1 / sweep.epsilon();
  const parallel::Stream stream(seed_, "cycle", "trajectories");
  std::vector<std::vector<double>> to(count);
  std::vector<Draw> draws;
  for (std::size_t k = 0; k < count; ++k) {
    to[k].resize(data_.nodes[k].size);
    draws.emplace_back(data_.nodes[k].size);
  }
  std::vector<double> first(data_.nodes[1].size);
  std::vector<Entry> path;
  for (std::size_t g = 0; g < data_.groups; ++g) {
    for (std::size_t lane = 0; lane < 8 && data_.column(g, lane) < columns; ++lane) {
      const std::size_t a = data_.column(g, lane);
      for (std::size_t k = 1; k < count; ++k) {
        const CycleNode& node = data_.nodes[k];
        for (std::size_t i = 0; i < node.size; ++i) {
          to[k][i] = sweep.backward_messages()[k][(g * node.size + i) * 8 + lane] +
                     sweep.potentials()[k][i] + node.log_mass[i];
        }
      }
      for (std::size_t i = 0; i < first.size(); ++i) {
        first[i] = data_.first_costs[(g * first.size() + i) * 8 + lane];
      }
      const double weight = data_.nodes[0].mass[a] / static_cast<double>(each) * weight_scale;
      for (std::size_t s = 0; s < each; ++s) {
        const auto name = static_cast<std::uint64_t>(a * each + s);
        path.clear();
        std::size_t x = a;
        for (std::size_t k = 0;; ++k) {
          for (const Entry& entry : at(k, x)) {
            if (entry.value > 0) path.push_back(entry);
          }
          if (k + 1 == count) break;
          const double* costs =
              k == 0 ? first.data() : &data_.edges[k]->entries[x * data_.edges[k]->columns];
          const auto number = static_cast<std::uint64_t>(round) * count + k;
          x = draws[k + 1](to[k + 1].data(), costs, inverse, stream.uniform(name, number));
        }
        // The lower triangle by rows: the larger function's row.
        for (const Entry& p : path) {
          std::int64_t* row = &gram[std::size_t{p.function} * (p.function + 1) / 2];
          for (const Entry& q : path) {
            if (q.function <= p.function) {
              row[q.function] += static_cast<std::int64_t>(weight * p.value * q.value);
            }
          }
        }
      }
    }
  }
}

void CycleCoarse::sample(const CycleSweep& sweep, std::int64_t round, bool more,
                         const std::function<void()>& poll) {
  std::vector<std::int64_t> gram;
  parallel::agree(comm_, [&] {
    gram.assign(total_ * (total_ + 1) / 2, 0);
    if (exact_) {
      sum(sweep, gram);
    } else {
      draw(sweep, round, gram);
    }
    matrix_.assign(total_ * total_, 0);
    if (more && !gram_.empty()) return;
    gram_.assign(gram.size(), 0);
    draws_ = 0;
  });
  comm_.sum(std::span(gram));
  for (std::size_t i = 0; i < gram.size(); ++i) gram_[i] += gram[i];
  draws_ += 1;
  for (std::size_t i = 0; i < total_; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      matrix_[j * total_ + i] =
          static_cast<double>(gram_[i * (i + 1) / 2 + j]) / (scale() * draws_);
    }
  }
  if (poll) poll();
}

void CycleCoarse::factor(double shift, const std::function<void()>& poll) {
  double largest = 0;
  for (std::size_t i = 0; i < total_; ++i) largest = std::max(largest, matrix_[i * total_ + i]);
  std::int64_t good = 1;
  if (comm_.is_root()) {
    // The constants that sum to zero over the nodes are in the matrix's kernel.
    constexpr double rounding = 1e-11;
    // With r draws to an unknown the eigenvalues of a sampled matrix lie between (1 - s)^2 and
    // (1 + s)^2 times the true ones, s = 1 / sqrt r (Marchenko, Pastur): the best factor for a
    // repeated step is the mean of the inverses.
    const double draws = draws_ * static_cast<double>(per_column() * data_.nodes[0].size);
    const double s = std::min(0.5, std::sqrt(static_cast<double>(total_) / draws));
    const double inverses = (1 / ((1 - s) * (1 - s)) + 1 / ((1 + s) * (1 + s))) / 2;
    factor_ = matrix_;
    for (double& entry : factor_) entry *= exact_ ? 1 : inverses;
    for (std::size_t i = 0; i < total_; ++i) {
      factor_[i * total_ + i] += shift * matrix_[i * total_ + i] + rounding * largest;
    }
    good = linear::cholesky(total_, factor_.data(), total_) == total_ ? 1 : 0;
  }
  good = comm_.min(good);
  parallel::agree(comm_, [&] {
    if (good == 1) return;
    throw parallel::Error(parallel::ExitCode::numerical,
                          "the coarse matrix of the cycle is not positive definite; set the number "
                          "of coarse unknowns to 0");
  });
  if (poll) poll();
}

CycleCoarse::Direction CycleCoarse::solve(const std::vector<std::vector<double>>& residual) const {
  std::vector<double> solution(total_, 0);
  for (std::size_t k = 0; k < residual.size(); ++k) {
    for (std::size_t i = 0; i < residual[k].size(); ++i) {
      for (const Entry& entry : at(k, i)) solution[entry.function] += entry.value * residual[k][i];
    }
  }
  const std::vector<double> right = solution;
  if (comm_.is_root()) {
    linear::solve_upper_transposed(total_, factor_.data(), total_, 1, solution.data(), total_);
    linear::solve_upper(total_, factor_.data(), total_, 1, solution.data(), total_);
  }
  comm_.broadcast(std::span(solution));
  Direction direction;
  direction.slope = std::inner_product(right.begin(), right.end(), solution.begin(), 0.0);
  for (std::size_t k = 0; k < residual.size(); ++k) {
    std::vector<double>& values = direction.values.emplace_back(residual[k].size(), 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) {
      for (const Entry& entry : at(k, i)) values[i] += entry.value * solution[entry.function];
    }
  }
  return direction;
}

}  // namespace mensura::transport
