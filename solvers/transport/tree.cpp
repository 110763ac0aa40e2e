// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tree.hpp"

#include "parallel/error.hpp"

namespace mensura::transport {

Tree::Tree(std::vector<char> free, std::vector<Edge> edges)
    : free_(std::move(free)), edges_(std::move(edges)), links_(free_.size()) {
  parallel::require(edges_.size() + 1 == nodes(), "a tree has one edge less than nodes");
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    parallel::require(edges_[e].from < nodes() && edges_[e].to < nodes(), "edges join nodes");
    links_[edges_[e].from].push_back({e, edges_[e].to});
    links_[edges_[e].to].push_back({e, edges_[e].from});
  }
  for (std::size_t k = 0; k < nodes(); ++k) {
    if (degree(k) > degree(root_)) root_ = k;
  }
  parents_.assign(nodes(), {edges_.size(), nodes()});
  order_.push_back(root_);
  for (std::size_t next = 0; next < order_.size(); ++next) {
    const std::size_t k = order_[next];
    for (const Link& link : links_[k]) {
      if (link.edge == parents_[k].edge) continue;
      parallel::require(order_.size() < nodes(), "a tree has no cycle");
      parents_[link.node] = {link.edge, k};
      order_.push_back(link.node);
    }
  }
  parallel::require(order_.size() == nodes(), "a tree is connected");
}

}  // namespace mensura::transport
