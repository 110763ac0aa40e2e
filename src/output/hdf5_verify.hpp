// SPDX-License-Identifier: BSD-3-Clause
// Private to this folder: reading back what was written. Open MPI's I/O layer can lose the error of
// a failed write (seen with 4.1.4 on four ranks), so success is not believed but looked at.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "output/hdf5_handle.hpp"
#include "parallel/communicator.hpp"

namespace mensura::output {

/// A dataset as it was handed to HDF5.
struct Written {
  std::string dataset;
  std::vector<std::int64_t> shape;
  std::int64_t element_bytes = 8;
  std::int64_t covered = 0;       ///< elements that some rank wrote
  std::uint64_t fingerprint = 0;  ///< sum of hashes of (flat position, bytes) over all elements
};

/// Local. Sum over `count` elements of the hash of (flat position, bytes), positions from `first`.
std::uint64_t hash_raw(std::int64_t first, const void* data, std::int64_t count,
                       std::int64_t element_bytes) noexcept;

/// Collective. True on all ranks when the dataset of the open parallel file reads back as written.
/// A dataset that was not written completely is not compared.
bool reads_back(const parallel::Communicator& comm, hid_t file, const Written& written);

}  // namespace mensura::output
