// SPDX-License-Identifier: BSD-3-Clause
#include "transport/search.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "parallel/random.hpp"
#include "transport/bounds.hpp"
#include "transport/sources.hpp"

namespace mensura::transport {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
// Rounding of the bounds, relative to the largest terms in them.
constexpr double bound_rounding = 1e-14;
constexpr std::size_t lanes = 8;

double half_width(const double* record, std::size_t d) {
  return *std::max_element(record + d, record + 2 * d);
}

// Costs of one point against the `lanes` points of the leaf at place `first`. Empty lanes give
// NaN, which passes no test.
template <int D>
void leaf_costs(const Cost& cost, const double* x, const LocalSources& sources, std::uint32_t first,
                std::array<double, lanes>& result) {
  const std::size_t d = D > 0 ? static_cast<std::size_t>(D) : sources.dimension;
  const std::size_t size = sources.leaf_size;
  const double* leaf = sources.leaf(first);
  if (cost.kind() == CostKind::squared_euclidean) {
    result.fill(0.0);
    for (std::size_t j = 0; j < d; ++j) {
      for (std::size_t l = 0; l < lanes; ++l) {
        const double z = x[j] - leaf[j * size + l];
        result[l] += z * z;
      }
    }
    for (double& c : result) c *= cost.weight();
    return;
  }
  std::vector<double> y(d);
  for (std::size_t l = 0; l < lanes; ++l) {
    for (std::size_t j = 0; j < d; ++j) y[j] = leaf[j * size + l];
    result[l] = cost(x, y.data());
  }
}

// Descends the tree of the own points with lists of nodes (or clusters) that may matter.
template <int D>
class PairFinder {
 public:
  PairFinder(const Cost& cost, const Cloud& x, const std::vector<std::span<const double>>& fields,
             const NodeBounds& bounds, double cut, std::int64_t most, std::int64_t per_row)
      : cost_(cost),
        x_(x),
        fields_(fields),
        a_(bounds),
        cut_(cut),
        most_(most),
        per_row_(static_cast<std::size_t>(per_row)),
        d_(static_cast<std::size_t>(x.dimension)) {}

  void mark(const Sources& sources, std::vector<char>& wanted) {
    std::vector<std::uint32_t> all(sources.clusters().size());
    for (std::size_t c = 0; c < all.size(); ++c) all[c] = static_cast<std::uint32_t>(c);
    if (!a_.nodes.empty() && !all.empty()) mark(sources, wanted, 0, all);
  }

  bool find(const LocalSources& y, Pairs& pairs) {
    y_ = &y;
    pairs_ = &pairs;
    pairs.starts.assign(1, 0);
    if (a_.nodes.empty()) return true;
    return descend(0, y.roots);
  }

 private:
  bool close(const double* a, const double* b) const {
    for (int k = 0; k < a_.fields; ++k) {
      if (pair_bound<D>(cost_, a, b, k) <= cut_) return true;
    }
    return false;
  }

  void mark(const Sources& sources, std::vector<char>& wanted, std::uint32_t a,
            const std::vector<std::uint32_t>& list) {
    std::vector<std::uint32_t> next;
    for (const std::uint32_t c : list) {
      if (wanted[c] == 0 && close(a_.record(a), sources.clusters()[c].record)) next.push_back(c);
    }
    if (next.empty()) return;
    if (a_.nodes[a].right == 0) {
      for (const std::uint32_t c : next) wanted[c] = 1;
      return;
    }
    mark(sources, wanted, a + 1, next);
    mark(sources, wanted, a_.nodes[a].right, next);
  }

  // Keeps node b, or what matters of it once it is not larger than a.
  void consider(std::uint32_t a, std::uint32_t b, std::vector<std::uint32_t>& next) const {
    const NodeBounds& bounds = y_->bounds;
    if (!close(a_.record(a), bounds.record(b))) return;
    const bool a_leaf = a_.nodes[a].right == 0, b_leaf = bounds.nodes[b].right == 0;
    if (b_leaf || (!a_leaf && half_width(bounds.record(b), d_) <= half_width(a_.record(a), d_))) {
      next.push_back(b);
      return;
    }
    consider(a, b + 1, next);
    consider(a, bounds.nodes[b].right, next);
  }

  bool descend(std::uint32_t a, const std::vector<std::uint32_t>& list) {
    std::vector<std::uint32_t> next;
    for (const std::uint32_t b : list) consider(a, b, next);
    if (a_.nodes[a].right == 0) {
      for (std::uint32_t i = a_.nodes[a].begin; i < a_.nodes[a].end; ++i) scan(i, next);
      return static_cast<std::int64_t>(pairs_->columns.size()) <= most_;
    }
    return descend(a + 1, next) && descend(a_.nodes[a].right, next);
  }

