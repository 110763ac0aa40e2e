// SPDX-License-Identifier: BSD-3-Clause
#include "points/rank_tree.hpp"

#include <algorithm>
#include <limits>

#include "points/partition.hpp"

namespace mensura::points {

RankTree::RankTree(const parallel::Communicator& comm, const Tree& tree)
    : own_rank_(comm.rank()),
      ranks_(comm.size()),
      dimension_(static_cast<std::size_t>(tree.dimension)) {
  std::vector<double> own(2 * dimension_, std::numeric_limits<double>::infinity());
  std::fill(own.begin() + static_cast<std::ptrdiff_t>(dimension_), own.end(),
            -std::numeric_limits<double>::infinity());
  std::uint64_t own_labels = 0;
  if (tree.sites > 0) {
    std::copy_n(tree.boxes.begin(), 2 * dimension_, own.begin());
    own_labels = tree.labels[0];
  }
  const auto boxes = comm.all_gather<double>(own);
  const auto labels =
      comm.all_gather<std::uint64_t>(std::span<const std::uint64_t>(&own_labels, 1));
  const auto nodes = static_cast<std::size_t>(2 * ranks_ - 1);
  boxes_.resize(nodes * 2 * dimension_);
  labels_.resize(nodes);
  leaf_node_.resize(static_cast<std::size_t>(ranks_));
  build(boxes, labels, 0, 0, ranks_);
}

void RankTree::build(const std::vector<double>& boxes, const std::vector<std::uint64_t>& labels,
                     std::size_t node, int first, int last) {
  double* box = &boxes_[node * 2 * dimension_];
  if (last - first == 1) {
    std::copy_n(&boxes[static_cast<std::size_t>(first) * 2 * dimension_], 2 * dimension_, box);
    labels_[node] = labels[static_cast<std::size_t>(first)];
    leaf_node_[static_cast<std::size_t>(first)] = node;
    return;
  }
  const int middle = middle_rank(first, last);
  const std::size_t left = node + 1;
  const std::size_t right = node + 2 * static_cast<std::size_t>(middle - first);
  build(boxes, labels, left, first, middle);
  build(boxes, labels, right, middle, last);
  for (std::size_t j = 0; j < dimension_; ++j) {
    const double* a = &boxes_[left * 2 * dimension_];
    const double* b = &boxes_[right * 2 * dimension_];
    box[j] = std::min(a[j], b[j]);
    box[dimension_ + j] = std::max(a[dimension_ + j], b[dimension_ + j]);
  }
  labels_[node] = labels_[left] | labels_[right];
}

// Monotone in floating point like the bound of a single point (see LocalSearch).
double RankTree::node_distance2(std::span<const double> lower, std::span<const double> upper,
                                std::size_t node) const {
  const double* box = &boxes_[node * 2 * dimension_];
  double sum = 0.0;
  for (std::size_t j = 0; j < dimension_; ++j) {
    const double gap = std::max(std::max(box[j] - upper[j], lower[j] - box[dimension_ + j]), 0.0);
    sum += gap * gap;
  }
  return sum;
}

double RankTree::distance2(std::span<const double> lower, std::span<const double> upper,
                           int rank) const {
  return node_distance2(lower, upper, leaf_node_[static_cast<std::size_t>(rank)]);
}

void RankTree::near(std::span<const double> lower, std::span<const double> upper, double bound,
                    std::uint64_t labels, std::vector<int>& ranks) const {
  ranks.clear();
  struct Visit {
    std::size_t node;
    int first, last;
  };
  std::vector<Visit> stack{{0, 0, ranks_}};
  while (!stack.empty()) {
    const Visit v = stack.back();
    stack.pop_back();
    if ((labels_[v.node] & labels) == 0 || !(node_distance2(lower, upper, v.node) <= bound))
      continue;
    if (v.last - v.first == 1) {
      if (v.first != own_rank_) ranks.push_back(v.first);
      continue;
    }
    const int middle = middle_rank(v.first, v.last);
    stack.push_back({v.node + 2 * static_cast<std::size_t>(middle - v.first), middle, v.last});
    stack.push_back({v.node + 1, v.first, middle});
  }
}

}  // namespace mensura::points
