// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/bounds.hpp"
#include "transport/cloud.hpp"

namespace mensura::transport {

/// Points that one rank has at hand for a local search, its own or those of other ranks too: a
/// forest of the trees of clusters. Places of points count whole leaves; those beyond the end of a
/// tree's last leaf are empty (NaN in `leaves`, number -1).
struct LocalSources {
  std::size_t dimension = 0, leaf_size = 0;
  points::AlignedVector<double> leaves;     ///< leaves x d x leaf_size, as in points::Tree
  std::vector<double> coordinates;          ///< places x d, row-major
  std::vector<std::vector<double>> fields;  ///< at places
  std::vector<std::int64_t> numbers;        ///< at places: global numbers in the cloud
  NodeBounds bounds;
  std::vector<std::uint32_t> roots;  ///< nodes
  /// The leaf that begins at this place.
  const double* leaf(std::uint32_t place) const { return &leaves[place * dimension]; }
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
  void publish();
  void append_own(std::uint32_t node, LocalSources& local) const;
  void append_remote(std::span<const double> rows, LocalSources& local) const;

  const parallel::Communicator& comm_;
  const Cloud& cloud_;
  std::vector<std::span<const double>> fields_;
  const Cost& cost_;
  std::vector<double> origin_;
  NodeBounds bounds_;                 // of the own tree
  std::vector<std::uint32_t> nodes_;  // of the own clusters
  std::vector<double> published_;
  std::vector<Cluster> clusters_;
};

/// Collective. A point in the middle of both clouds: the origin of a search.
std::vector<double> common_origin(const parallel::Communicator& comm, const Cloud& x,
                                  const Cloud& y);

}  // namespace mensura::transport