  // Leaves the best pairs of the last row.
  void trim(std::uint32_t i) {
    const std::size_t begin = pairs_->columns.size() - found_.size();
    std::vector<std::size_t> order(found_.size());
    for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
    const auto draw = [&](std::size_t k) {
      return parallel::mix(std::uint64_t{i} << 32U | pairs_->columns[begin + k]);
    };
    std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(per_row_),
                     order.end(), [&](std::size_t a, std::size_t b) {
                       return found_[a] != found_[b] ? found_[a] < found_[b] : draw(a) < draw(b);
                     });
    order.resize(per_row_);
    std::sort(order.begin(), order.end());
    for (std::size_t k = 0; k < order.size(); ++k) {  // never behind what is still to be read
      pairs_->columns[begin + k] = pairs_->columns[begin + order[k]];
      pairs_->cost[begin + k] = pairs_->cost[begin + order[k]];
    }
    pairs_->columns.resize(begin + per_row_);
    pairs_->cost.resize(begin + per_row_);
  }

  void scan(std::uint32_t i, const std::vector<std::uint32_t>& leaves) {
    std::array<double, lanes> c;
    found_.clear();
    for (const std::uint32_t b : leaves) {
      const std::uint32_t first = y_->bounds.nodes[b].begin;
      leaf_costs<D>(cost_, &x_.coordinates[i * d_], *y_, first, c);
      std::array<char, lanes> keep{};
      for (std::size_t k = 0; k < fields_.size(); ++k) {
        const double limit = cut_ + fields_[k][i];
        const double* g = &y_->fields[k][first];
        for (std::size_t l = 0; l < lanes; ++l) keep[l] |= static_cast<char>(c[l] - g[l] <= limit);
      }
      for (std::size_t l = 0; l < lanes; ++l) {
        if (keep[l] == 0) continue;
        pairs_->columns.push_back(first + static_cast<std::uint32_t>(l));
        pairs_->cost.push_back(c[l]);
        found_.push_back(c[l] - y_->fields[0][first + l]);
      }
    }
    if (found_.size() > per_row_) trim(i);
    pairs_->starts.push_back(static_cast<std::int64_t>(pairs_->columns.size()));
  }

  const Cost& cost_;
  const Cloud& x_;
  const std::vector<std::span<const double>>& fields_;
  const NodeBounds& a_;
  double cut_;
  std::int64_t most_;
  std::size_t per_row_;
  std::vector<double> found_;  // c - G_0 of the pairs of the running row
  std::size_t d_;
  const LocalSources* y_ = nullptr;
  Pairs* pairs_ = nullptr;
};

// Renumbers the columns by those that occur.
void compact(Pairs& pairs, const std::vector<std::int64_t>& numbers) {
  constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> position(numbers.size(), none);
  for (const std::uint32_t column : pairs.columns) position[column] = 0;
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (position[i] == none) continue;
    position[i] = next++;
    pairs.numbers.push_back(numbers[i]);
  }
  for (std::uint32_t& column : pairs.columns) column = position[column];
}

// Descends with lists of nodes; every list is pruned by what its best known point gives.
template <int D>
class Transformer {
 public:
  // `slack`: how much worse than the best a term may be and still count.
  Transformer(const Cost& cost, const Cloud& x, const NodeBounds& bounds, double slack)
      : cost_(cost), x_(x), a_(bounds), slack_(slack), d_(static_cast<std::size_t>(x.dimension)) {}

  void mark(const Sources& sources, std::vector<char>& wanted) {
    std::vector<std::uint32_t> all(sources.clusters().size());
    for (std::size_t c = 0; c < all.size(); ++c) all[c] = static_cast<std::uint32_t>(c);
    if (!a_.nodes.empty() && !all.empty()) mark(sources, wanted, 0, all);
  }

  // Calls use(i, values, count) for every own point with the values c - G that count.
  template <class Use>
  void run(const LocalSources& y, std::span<const double> origin, const Use& use) {
    y_ = &y;
    origin_ = origin;
    if (a_.nodes.empty() || y.roots.empty()) return;
    descend(0, y.roots, use);
  }

 private:
  double value_at(const double* centre, const double* point, double level) const {
    return cost_(centre, point) - level;
  }

