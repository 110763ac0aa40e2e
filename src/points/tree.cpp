// SPDX-License-Identifier: BSD-3-Clause
#include "points/tree.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace mensura::points {

namespace {

// A point that is moved about while the tree is built. Small points carry their coordinates, so
// that all passes are sequential; large ones are looked up.
template <int D>
struct Row {
  std::array<double, D> x;
  std::uint32_t site;
};
template <>
struct Row<0> {
  std::uint32_t site;
};

template <int D>
class Builder {
 public:
  Builder(Tree& tree, Sites& sites)
      : tree_(tree), source_(sites.coordinates), d_(static_cast<std::size_t>(sites.dimension)) {
    rows_.resize(sites.size());
    for (std::uint32_t i = 0; i < rows_.size(); ++i) {
      if constexpr (D > 0) {
        for (std::size_t j = 0; j < D; ++j) rows_[i].x[j] = source_[i * d_ + j];
      }
      rows_[i].site = i;
    }
    if constexpr (D > 0) std::vector<double>().swap(source_);
  }

  std::vector<std::uint32_t> run() {
    tree_.boxes.resize(std::size_t{2} * tree_.leaves * 2 * d_ - 2 * d_);
    cut(0, 0, tree_.leaves);
    fill_leaves();
    std::vector<std::uint32_t> order;
    order.reserve(rows_.size());
    for (const Row<D>& row : rows_) order.push_back(row.site);
    return order;
  }

 private:
  double value(const Row<D>& row, std::size_t j) const {
    if constexpr (D > 0) {
      return row.x[j];
    } else {
      return source_[row.site * d_ + j];
    }
  }

  std::size_t row_of_leaf(std::uint32_t leaf) const {
    return std::min(rows_.size(), std::size_t{leaf} * static_cast<std::size_t>(tree_.leaf_size));
  }

  void cut(std::size_t node, std::uint32_t a, std::uint32_t b) {
    const std::size_t begin = row_of_leaf(a), end = row_of_leaf(b);
    double* lower = &tree_.boxes[node * 2 * d_];
    double* upper = lower + d_;
    bound(begin, end, lower, upper);
    if (b - a == 1) return;
    std::size_t axis = 0;
    for (std::size_t j = 1; j < d_; ++j) {
      if (upper[j] - lower[j] > upper[axis] - lower[axis]) axis = j;
    }
    const std::uint32_t middle = Tree::split(a, b);
    const auto at = [this](std::size_t i) {
      return rows_.begin() + static_cast<std::ptrdiff_t>(i);
    };
    std::nth_element(
        at(begin), at(row_of_leaf(middle)), at(end),
        [this, axis](const Row<D>& p, const Row<D>& q) { return value(p, axis) < value(q, axis); });
    cut(node + 1, a, middle);
    cut(node + 2 * std::size_t{middle - a}, middle, b);
  }

  void bound(std::size_t begin, std::size_t end, double* lower, double* upper) const {
    std::fill_n(lower, d_, std::numeric_limits<double>::infinity());
    std::fill_n(upper, d_, -std::numeric_limits<double>::infinity());
    if constexpr (D > 0) {
      std::array<double, D> lo, hi;  // locals, so that they live in registers
      std::copy_n(lower, D, lo.begin());
      std::copy_n(upper, D, hi.begin());
      for (std::size_t i = begin; i < end; ++i) {
        for (std::size_t j = 0; j < D; ++j) {
          lo[j] = std::min(lo[j], rows_[i].x[j]);
          hi[j] = std::max(hi[j], rows_[i].x[j]);
        }
      }
      std::copy_n(lo.begin(), D, lower);
      std::copy_n(hi.begin(), D, upper);
    } else {
      for (std::size_t i = begin; i < end; ++i) {
        const double* x = &source_[rows_[i].site * d_];
        for (std::size_t j = 0; j < d_; ++j) {
          lower[j] = std::min(lower[j], x[j]);
          upper[j] = std::max(upper[j], x[j]);
        }
      }
    }
  }

  void fill_leaves() {
    const auto size = static_cast<std::size_t>(tree_.leaf_size);
    tree_.coordinates.reserve(tree_.leaves * size * d_);
    for (std::uint32_t leaf = 0; leaf < tree_.leaves; ++leaf) {
      const std::size_t begin = row_of_leaf(leaf), end = row_of_leaf(leaf + 1);
      for (std::size_t j = 0; j < d_; ++j) {
        for (std::size_t i = begin; i < end; ++i) tree_.coordinates.push_back(value(rows_[i], j));
        tree_.coordinates.resize((leaf * d_ + j + 1) * size,
                                 std::numeric_limits<double>::quiet_NaN());
      }
    }
    if constexpr (D == 0) std::vector<double>().swap(source_);
  }

  Tree& tree_;
  std::vector<double>& source_;
  std::size_t d_;
  std::vector<Row<D>> rows_;
};

std::uint64_t set_labels(Tree& tree, const std::vector<std::uint64_t>& leaf_labels,
                         std::size_t node, std::uint32_t a, std::uint32_t b) {
  if (b - a == 1) return tree.labels[node] = leaf_labels[a];
  const std::uint32_t middle = Tree::split(a, b);
  const std::uint64_t left = set_labels(tree, leaf_labels, node + 1, a, middle);
  const std::uint64_t right =
      set_labels(tree, leaf_labels, node + 2 * std::size_t{middle - a}, middle, b);
  return tree.labels[node] = left | right;
}

void label_nodes(Tree& tree, const Sites& sites, std::span<const std::int64_t> offsets) {
  tree.labels.assign(std::size_t{2} * tree.leaves - 1, 1);
  if (offsets.size() <= 2) return;
  std::vector<std::uint64_t> leaf_labels(tree.leaves, 0);
  for (std::uint32_t site = 0; site < tree.sites; ++site) {
    std::uint64_t& mask = leaf_labels[site / static_cast<std::uint32_t>(tree.leaf_size)];
    for (const std::uint64_t id : sites.copies(site)) {
      mask |= std::uint64_t{1} << static_cast<unsigned>(label_of(id, offsets));
    }
  }
  set_labels(tree, leaf_labels, 0, 0, tree.leaves);
}

std::vector<std::uint32_t> build(Tree& tree, Sites& sites) {
  switch (sites.dimension) {
    case 1:
      return Builder<1>(tree, sites).run();
    case 2:
      return Builder<2>(tree, sites).run();
    case 3:
      return Builder<3>(tree, sites).run();
    case 4:
      return Builder<4>(tree, sites).run();
    case 5:
      return Builder<5>(tree, sites).run();
    case 6:
      return Builder<6>(tree, sites).run();
    default:
      return Builder<0>(tree, sites).run();
  }
}

}  // namespace

Tree build_tree(Sites& sites, std::int64_t leaf_size, std::span<const std::int64_t> offsets) {
  Tree tree;
  tree.dimension = sites.dimension;
  tree.leaf_size = static_cast<int>((std::clamp<std::int64_t>(leaf_size, 8, 256) + 7) / 8 * 8);
  tree.sites = static_cast<std::uint32_t>(sites.size());
  if (tree.sites == 0) return tree;
  const auto size = static_cast<std::uint32_t>(tree.leaf_size);
  tree.leaves = (tree.sites - 1) / size + 1;
  reorder_ids(sites, build(tree, sites));
  label_nodes(tree, sites, offsets);
  return tree;
}

}  // namespace mensura::points
