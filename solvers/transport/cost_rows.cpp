// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cost_rows.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "output/memory.hpp"
#include "parallel/by_index.hpp"

namespace mensura::transport {

CostRows::CostRows(const parallel::Communicator& comm, const Cloud& x, std::int64_t x_input_total,
                   const Cloud& y, std::int64_t y_input_total, const CostSpec& cost,
                   double weight) {
  const auto info = output::inspect(comm, cost.file.string(), cost.dataset);
  if (info.shape != std::vector<std::int64_t>{x_input_total, y_input_total}) {
    std::string shape;
    for (const auto extent : info.shape)
      shape += (shape.empty() ? "" : ", ") + std::to_string(extent);
    throw parallel::Error(parallel::ExitCode::input_data,
                          info.path + ":" + info.dataset + " has shape (" + shape +
                              "); the cost matrix of these marginals has a row for each of the " +
                              std::to_string(x_input_total) +
                              " points of the first and a column for each of the " +
                              std::to_string(y_input_total) + " of the second");
  }
  const auto block = output::read_points(comm, cost.file.string(), cost.dataset);
  columns_ = static_cast<std::size_t>(y.total);
  stride_ = (columns_ + 7) / 8 * 8;
  output::check_memory(comm, static_cast<std::int64_t>(x.own() * stride_ * 8),
                       "the cost matrix " + info.path + ":" + info.dataset);
  parallel::agree(comm, [&] { entries_.resize(x.own() * stride_, 0); });
  const auto order = everywhere<std::uint64_t>(comm, y.ids);
  fill(comm, x, block, order, weight);
}

// In batches: copies of all rows at once would need the memory of several matrices.
void CostRows::fill(const parallel::Communicator& comm, const Cloud& x,
                    const output::PointBlock& block, const std::vector<std::uint64_t>& order,
                    double weight) {
  const auto width = static_cast<std::size_t>(block.dimension);
  const std::size_t batch = std::max<std::size_t>(1, (std::size_t{1} << 22) / width);
  const std::int64_t batches = comm.max(static_cast<std::int64_t>((x.own() + batch - 1) / batch));
  for (std::int64_t b = 0; b < batches; ++b) {
    const std::size_t begin = std::min(x.own(), static_cast<std::size_t>(b) * batch);
    const std::size_t count = std::min(batch, x.own() - begin);
    const auto rows = parallel::fetch_rows(comm, block.values, block.total, static_cast<int>(width),
                                           std::span(x.ids).subspan(begin, count));
    for (std::size_t i = 0; i < count; ++i) {
      double* to = &entries_[(begin + i) * stride_];
      for (std::size_t j = 0; j < columns_; ++j) to[j] = weight * rows[i * width + order[j]];
    }
  }
}

bool CostRows::find_pairs(const parallel::Communicator& comm,
                          const std::vector<std::span<const double>>& x_fields,
                          const std::vector<std::span<const double>>& y_fields, double cut,
                          std::int64_t most, Pairs& result) const {
  std::vector<std::vector<double>> all;
  for (const auto& field : y_fields) all.push_back(everywhere<double>(comm, field));
  result = Pairs{};
  std::vector<std::uint32_t> position(columns_, 0);
  parallel::agree(comm, [&] {
    result.starts.push_back(0);
    for (std::size_t i = 0; i < rows(); ++i) {
      for (std::size_t j = 0; j < columns_; ++j) {
        bool keep = false;
        for (std::size_t k = 0; k < all.size(); ++k) {
          keep |= row(i)[j] - x_fields[k][i] - all[k][j] <= cut;
        }
        if (!keep) continue;
        position[j] = 1;
        result.columns.push_back(static_cast<std::uint32_t>(j));
        result.cost.push_back(row(i)[j]);
      }
      result.starts.push_back(static_cast<std::int64_t>(result.columns.size()));
      if (static_cast<std::int64_t>(result.columns.size()) > most) break;
    }
    for (std::size_t j = 0; j < columns_; ++j) {
      if (position[j] == 0) continue;
      position[j] = static_cast<std::uint32_t>(result.numbers.size());
      result.numbers.push_back(static_cast<std::int64_t>(j));
    }
    for (std::uint32_t& column : result.columns) column = position[column];
  });
  const bool fits = static_cast<std::int64_t>(result.columns.size()) <= most;
  return comm.min(static_cast<std::int64_t>(fits)) > 0;
}

std::vector<double> CostRows::hard_rows(const parallel::Communicator& comm,
                                        std::span<const double> g) const {
  const std::vector<double> all = everywhere<double>(comm, g);
  std::vector<double> result(rows(), std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < result.size(); ++i) {
    for (std::size_t j = 0; j < columns_; ++j) result[i] = std::min(result[i], row(i)[j] - all[j]);
  }
  return result;
}

std::vector<double> CostRows::hard_columns(const parallel::Communicator& comm, const Cloud& y,
                                           std::span<const double> f) const {
  std::vector<double> least(columns_, std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < rows(); ++i) {
    for (std::size_t j = 0; j < columns_; ++j) least[j] = std::min(least[j], row(i)[j] - f[i]);
  }
  comm.min(std::span(least));
  const auto first = least.begin() + static_cast<std::ptrdiff_t>(y.first);
  return {first, first + static_cast<std::ptrdiff_t>(y.own())};
}

double CostRows::largest(const parallel::Communicator& comm) const {
  double most = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < rows(); ++i) {
    most = std::max(most, *std::max_element(row(i), row(i) + columns_));
  }
  return comm.max(most);
}

}  // namespace mensura::transport
