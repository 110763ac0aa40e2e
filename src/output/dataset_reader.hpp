// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::output {

/// What a dataset is, before any of it is read.
struct DatasetInfo {
  std::string path;     ///< of the file, as given
  std::string dataset;  ///< "/group/name"
  std::vector<std::int64_t> shape;
  std::string
      type;  ///< "float64", "float32", "int8" ... "uint64", with " (big endian)" where it is
};

/// Rows of a dataset: start, start + step, ... below stop (the end when absent).
struct Rows {
  std::int64_t start = 0;
  std::optional<std::int64_t> stop = {};
  std::int64_t step = 1;
};

/// This rank's part of a point set: rows [first, first + values.size() / dimension) of `total`
/// selected rows, row-major; rank r of P holds [r n / P, (r + 1) n / P).
struct PointBlock {
  std::int64_t total = 0;
  std::int64_t dimension = 1;
  std::int64_t first = 0;
  std::vector<double> values;
  /// The same for equal contents on any number of ranks: sum mod 2^64 over the selected rows i of
  /// row_hash(i, row), mixed with total and dimension.
  std::uint64_t fingerprint = 0;
};

/// This rank's part of a grid: the rows [first_row, first_row + n) along the first axis, row-major;
/// rank r of P holds rows [r h / P, (r + 1) h / P).
struct GridBlock {
  std::vector<std::int64_t> shape;
  std::int64_t first_row = 0;
  std::vector<double> values;
  std::uint64_t fingerprint = 0;  ///< as for points, one row per index of the first axis
};

/// Collective. Opens the file on rank 0 and says what the dataset is. Throws Error{input_data} on
/// all ranks for a missing or unreadable file, one that is not HDF5 or is truncated, a missing
/// dataset (listing what there is, nearest name first), a group, and a type that is not a number.
DatasetInfo inspect(const parallel::Communicator& comm, const std::string& file,
                    const std::string& dataset);

/// Local. Number of rows that `rows` selects of `info`; Error{input_data} when the shape is neither
/// (n, d) nor (n,), the rows are out of range or none is selected.
std::int64_t count_points(const DatasetInfo& info, const Rows& rows);

/// Collective. Reads the selected rows of a dataset of shape (n, d), or (n,) as n points with
/// d = 1, of any float32, float64 or integer type, as doubles. Throws on all ranks what inspect()
/// and count_points() throw, Error{input_data} with the first NaN, infinity or integer above 2^53
/// (row and column of the file, from zero, smallest over all ranks), and Error{too_large} before
/// reading when the blocks exceed the memory of a node (output/memory.hpp). Memory: the block, at
/// most 16 MiB for conversion, and one chunk (at most 256 MiB) of a compressed dataset.
PointBlock read_points(const parallel::Communicator& comm, const std::string& file,
                       const std::string& dataset, const Rows& rows = {});

/// Collective. The same for a grid of one to three axes: (w,), (h, w) or (l, h, w).
GridBlock read_grid(const parallel::Communicator& comm, const std::string& file,
                    const std::string& dataset);

/// Local. Hash of row number `row` and its doubles (as bits): h = mix(row + g), then h = mix(h xor
/// bits) + g for each value, with g = 0x9e3779b97f4a7c15 and mix from parallel/random.hpp. Each
/// step is a bijection of h, so a single changed value always changes the hash.
std::uint64_t row_hash(std::int64_t row, const double* values, std::int64_t count) noexcept;

}  // namespace mensura::output
