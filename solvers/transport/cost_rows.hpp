// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "output/dataset_reader.hpp"
#include "parallel/exchange.hpp"
#include "points/aligned.hpp"
#include "transport/cloud.hpp"
#include "transport/problem.hpp"
#include "transport/search.hpp"

namespace mensura::transport {

/// Collective. Every rank's numbers on every rank, in rank order: as long as a row of a cost
/// matrix, of which every rank holds many.
template <class T>
std::vector<T> everywhere(const parallel::Communicator& comm, std::span<const T> own) {
  std::vector<T> sent;
  parallel::agree(comm, [&] {
    for (int r = 0; r < comm.size(); ++r) sent.insert(sent.end(), own.begin(), own.end());
  });
  const std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()),
                                         static_cast<std::int64_t>(own.size()));
  return parallel::exchange<T>(comm, sent, counts).data;
}

/// A cost matrix, weight times: the rows of x's own points, with the columns in the global order of
/// y, every row padded to eight.
class CostRows {
 public:
  /// Collective. Throws Error{input_data} on all ranks for a shape that does not match or an entry
  /// that is not finite, Error{too_large} when it does not fit.
  CostRows(const parallel::Communicator& comm, const Cloud& x, std::int64_t x_input_total,
           const Cloud& y, std::int64_t y_input_total, const CostSpec& cost, double weight);

  const double* row(std::size_t i) const { return &entries_[i * stride_]; }
  std::size_t rows() const { return entries_.size() / stride_; }
  std::size_t columns() const { return columns_; }
  std::size_t stride() const { return stride_; }

  /// Collective. As find_pairs() of search.hpp, by looking at every entry.
  bool find_pairs(const parallel::Communicator& comm,
                  const std::vector<std::span<const double>>& x_fields,
                  const std::vector<std::span<const double>>& y_fields, double cut,
                  std::int64_t most, Pairs& result) const;
  /// Collective. min over y of c - g at own points of x; min over x of c - f at own points of y.
  std::vector<double> hard_rows(const parallel::Communicator& comm,
                                std::span<const double> g) const;
  std::vector<double> hard_columns(const parallel::Communicator& comm, const Cloud& y,
                                   std::span<const double> f) const;
  double largest(const parallel::Communicator& comm) const;  ///< Collective. Of all entries.

 private:
  void fill(const parallel::Communicator& comm, const Cloud& x, const output::PointBlock& block,
            const std::vector<std::uint64_t>& order, double weight);

  std::size_t columns_ = 0, stride_ = 1;
  points::AlignedVector<double> entries_;
};

}  // namespace mensura::transport
