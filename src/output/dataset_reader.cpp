// SPDX-License-Identifier: BSD-3-Clause
#include "output/dataset_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <numeric>
#include <span>
#include <utility>

#include "output/dataset_format.hpp"
#include "output/digest.hpp"
#include "output/file_system.hpp"
#include "output/hdf5.hpp"
#include "output/hdf5_handle.hpp"
#include "output/memory.hpp"
#include "parallel/random.hpp"

namespace mensura::output {
namespace {

using parallel::Error;
using parallel::ExitCode;

constexpr std::int64_t conversion_bytes = std::int64_t{1} << 24;
constexpr std::int64_t most_chunk_cache = std::int64_t{1} << 28;

[[noreturn]] void fail(const std::string& text) {
  throw Error(ExitCode::input_data, text);
}

std::string place(const DatasetInfo& info) {
  return info.path + ":" + info.dataset;
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + (shape.size() == 1 ? ",)" : ")");
}

// The rows that one rank reads of a dataset seen as a matrix: file rows start + i step.
struct Slice {
  std::int64_t start = 0;
  std::int64_t step = 1;
  std::int64_t first = 0;  ///< selected row
  std::int64_t rows = 0;
  std::int64_t most_rows = 0;  ///< of all ranks
  std::int64_t columns = 1;
  std::int64_t file_row(std::int64_t local) const { return start + (first + local) * step; }
};

Slice share(const parallel::Communicator& comm, std::int64_t total) {
  const auto cut = [&](std::int64_t rank) {
    // r total / P without overflow of the product.
    return total / comm.size() * rank + total % comm.size() * rank / comm.size();
  };
  Slice slice;
  slice.first = cut(comm.rank());
  slice.rows = cut(comm.rank() + 1) - slice.first;
  slice.most_rows = total / comm.size() + (total % comm.size() != 0 ? 1 : 0);
  return slice;
}

// Reads one rank's slice of a dataset. The file is open on all ranks; opening, every transfer and
// closing are collective. Compressed chunks are the exception: each rank unpacks what it needs by
// itself, since HDF5 leaves a collective read alone when a damaged chunk fails to unpack.
class SliceReader {
 public:
  SliceReader(const parallel::Communicator& comm, const Found& found, const Slice& slice)
      : comm_(comm), found_(found), slice_(slice) {
    open();
  }
  SliceReader(const SliceReader&) = delete;
  SliceReader& operator=(const SliceReader&) = delete;

  /// Fills `values` (rows x columns) and closes the file.
  void read(double* values);

 private:
  struct Piece {
    std::int64_t row = 0, rows = 0, column = 0, columns = 0;
    std::int64_t count() const { return rows * columns; }
  };
  void open();
  void plan();
  Piece piece(std::int64_t call) const;
  bool transfer(const Piece& piece, double* values);
  bool read_raw(const Piece& piece, void* target) const;

  void finish(bool succeeded);

  const parallel::Communicator& comm_;
  const Found& found_;
  Slice slice_;
  FileHandle file_;
  DatasetHandle dataset_;
  TypeHandle type_;
  PropertyHandle transfer_;
  std::int64_t piece_rows_ = 1, piece_columns_ = 1;
  std::vector<unsigned char> buffer_;
  std::string complaint_;  ///< about this rank's first unusable value
};

void SliceReader::open() {
  initialise_hdf5();
  const std::string& path = found_.info.path;
  parallel::agree(comm_, [&] {
    const int id = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (id < 0) fail(path + ": cannot open the data file on all nodes: " + system_error());
    ::close(id);
  });
  const PropertyHandle access = parallel_access(comm_);
  H5Pset_fclose_degree(access.id(), H5F_CLOSE_STRONG);
  file_ = FileHandle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.id()));
  const PropertyHandle cache(H5Pcreate(H5P_DATASET_ACCESS));
  const auto cache_bytes = std::clamp<std::int64_t>(found_.chunk_bytes, 1 << 20, most_chunk_cache);
  H5Pset_chunk_cache(cache.id(), 521, static_cast<std::size_t>(cache_bytes), 1.0);
  if (file_.valid()) {
    dataset_ = DatasetHandle(H5Dopen2(file_.id(), found_.info.dataset.c_str(), cache.id()));
  }
  if (dataset_.valid()) type_ = TypeHandle(H5Dget_type(dataset_.id()));
  const bool good = type_.valid();
  parallel::agree(comm_, [&] {
    if (!good) fail(place(found_.info) + ": cannot be opened by MPI-IO: " + hdf5_error());
  });
  transfer_ = transfer_properties(!found_.filtered);
  plan();
}

