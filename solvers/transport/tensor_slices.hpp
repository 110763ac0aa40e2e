// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "parallel/by_index.hpp"
#include "parallel/communicator.hpp"

namespace mensura::transport {

/// What two nodes of a multi-marginal problem cost together: weight * cost(x, y), row-major n_from
/// x n_to, +infinity for pairs that are forbidden. The same on all ranks.
struct DenseEdge {
  std::size_t from = 0, to = 1;
  double weight = 1;
  std::vector<double> cost{};
};

/// One number per point of every node.
using NodeFields = std::vector<std::vector<double>>;

/// The tensor of a multi-marginal problem with pairwise costs (reference/transport 1),
///   P(x_0, ..., x_{K-1}) = prod_k m_k(x_k) exp((sum_k phi_k(x_k) - sum_e w c_e(x_i, x_j)) / eps),
/// in slices of x_0 shared out over the ranks (Blocks). No entry is stored: the sum over the last
/// node, or over the one before it, is a product with the kernel of these two, and what is left has
/// n^(K-1) values, of which every rank holds those of its slices. Node values are the same on all
/// ranks; those of sums over slices are added exactly, so that the number of ranks changes nothing
/// but roundings inside a slice. Members are collective but for accessors.
class TensorSlices {
 public:
  /// Local. At least two nodes, masses > 0; what the edges say is checked by the caller. The
  /// communicator outlives the object.
  TensorSlices(const parallel::Communicator& comm, NodeFields masses,
               std::span<const DenseEdge> edges);

  /// What is left of the tensor when one of the last two nodes has been summed (or minimised) over.
  /// Its values know all costs, but no potential and no mass of the nodes that are left.
  struct Rest {
    std::size_t last = 0;        ///< the node that varies fastest: the other one of the two
    std::vector<double> values;  ///< own tuples of the leading nodes x points of `last`
  };

  /// The last two nodes. A problem of two nodes has a third one in here, one point of cost and
  /// potential zero, which callers leave out of their fields.
  std::size_t inner() const noexcept { return masses_.size() - 2; }
  std::size_t innermost() const noexcept { return masses_.size() - 1; }
  std::size_t nodes() const noexcept { return masses_.size(); }
  const NodeFields& masses() const noexcept { return masses_; }
  /// Of two nodes k < l, all their edges together, weighted; empty when they have none.
  const std::vector<double>& cost(std::size_t k, std::size_t l) const {
    return costs_[k * masses_.size() + l];
  }
  const parallel::Blocks& slices() const noexcept { return slices_; }

  /// Logarithms of the sums over `without` (inner or innermost) at its potential.
  Rest sums(std::size_t without, const NodeFields& phi, double epsilon,
            const std::function<void()>& poll) const;
  /// Minima over `without` of the cost minus its potential.
  Rest least(std::size_t without, std::span<const double> phi,
             const std::function<void()>& poll) const;

  /// -eps log of the sum over all nodes of `rest` but one: the potential for which that node's
  /// marginal is exact. +infinity where every entry is forbidden.
  std::vector<double> balanced(const Rest& rest, std::size_t node, const NodeFields& phi,
                               double epsilon) const;
  /// The minimum over all nodes of `rest` but one, of the cost minus all their potentials.
  std::vector<double> bound(const Rest& rest, std::size_t node, const NodeFields& phi) const;

  /// The marginal of two nodes k < l, row-major n_k x n_l. For potentials that make a plan: every
  /// exponent is far below the range of doubles.
  std::vector<double> pair(std::size_t k, std::size_t l, const NodeFields& phi, double epsilon,
                           const std::function<void()>& poll) const;
  /// sum over all entries of c P (1 + sum_k d_k(x_k)), forbidden ones left out; same potentials.
  /// Without d (no nodes) the linear cost.
  double linear_cost(const NodeFields& phi, const NodeFields& d, double epsilon,
                     const std::function<void()>& poll) const;

 private:
  std::size_t points(std::size_t k) const { return masses_[k].size(); }
  std::size_t leading_nodes() const { return masses_.size() - 2; }
  std::size_t own_slices() const { return static_cast<std::size_t>(slices_.size(comm_.rank())); }
  std::size_t tuples_of_slice() const;
  /// Calls visit(x, t) for the leading nodes' points x of an own slice, t being their place in a
  /// Rest.
  template <class Visit>
  void every_tuple(std::size_t slice, Visit visit) const {
    std::vector<std::size_t> x(leading_nodes(), 0);
    x[0] = static_cast<std::size_t>(slices_.begin(comm_.rank())) + slice;
    const std::size_t count = tuples_of_slice();
    for (std::size_t t = slice * count; t < (slice + 1) * count; ++t) {
      visit(std::as_const(x), t);
      for (std::size_t k = x.size(); k-- > 1;) {
        if (++x[k] < points(k)) break;
        x[k] = 0;
      }
    }
  }
  double leading_cost(std::span<const std::size_t> x) const;
  void costs_to(std::span<const std::size_t> x, std::size_t last, std::span<double> row) const;
  std::vector<double> transposed_last() const;
  NodeFields terms_of(const NodeFields& phi, double epsilon) const;
  void add_rest(const Rest& rest, std::size_t slice, std::size_t k, std::size_t l,
                const NodeFields& terms, std::span<double> sums) const;
  std::vector<double> sums_of_slices(const Rest& rest, std::size_t node,
                                     const NodeFields& terms) const;
  template <class Visit>
  void every_entry(const Rest& rest, std::size_t slice, const NodeFields& terms, double epsilon,
                   Visit visit) const;

  const parallel::Communicator& comm_;
  NodeFields masses_;
  std::vector<std::vector<double>> costs_;
  parallel::Blocks slices_;
};

}  // namespace mensura::transport
