// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <numeric>

#include "parallel/exchange.hpp"
#include "points/partition.hpp"

namespace mensura::points {

namespace {

constexpr std::uint32_t truncated_flag = std::uint32_t{1} << 31U;

// Sends a sub-range of every destination's sites; all arrays of one round go in the same order.
class Sender {
 public:
  Sender(const parallel::Communicator& comm, const Sites& sites, const Assignment& assignment,
         bool multiple)
      : comm_(comm), sites_(sites), assignment_(assignment), multiple_(multiple) {}

  // Piece `round` of `rounds` to every rank; appends what arrives to `result`.
  void send_piece(std::int64_t round, std::int64_t rounds, Sites& result) {
    pack(round, rounds);
    append(result.coordinates, coordinates_, coordinate_counts_);
    if (!multiple_) {
      append(result.ids, ids_, id_counts_);
      return;
    }
    const std::size_t labels = static_cast<std::size_t>(sites_.labels);
    const auto words = parallel::exchange<std::uint32_t>(comm_, words_, site_counts_);
    append(result.ids, ids_, id_counts_);
    append(result.dropped, dropped_, dropped_counts_);
    for (const std::uint32_t word : words.data) {
      if ((word & truncated_flag) != 0) {
        result.truncated.push_back(static_cast<std::uint32_t>(result.first.size() - 1));
      }
      result.first.push_back(result.first.back() + (word & ~truncated_flag));
    }
    parallel::require(result.dropped.size() == result.truncated.size() * labels,
                      "redistribute: counts of dropped copies do not match the truncated sites");
  }

 private:
  template <class T>
  void append(std::vector<T>& to, const std::vector<T>& send, const std::vector<std::int64_t>& n) {
    const auto received = parallel::exchange<T>(comm_, send, n);
    to.insert(to.end(), received.data.begin(), received.data.end());
  }

  void pack(std::int64_t round, std::int64_t rounds) {
    coordinates_.clear(), ids_.clear(), words_.clear(), dropped_.clear();
    coordinate_counts_.clear(), id_counts_.clear(), site_counts_.clear(), dropped_counts_.clear();
    std::int64_t begin = 0;
    for (const std::int64_t count : assignment_.counts) {
      const auto ids_before = static_cast<std::int64_t>(ids_.size());
      const auto dropped_before = static_cast<std::int64_t>(dropped_.size());
      const std::int64_t from = begin + count * round / rounds;
      const std::int64_t to = begin + count * (round + 1) / rounds;
      for (std::int64_t i = from; i < to; ++i) {
        pack_site(assignment_.order[static_cast<std::size_t>(i)]);
      }
      site_counts_.push_back(to - from);
      coordinate_counts_.push_back((to - from) * sites_.dimension);
      id_counts_.push_back(static_cast<std::int64_t>(ids_.size()) - ids_before);
      dropped_counts_.push_back(static_cast<std::int64_t>(dropped_.size()) - dropped_before);
      begin += count;
    }
  }

  void pack_site(std::uint32_t site) {
    const auto d = static_cast<std::size_t>(sites_.dimension);
    const double* row = &sites_.coordinates[site * d];
    coordinates_.insert(coordinates_.end(), row, row + d);
    const auto copies = sites_.copies(site);
    ids_.insert(ids_.end(), copies.begin(), copies.end());
    if (!multiple_) return;
    const auto dropped = sites_.dropped_of(site);
    dropped_.insert(dropped_.end(), dropped.begin(), dropped.end());
    words_.push_back(static_cast<std::uint32_t>(copies.size()) |
                     (dropped.empty() ? 0U : truncated_flag));
  }

  const parallel::Communicator& comm_;
  const Sites& sites_;
  const Assignment& assignment_;
  bool multiple_;
  std::vector<double> coordinates_;
  std::vector<std::uint64_t> ids_;
  std::vector<std::uint32_t> words_;
  std::vector<std::int64_t> dropped_;
  std::vector<std::int64_t> coordinate_counts_, id_counts_, site_counts_, dropped_counts_;
};

struct Incoming {
  std::int64_t sites, ids;
};

// How many sites and ids this rank will receive.
Incoming count_incoming(const parallel::Communicator& comm, const Sites& sites,
                        const Assignment& assignment) {
  std::vector<Incoming> outgoing;
  auto next = assignment.order.begin();
  for (const std::int64_t count : assignment.counts) {
    std::int64_t ids = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      ids += static_cast<std::int64_t>(sites.copies(*next++).size());
    }
    outgoing.push_back({count, ids});
  }
  const std::vector<std::int64_t> ones(outgoing.size(), 1);
  const auto received = parallel::exchange<Incoming>(comm, outgoing, ones);
  Incoming total{0, 0};
  for (const Incoming& one : received.data) {
    total.sites += one.sites;
    total.ids += one.ids;
  }
  return total;
}

}  // namespace

Sites redistribute(const parallel::Communicator& comm, Sites sites, Assignment assignment,
                   std::int64_t piece_bytes) {
  const bool multiple = comm.max(static_cast<std::int64_t>(!sites.first.empty())) > 0;
  const Incoming incoming = count_incoming(comm, sites, assignment);
  Sites result;
  parallel::agree(comm, [&] {
    const auto total = static_cast<std::uint64_t>(std::max(incoming.sites, incoming.ids));
    if (total > max_local) {
      throw parallel::Error(parallel::ExitCode::too_large,
                            "one rank would hold more than 4294967280 points; use more ranks");
    }
    result.dimension = sites.dimension;
    result.labels = sites.labels;
    result.coordinates.reserve(static_cast<std::size_t>(incoming.sites * sites.dimension));
    result.ids.reserve(static_cast<std::size_t>(incoming.ids));
    if (multiple) {
      result.first.reserve(static_cast<std::size_t>(incoming.sites) + 1);
      result.first.push_back(0);
    }
  });
  const auto local_bytes =
      static_cast<std::int64_t>((sites.coordinates.size() + sites.ids.size()) * 8);
  const std::int64_t largest =
      comm.max(std::max(local_bytes, incoming.sites * 8 * sites.dimension + incoming.ids * 8));
  const std::int64_t rounds = std::max<std::int64_t>(1, (largest + piece_bytes - 1) / piece_bytes);
  Sender sender(comm, sites, assignment, multiple);
  for (std::int64_t round = 0; round < rounds; ++round) sender.send_piece(round, rounds, result);
  return result;
}

}  // namespace mensura::points