// The same pieces on all ranks: whole rows where they fit, else parts of one row.
void SliceReader::plan() {
  std::int64_t bytes = transfer_limit();
  if (!found_.format.is_native_double()) bytes = std::min(bytes, conversion_bytes);
  const std::int64_t most = std::max<std::int64_t>(1, bytes / found_.format.bytes);
  piece_columns_ = std::min(slice_.columns, most);
  piece_rows_ =
      piece_columns_ < slice_.columns ? 1 : std::max<std::int64_t>(1, most / slice_.columns);
  piece_rows_ = std::min(piece_rows_, std::max<std::int64_t>(1, slice_.most_rows));
}

SliceReader::Piece SliceReader::piece(std::int64_t call) const {
  const std::int64_t across = (slice_.columns + piece_columns_ - 1) / piece_columns_;
  Piece piece;
  piece.row = std::min(call / across * piece_rows_, slice_.rows);
  piece.rows = std::min(piece_rows_, slice_.rows - piece.row);
  piece.column = call % across * piece_columns_;
  piece.columns = std::min(piece_columns_, slice_.columns - piece.column);
  return piece;
}

void SliceReader::read(double* values) {
  if (!found_.format.is_native_double()) {
    parallel::agree(comm_, [&] {
      buffer_.resize(static_cast<std::size_t>(piece_rows_ * piece_columns_ * found_.format.bytes));
    });
  }
  const std::int64_t across = (slice_.columns + piece_columns_ - 1) / piece_columns_;
  const std::int64_t down = (slice_.most_rows + piece_rows_ - 1) / piece_rows_;
  bool good = true;
  for (std::int64_t call = 0; call < down * across; ++call) {
    good = transfer(piece(call), values) && good;
  }
  finish(good);
}

bool SliceReader::transfer(const Piece& piece, double* values) {
  double* target = values + piece.row * slice_.columns + piece.column;
  const bool native = found_.format.is_native_double();
  void* raw = native ? static_cast<void*>(target) : buffer_.data();
  double nothing = 0.0;
  if (!read_raw(piece, piece.count() > 0 ? raw : &nothing)) return false;
  if (piece.count() == 0) return true;
  const std::int64_t bad = native ? first_not_finite(target, piece.count())
                                  : convert(found_.format, buffer_.data(), piece.count(), target);
  if (bad == piece.count() || !complaint_.empty()) return true;
  const unsigned char* stored =
      native ? reinterpret_cast<const unsigned char*>(target + bad)
             : buffer_.data() + static_cast<std::size_t>(bad * found_.format.bytes);
  const std::int64_t row = slice_.file_row(piece.row + bad / piece.columns);
  complaint_ = place(found_.info) + ": row " + std::to_string(row) + ", column " +
               std::to_string(piece.column + bad % piece.columns) + " " +
               complaint(found_.format, stored);
  return true;
}

// The memory type is the file's own: a conversion inside HDF5 would end the collective transfer.
bool SliceReader::read_raw(const Piece& piece, void* target) const {
  const SpaceHandle space(H5Dget_space(dataset_.id()));
  const auto length = static_cast<hsize_t>(std::max<std::int64_t>(piece.count(), 1));
  const SpaceHandle memory(H5Screate_simple(1, &length, nullptr));
  if (piece.count() == 0) {
    H5Sselect_none(space.id());
    H5Sselect_none(memory.id());
    // Without a share in an independent read there is nothing to do.
    if (found_.filtered) return true;
  } else {
    // A grid of more than two axes is read by whole rows or parts of one, as a flat range.
    const auto& shape = found_.info.shape;
    bool selected = false;
    if (shape.size() > 2) {
      selected =
          select_flat(space.id(), shape, slice_.file_row(piece.row) * slice_.columns + piece.column,
                      piece.count());
    } else {
      const std::array<hsize_t, 2> start{static_cast<hsize_t>(slice_.file_row(piece.row)),
                                         static_cast<hsize_t>(piece.column)};
      const std::array<hsize_t, 2> stride{static_cast<hsize_t>(slice_.step), 1};
      const std::array<hsize_t, 2> count{static_cast<hsize_t>(piece.rows),
                                         static_cast<hsize_t>(piece.columns)};
      selected = H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), stride.data(),
                                     count.data(), nullptr) >= 0;
    }
    parallel::require(selected, "selection in " + place(found_.info));
  }
  return H5Dread(dataset_.id(), type_.id(), memory.id(), space.id(), transfer_.id(), target) >= 0;
}

void SliceReader::finish(bool succeeded) {
  const std::string reason = succeeded ? "" : hdf5_error();
  dataset_.reset();
  type_.reset();
  const bool closed = file_.reset();
  parallel::agree(comm_, [&] {
    if (!succeeded) {
      fail(place(found_.info) + ": rows " + std::to_string(slice_.file_row(0)) + " to " +
           std::to_string(slice_.file_row(std::max<std::int64_t>(slice_.rows - 1, 0))) +
           " cannot be read (" + reason + "); the file may be damaged, copy or write it again");
    }
    if (!closed) fail(place(found_.info) + ": cannot close the file: " + hdf5_error());
    // Rows ascend with the ranks: the lowest rank's complaint is the first in the file.
    if (!complaint_.empty()) fail(complaint_);
  });
}

