// SPDX-License-Identifier: BSD-3-Clause
// Private to this folder: number formats of datasets and what opening them finds out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "output/dataset_reader.hpp"
#include "parallel/communicator.hpp"

namespace mensura::output {

/// How one number is stored.
struct NumberFormat {
  enum class Kind : std::int64_t { real, signed_integer, unsigned_integer };
  Kind kind = Kind::real;
  std::int64_t bytes = 8;
  bool big_endian = false;
  bool is_native_double() const;
  std::string name() const;  ///< "float32", "uint8", "int64 (big endian)"
};

/// Local. Converts `count` stored numbers to doubles; the position of the first that is NaN,
/// infinite or an integer that a double cannot hold exactly (above 2^53 in magnitude), else count.
std::int64_t convert(const NumberFormat& format, const unsigned char* stored, std::int64_t count,
                     double* values);
/// Local. The first value that is not finite, else count.
std::int64_t first_not_finite(const double* values, std::int64_t count);
/// Local. What is wrong with the stored number: "is NaN", "is infinite", "is 2^53 + 1 ...".
std::string complaint(const NumberFormat& format, const unsigned char* stored);

/// A dataset as found: what the user sees and how to read it.
struct Found {
  DatasetInfo info;
  NumberFormat format;
  bool filtered = false;         ///< compressed or checksummed chunks
  std::int64_t chunk_bytes = 0;  ///< of one chunk after unpacking, 0 for other layouts
};

/// Collective; see inspect().
Found find_dataset(const parallel::Communicator& comm, const std::string& file,
                   const std::string& dataset);

}  // namespace mensura::output