  void mark(const Sources& sources, std::vector<char>& wanted, std::uint32_t a,
            const std::vector<std::uint32_t>& list) {
    const auto& clusters = sources.clusters();
    const double* record = a_.record(a);
    std::uint32_t best = list[0];
    double least = infinity;
    for (const std::uint32_t c : list) {
      const double value = value_at(record, clusters[c].best, clusters[c].level);
      if (value < least) least = value, best = c;
    }
    std::vector<std::uint32_t> next;
    bool news = false;
    for (const std::uint32_t c : list) {
      if (difference_bound<D>(cost_, record, clusters[c].record, clusters[best].best,
                              clusters[best].level) > slack_)
        continue;
      next.push_back(c);
      news |= wanted[c] == 0;
    }
    if (!news) return;
    if (a_.nodes[a].right == 0) {
      for (const std::uint32_t c : next) wanted[c] = 1;
      return;
    }
    mark(sources, wanted, a + 1, next);
    mark(sources, wanted, a_.nodes[a].right, next);
  }

  void point_of(std::uint32_t b, double* point) const {
    const std::size_t at = y_->bounds.best[b];
    for (std::size_t j = 0; j < d_; ++j) point[j] = y_->coordinates[at * d_ + j] - origin_[j];
  }
  double level_of(std::uint32_t b) const { return y_->fields[0][y_->bounds.best[b]]; }

  // Replaces the reference point by that of node b where it is better at the centre of a.
  void improve(const double* record, std::uint32_t b, std::vector<double>& reference, double& least,
               double& level) const {
    std::array<double, 32> small;
    std::vector<double> large(d_ > small.size() ? d_ : 0);
    double* point = large.empty() ? small.data() : large.data();
    point_of(b, point);
    const double value = value_at(record, point, level_of(b));
    if (value >= least) return;
    least = value;
    level = level_of(b);
    std::copy_n(point, d_, reference.begin());
  }

  template <class Use>
  void descend(std::uint32_t a, const std::vector<std::uint32_t>& list, const Use& use) {
    const NodeBounds& bounds = y_->bounds;
    const double* record = a_.record(a);
    const bool a_leaf = a_.nodes[a].right == 0;
    std::vector<double> reference(d_);
    double least = infinity, level = 0;
    for (const std::uint32_t b : list) improve(record, b, reference, least, level);
    // Splits nodes until none is larger than a (a leaf: until all are leaves), pruning meanwhile.
    std::vector<std::uint32_t> stack(list), next;
    while (!stack.empty()) {
      const std::uint32_t b = stack.back();
      stack.pop_back();
      if (difference_bound<D>(cost_, record, bounds.record(b), reference.data(), level) > slack_)
        continue;
      const bool b_leaf = bounds.nodes[b].right == 0;
      if (b_leaf || (!a_leaf && half_width(bounds.record(b), d_) <= half_width(record, d_))) {
        next.push_back(b);
        continue;
      }
      for (const std::uint32_t child : {b + 1, bounds.nodes[b].right}) {
        improve(record, child, reference, least, level);
        stack.push_back(child);
      }
    }
    if (!a_leaf) {
      descend(a + 1, next, use);
      descend(a_.nodes[a].right, next, use);
      return;
    }
    std::sort(next.begin(), next.end());  // sums in the order of the tree
    std::vector<double> values(next.size() * lanes);
    for (std::uint32_t i = a_.nodes[a].begin; i < a_.nodes[a].end; ++i) {
      std::size_t count = 0;
      for (const std::uint32_t b : next) {
        std::array<double, lanes> c;
        const NodeBounds::Node& leaf = bounds.nodes[b];
        leaf_costs<D>(cost_, &x_.coordinates[i * d_], *y_, leaf.begin, c);
        for (std::size_t l = 0; l < leaf.end - leaf.begin; ++l) {
          values[count++] = c[l] - y_->fields[0][leaf.begin + l];
        }
      }
      use(i, values.data(), count);
    }
  }

  const Cost& cost_;
  const Cloud& x_;
  const NodeBounds& a_;
  double slack_;
  std::size_t d_;
  const LocalSources* y_ = nullptr;
  std::span<const double> origin_;
};

template <class Action>
void by_dimension(int dimension, const Action& action) {
  switch (dimension) {
    case 1:
      return action(std::integral_constant<int, 1>());
    case 2:
      return action(std::integral_constant<int, 2>());
    case 3:
      return action(std::integral_constant<int, 3>());
    default:
      return action(std::integral_constant<int, 0>());
  }
}