std::uint64_t fingerprint(const parallel::Communicator& comm, const Slice& slice,
                          std::int64_t total, const std::vector<double>& values) {
  std::uint64_t sum = 0;
  for (std::int64_t row = 0; row < slice.rows; ++row) {
    sum += row_hash(slice.first + row, values.data() + row * slice.columns, slice.columns);
  }
  sum = sum_modulo(comm, sum);
  return parallel::mix(parallel::mix(sum ^ static_cast<std::uint64_t>(total)) ^
                       static_cast<std::uint64_t>(slice.columns));
}

std::vector<double> read_slice(const parallel::Communicator& comm, const Found& found,
                               const Slice& slice) {
  const std::int64_t buffer =
      (found.filtered ? std::min(found.chunk_bytes, most_chunk_cache) : 0) +
      (found.format.is_native_double() ? 0 : std::min(conversion_bytes, transfer_limit()));
  check_memory(comm, slice.rows * slice.columns * 8 + buffer, "reading " + place(found.info));
  std::vector<double> values;
  parallel::agree(comm,
                  [&] { values.resize(static_cast<std::size_t>(slice.rows * slice.columns)); });
  SliceReader(comm, found, slice).read(values.data());
  return values;
}

}  // namespace

std::uint64_t row_hash(std::int64_t row, const double* values, std::int64_t count) noexcept {
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;
  std::uint64_t hash = parallel::mix(static_cast<std::uint64_t>(row) + golden);
  for (std::int64_t i = 0; i < count; ++i) {
    hash = parallel::mix(hash ^ std::bit_cast<std::uint64_t>(values[i])) + golden;
  }
  return hash;
}

std::int64_t count_points(const DatasetInfo& info, const Rows& rows) {
  if (info.shape.empty() || info.shape.size() > 2) {
    fail(place(info) + " has shape " + shape_text(info.shape) +
         "; points need (n, d), or (n,) for n numbers");
  }
  const std::int64_t n = info.shape[0];
  if (info.shape.size() == 2 && info.shape[1] == 0) {
    fail(place(info) + " has shape " + shape_text(info.shape) + ": points without coordinates");
  }
  const std::int64_t stop = rows.stop.value_or(n);
  if (rows.step < 1 || rows.start < 0 || rows.start > n || stop < 0 || stop > n) {
    fail(place(info) + ": rows start " + std::to_string(rows.start) + ", stop " +
         std::to_string(stop) + ", step " + std::to_string(rows.step) + " do not fit its " +
         std::to_string(n) + " rows; 0 <= start < stop <= " + std::to_string(n) +
         " and step >= 1 are needed");
  }
  if (rows.start >= stop) {
    fail(place(info) +
         (n == 0 ? " is empty: it has no rows"
                 : ": no row is selected by start " + std::to_string(rows.start) + ", stop " +
                       std::to_string(stop) + " of " + std::to_string(n) + " rows"));
  }
  return (stop - rows.start - 1) / rows.step + 1;
}

PointBlock read_points(const parallel::Communicator& comm, const std::string& file,
                       const std::string& dataset, const Rows& rows) {
  const Found found = find_dataset(comm, file, dataset);
  PointBlock block;
  block.total = count_points(found.info, rows);
  block.dimension = found.info.shape.size() == 2 ? found.info.shape[1] : 1;
  Slice slice = share(comm, block.total);
  slice.start = rows.start;
  slice.step = rows.step;
  slice.columns = block.dimension;
  block.first = slice.first;
  block.values = read_slice(comm, found, slice);
  block.fingerprint = fingerprint(comm, slice, block.total, block.values);
  return block;
}

GridBlock read_grid(const parallel::Communicator& comm, const std::string& file,
                    const std::string& dataset) {
  const Found found = find_dataset(comm, file, dataset);
  const auto& shape = found.info.shape;
  if (shape.empty() || shape.size() > 3) {
    fail(place(found.info) + " has shape " + shape_text(shape) +
         "; a grid needs one to three axes: (w,), (h, w) or (l, h, w)");
  }
  if (std::ranges::find(shape, 0) != shape.end()) {
    fail(place(found.info) + " has shape " + shape_text(shape) + ": the grid is empty");
  }
  Slice slice = share(comm, shape[0]);
  slice.columns =
      std::accumulate(shape.begin() + 1, shape.end(), std::int64_t{1}, std::multiplies<>());
  GridBlock block;
  block.shape = shape;
  block.first_row = slice.first;
  block.values = read_slice(comm, found, slice);
  block.fingerprint = fingerprint(comm, slice, shape[0], block.values);
  return block;
}

}  // namespace mensura::output
