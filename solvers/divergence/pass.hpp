// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "divergence/estimate.hpp"
#include "divergence/pass_sums.hpp"
#include "divergence/problem.hpp"
#include "output/checkpoint.hpp"
#include "output/dataset_reader.hpp"
#include "parallel/communicator.hpp"
#include "points/neighbours.hpp"
#include "run/job.hpp"

namespace mensura::divergence {

/// What is known of a pair of sets once its data were read.
struct PairFacts {
  std::array<std::int64_t, 2> counts = {0, 0};
  std::array<std::uint64_t, 2> fingerprints = {0, 0};
  std::int64_t dimension = 0;
  std::int64_t coincident = -1;      ///< points that share their location; -1: no search was made
  std::int64_t sites = -1;           ///< distinct locations
  std::int64_t remote_queries = -1;  ///< (location, foreign rank) pairs
  std::string warning;               ///< of the whitening
};

/// All requests on one pair of sets, answered from one labelled pass over their union:
/// read - moments and whitening - partition and tree - batches of queries - estimates.
class Pass {
 public:
  /// Local and cheap. `requests` are positions in problem.requests, all on the sets first < second.
  Pass(const Problem& problem, std::size_t first, std::size_t second,
       std::vector<std::size_t> requests);
  ~Pass();

  bool finished() const { return stage_ == Stage::done; }
  /// Collective. One step between two safe points.
  void advance(const parallel::Communicator& comm, run::Context& context);
  std::int64_t batches() const { return batches_; }  ///< 0 until the data were read
  std::int64_t batches_done() const { return batches_done_; }
  std::string name() const;  ///< "p, q"
  const PairFacts& facts() const { return facts_; }
  const std::vector<std::size_t>& requests() const { return requests_; }

  /// Local. Estimate of the request at position i of requests(); only when finished.
  Estimate estimate(std::size_t i) const;

  /// Collective. State under the names "job/PREFIX/...".
  void save(const parallel::Communicator& comm, output::CheckpointWriter& checkpoint,
            const std::string& prefix) const;
  void load(const parallel::Communicator& comm, const output::CheckpointReader& checkpoint,
            const std::string& prefix);
  bool has_state() const { return batches_done_ > 0 || finished(); }
  std::int64_t state_bytes() const;  ///< Local. Size of what save() writes.

 private:
  enum class Stage { read, prepare, build, search, done };

  void read(const parallel::Communicator& comm, run::Context& context);
  void rescale_extremes(const parallel::Communicator& comm);
  void plan(const parallel::Communicator& comm);
  void prepare(const parallel::Communicator& comm, run::Context& context);
  void fit_gaussians(const parallel::Communicator& comm, run::Context& context);
  void whiten(const parallel::Communicator& comm, run::Context& context);
  void build(const parallel::Communicator& comm, run::Context& context);
  void search(const parallel::Communicator& comm, run::Context& context);
  void compare_with_checkpoint() const;
  std::span<const double> points_of(std::size_t set) const;
  std::vector<int> neighbours_of(const Request& request) const;
  Estimate neighbour_estimate(const Request& request) const;

  const Problem& problem_;
  std::array<std::size_t, 2> pair_;
  std::vector<std::size_t> requests_;
  Stage stage_ = Stage::read;
  std::int64_t batches_ = 0;
  std::int64_t batches_done_ = 0;
  std::int64_t earlier_remote_queries_ = 0;  ///< of the segments before this one
  PairFacts facts_;
  std::optional<PairFacts> expected_;       ///< of the checkpoint this run goes on from
  std::vector<std::int64_t> loaded_words_;  ///< sums of the checkpoint, until the plan is known
  std::optional<PassSums> sums_;            ///< of this rank until done, then over all ranks
  std::vector<std::optional<Estimate>> fitted_;  ///< gaussian requests

  // Data of this rank, only between read and build.
  std::vector<double> coordinates_;  ///< first set's rows, then the second's
  std::array<std::int64_t, 2> first_rows_ = {0, 0};
  std::array<std::size_t, 2> local_counts_ = {0, 0};
  std::unique_ptr<points::NeighbourEngine> engine_;
};

}  // namespace mensura::divergence
