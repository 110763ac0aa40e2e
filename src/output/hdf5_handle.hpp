// SPDX-License-Identifier: BSD-3-Clause
// Private to this folder: HDF5's own types appear here and in .cpp files only.
#pragma once

#include <hdf5.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::output {

/// Owner of an HDF5 id that `Close` releases. Move-only. Not for parallel files, whose close is
/// collective and can fail: those are closed by name (see File).
template <herr_t (*Close)(hid_t)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) noexcept : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      id_ = std::exchange(other.id_, H5I_INVALID_HID);
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  hid_t id() const noexcept { return id_; }
  bool valid() const noexcept { return id_ >= 0; }
  hid_t release() noexcept { return std::exchange(id_, H5I_INVALID_HID); }
  /// True when there was nothing to close or the close succeeded.
  bool reset() noexcept {
    const hid_t id = std::exchange(id_, H5I_INVALID_HID);
    return id < 0 || Close(id) >= 0;
  }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

using FileHandle = Handle<H5Fclose>;
using GroupHandle = Handle<H5Gclose>;
using DatasetHandle = Handle<H5Dclose>;
using SpaceHandle = Handle<H5Sclose>;
using TypeHandle = Handle<H5Tclose>;
using PropertyHandle = Handle<H5Pclose>;
using AttributeHandle = Handle<H5Aclose>;
using ObjectHandle = Handle<H5Oclose>;

/// Local. Makes HDF5 quiet (errors become our texts) and keeps it from running at exit(), after
/// MPI is gone. Every entry point of this folder calls it first; repeated calls cost nothing.
void initialise_hdf5();

/// Local. The innermost message of the newest failed HDF5 call since this was last asked, or
/// "unknown HDF5 error".
std::string hdf5_error();

/// Local. File access by MPI-IO on this communicator.
PropertyHandle parallel_access(const parallel::Communicator& comm);

/// Local. File access by one process, read-only; HDF5_USE_FILE_LOCKING is respected and file
/// systems without locks are accepted.
PropertyHandle serial_access();

/// Local. Transfer properties: collective or independent MPI-IO.
PropertyHandle transfer_properties(bool collective);

/// Local. Extents as HDF5 wants them.
std::vector<hsize_t> to_extents(const std::vector<std::int64_t>& shape);

/// Local. Selects the flat positions [first, first + count) of the row-major array of extents
/// `shape` in `space` (at most 2 rank - 1 blocks; in row-major order, so memory is contiguous).
bool select_flat(hid_t space, const std::vector<std::int64_t>& shape, std::int64_t first,
                 std::int64_t count);

/// Local. Dataspaces of one transfer: file selection as above, memory a flat array. count = 0
/// selects nothing (the rank still takes part in the collective call).
struct Selection {
  SpaceHandle file;
  SpaceHandle memory;
  Selection(const std::vector<std::int64_t>& shape, std::int64_t first, std::int64_t count);
  bool valid() const { return file.valid() && memory.valid() && selected; }
  bool selected = false;
};

/// Local. Cuts [first, first + count) into pieces of at most `limit` elements that end, where
/// possible, at multiples of `alignment` (chunks are then written whole): the cut points.
std::vector<std::int64_t> cut_pieces(std::int64_t first, std::int64_t count, std::int64_t limit,
                                     std::int64_t alignment);

}  // namespace mensura::output