// Size of the terms in a bound, which its rounding is relative to. Collective.
double magnitude(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
                 const Cost& cost, const std::vector<std::span<const double>>& fields,
                 std::span<const double> origin) {
  const auto d = static_cast<std::size_t>(x.dimension);
  double largest = 0;
  for (const Cloud* cloud : {&x, &y}) {
    for (std::size_t i = 0; i < cloud->own(); ++i) {
      double square = 0;
      for (std::size_t j = 0; j < d; ++j) {
        const double z = cloud->coordinates[i * d + j] - origin[j];
        square += z * z;
      }
      largest = std::max(largest, square);
    }
  }
  // Sums of distances along the axes are no squares: below one they are larger.
  const double value = cost.kind() == CostKind::l1
                           ? std::sqrt(static_cast<double>(d) * largest)
                           : std::max(largest, std::pow(largest, cost.power() / 2));
  double most = cost.weight() * value;
  for (const auto& field : fields) {
    for (const double potential : field) most = std::max(most, std::abs(potential));
  }
  return comm.max(most);
}

template <class Use>
void transform(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
               std::span<const double> g, const Cost& cost, double slack, const Use& use) {
  const std::vector<double> origin = common_origin(comm, x, y);
  slack += bound_rounding * magnitude(comm, x, y, cost, {g}, origin);
  const Sources sources(comm, y, {g}, cost, origin);
  const NodeBounds bounds = bounds_of(x.tree, x.coordinates, {}, cost, origin.data());
  by_dimension(x.dimension, [&](auto dimension) {
    Transformer<decltype(dimension)::value> transformer(cost, x, bounds, slack);
    std::vector<char> wanted(sources.clusters().size(), 0);
    transformer.mark(sources, wanted);
    const LocalSources local = sources.import(wanted);
    parallel::agree(comm, [&] { transformer.run(local, origin, use); });
  });
}

}  // namespace

bool find_pairs(const parallel::Communicator& comm, const Cloud& x,
                const std::vector<std::span<const double>>& x_fields, const Cloud& y,
                const std::vector<std::span<const double>>& y_fields, const Cost& cost, double cut,
                std::int64_t most, Pairs& result, std::int64_t per_row) {
  const std::vector<double> origin = common_origin(comm, x, y);
  std::vector<std::span<const double>> fields(x_fields);
  fields.insert(fields.end(), y_fields.begin(), y_fields.end());
  cut += bound_rounding * magnitude(comm, x, y, cost, fields, origin);
  const Sources sources(comm, y, y_fields, cost, origin);
  const NodeBounds bounds = bounds_of(x.tree, x.coordinates, x_fields, cost, origin.data());
  bool complete = true;
  result = Pairs{};
  by_dimension(x.dimension, [&](auto dimension) {
    PairFinder<decltype(dimension)::value> finder(cost, x, x_fields, bounds, cut, most, per_row);
    std::vector<char> wanted(sources.clusters().size(), 0);
    finder.mark(sources, wanted);
    const LocalSources local = sources.import(wanted);
    parallel::agree(comm, [&] {
      complete = finder.find(local, result);
      if (complete) compact(result, local.numbers);
    });
  });
  return comm.min(static_cast<std::int64_t>(complete)) > 0;
}

std::vector<double> hard_transform(const parallel::Communicator& comm, const Cloud& x,
                                   const Cloud& y, std::span<const double> g, const Cost& cost) {
  std::vector<double> result(x.own(), infinity);
  transform(comm, x, y, g, cost, 0, [&](std::uint32_t i, const double* values, std::size_t count) {
    for (std::size_t v = 0; v < count; ++v) result[i] = std::min(result[i], values[v]);
  });
  return result;
}

std::vector<double> soft_transform(const parallel::Communicator& comm, const Cloud& x,
                                   const Cloud& y, std::span<const double> g, double epsilon,
                                   const Cost& cost) {
  std::vector<double> weighted(y.own());
  for (std::size_t i = 0; i < weighted.size(); ++i) weighted[i] = g[i] + epsilon * y.log_mass[i];
  // All terms left out together are below 1e-15 of the largest one.
  const double slack = epsilon * (35 + std::log(static_cast<double>(y.total)));
  std::vector<double> result(x.own(), infinity);
  transform(comm, x, y, weighted, cost, slack,
            [&](std::uint32_t i, const double* values, std::size_t count) {
              double least = infinity, sum = 0;
              for (std::size_t v = 0; v < count; ++v) least = std::min(least, values[v]);
              for (std::size_t v = 0; v < count; ++v)
                sum += std::exp((least - values[v]) / epsilon);
              result[i] = least - epsilon * std::log(sum);
            });
  return result;
}

}  // namespace mensura::transport
