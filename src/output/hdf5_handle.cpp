// SPDX-License-Identifier: BSD-3-Clause
#include "output/hdf5_handle.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <numeric>
#include <utility>

#include "output/hdf5.hpp"

namespace mensura::output {
namespace {

std::atomic<std::int64_t> limit{std::int64_t{1} << 30};

// The innermost message of the newest failure. Kept here because closing handles on the way out
// clears HDF5's own stack.
std::string& newest_error() {
  static std::string text;
  return text;
}

herr_t keep_first(unsigned position, const H5E_error2_t* error, void* text) {
  if (position == 0 && error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
  return 0;
}

herr_t remember_error(hid_t stack, void* text) {
  return H5Ewalk2(stack, H5E_WALK_UPWARD, keep_first, text);
}

// Adds the flat range [a, b) of the sub-array below axis `axis`, whose leading indices are already
// in `start`, to the selection.
bool add_range(hid_t space, const std::vector<hsize_t>& shape, std::size_t axis, hsize_t a,
               hsize_t b, std::vector<hsize_t>& start, std::vector<hsize_t>& count) {
  if (a >= b) return true;
  const auto block = [&](hsize_t from, hsize_t to) {
    start[axis] = from;
    count[axis] = to - from;
    for (std::size_t k = axis + 1; k < shape.size(); ++k) {
      start[k] = 0;
      count[k] = shape[k];
    }
    return H5Sselect_hyperslab(space, H5S_SELECT_OR, start.data(), nullptr, count.data(),
                               nullptr) >= 0;
  };
  if (axis + 1 == shape.size()) return block(a, b);
  const hsize_t inner = std::accumulate(shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1,
                                        shape.end(), hsize_t{1}, std::multiplies<>());
  const auto inside = [&](hsize_t index, hsize_t from, hsize_t to) {
    start[axis] = index;
    count[axis] = 1;
    return add_range(space, shape, axis + 1, from, to, start, count);
  };
  const hsize_t first = a / inner;
  const hsize_t last = b / inner;
  if (first == last) return inside(first, a % inner, b % inner);
  const hsize_t body = a % inner == 0 ? first : first + 1;
  if (body != first && !inside(first, a % inner, inner)) return false;
  if (body < last && !block(body, last)) return false;
  return b % inner == 0 || inside(last, 0, b % inner);
}

}  // namespace

std::int64_t transfer_limit() noexcept {
  return limit;
}
void set_transfer_limit(std::int64_t bytes) {
  limit = std::max<std::int64_t>(bytes, 1);
}

std::string hdf5_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  initialise_hdf5();
  H5get_libversion(&major, &minor, &release);
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
}

void initialise_hdf5() {
  static const bool done = [] {
    H5dont_atexit();
    return H5Eset_auto2(H5E_DEFAULT, remember_error, &newest_error()) >= 0;
  }();
  parallel::require(done, "HDF5 cannot be initialised");
}

std::string hdf5_error() {
  const std::string text = std::exchange(newest_error(), {});
  return text.empty() ? "unknown HDF5 error" : text;
}

PropertyHandle parallel_access(const parallel::Communicator& comm) {
  PropertyHandle access(H5Pcreate(H5P_FILE_ACCESS));
  const bool good =
      access.valid() && H5Pset_fapl_mpio(access.id(), comm.handle(), MPI_INFO_NULL) >= 0;
  parallel::require(good, "HDF5 refuses MPI-IO: " + hdf5_error());
  return access;
}

PropertyHandle serial_access() {
  PropertyHandle access(H5Pcreate(H5P_FILE_ACCESS));
#if H5_VERSION_GE(1, 10, 7)
  H5Pset_file_locking(access.id(), true, true);
#endif
  return access;
}

PropertyHandle transfer_properties(bool collective) {
  PropertyHandle transfer(H5Pcreate(H5P_DATASET_XFER));
  const bool good =
      transfer.valid() && H5Pset_dxpl_mpio(transfer.id(), collective ? H5FD_MPIO_COLLECTIVE
                                                                     : H5FD_MPIO_INDEPENDENT) >= 0;
  parallel::require(good, "HDF5 refuses transfer properties: " + hdf5_error());
  return transfer;
}

std::vector<hsize_t> to_extents(const std::vector<std::int64_t>& shape) {
  std::vector<hsize_t> extents;
  extents.reserve(shape.size());
  for (const std::int64_t extent : shape) extents.push_back(static_cast<hsize_t>(extent));
  return extents;
}

bool select_flat(hid_t space, const std::vector<std::int64_t>& shape, std::int64_t first,
                 std::int64_t count) {
  if (H5Sselect_none(space) < 0) return false;
  std::vector<hsize_t> start(shape.size());
  std::vector<hsize_t> extent(shape.size());
  return add_range(space, to_extents(shape), 0, static_cast<hsize_t>(first),
                   static_cast<hsize_t>(first + count), start, extent);
}

Selection::Selection(const std::vector<std::int64_t>& shape, std::int64_t first,
                     std::int64_t count) {
  const std::vector<hsize_t> extents = to_extents(shape);
  const hsize_t length = static_cast<hsize_t>(std::max<std::int64_t>(count, 1));
  file = SpaceHandle(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr));
  memory = SpaceHandle(H5Screate_simple(1, &length, nullptr));
  if (!file.valid() || !memory.valid()) return;
  selected = count > 0 ? select_flat(file.id(), shape, first, count)
                       : H5Sselect_none(file.id()) >= 0 && H5Sselect_none(memory.id()) >= 0;
}

std::vector<std::int64_t> cut_pieces(std::int64_t first, std::int64_t count, std::int64_t limit_,
                                     std::int64_t alignment) {
  std::vector<std::int64_t> cuts{first};
  const std::int64_t end = first + count;
  while (cuts.back() < end) {
    const std::int64_t from = cuts.back();
    std::int64_t to = end - from > limit_ ? from + limit_ : end;
    const std::int64_t aligned = to - to % alignment;
    if (to < end && aligned > from) to = aligned;
    cuts.push_back(to);
  }
  return cuts;
}

}  // namespace mensura::output
