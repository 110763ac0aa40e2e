// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/bounds.hpp"
#include "transport/cloud.hpp"

namespace mensura::transport {

/// Points that one rank has at hand for a local search: its own or those of other ranks too.
struct LocalSources {
  points::Tree tree;
  std::vector<double> coordinates;          ///< points x d, row-major, in the tree's order
  std::vector<std::vector<double>> fields;  ///< in the tree's order, padded to whole leaves
  std::vector<std::int64_t> numbers;        ///< global numbers in the cloud
  NodeBounds bounds;
};

/// A cloud with fields that other ranks search: every rank tells all others the bounds of at most
/// 64 clusters of its points (O(ranks) memory), and sends the points of those that are wanted.
class Sources {
 public:
  /// Collective. Fields are own values of the cloud; all references outlive the object.
  Sources(const parallel::Communicator& comm, const Cloud& cloud,
          std::vector<std::span<const double>> fields, const Cost& cost,
          std::span<const double> origin);

  /// One cluster of points of some rank.
  struct Cluster {
    int rank;
    std::uint32_t begin, end;
    const double* record;  ///< as in NodeBounds
    const double* best;    ///< one of its points, relative to the origin
    double level;          ///< field 0 there
  };
  const std::vector<Cluster>& clusters() const noexcept { return clusters_; }

  /// Collective. The points of the wanted clusters (one flag per cluster, this rank's wish).
  LocalSources import(const std::vector<char>& wanted) const;

 private:
  void publish(const NodeBounds& bounds);
  LocalSources own() const;

  const parallel::Communicator& comm_;
  const Cloud& cloud_;
  std::vector<std::span<const double>> fields_;
  const Cost& cost_;
  std::vector<double> origin_;
  std::vector<double> published_;
  std::vector<Cluster> clusters_;
};

/// Collective. A point in the middle of both clouds: the origin of a search.
std::vector<double> common_origin(const parallel::Communicator& comm, const Cloud& x,
                                  const Cloud& y);

}  // namespace mensura::transport
