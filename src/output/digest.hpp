// SPDX-License-Identifier: BSD-3-Clause
// Private to this folder: 64-bit sums that do not depend on who reads what.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "parallel/communicator.hpp"

namespace mensura::output {

/// Collective. Sum mod 2^64 over the ranks.
inline std::uint64_t sum_modulo(const parallel::Communicator& comm, std::uint64_t value) {
  // Halves, so that the signed integer reduction cannot overflow.
  std::array<std::int64_t, 2> halves{static_cast<std::int64_t>(value & 0xffffffffU),
                                     static_cast<std::int64_t>(value >> 32U)};
  comm.sum(std::span<std::int64_t>(halves));
  return static_cast<std::uint64_t>(halves[0]) + (static_cast<std::uint64_t>(halves[1]) << 32U);
}

/// Local. Hash of bytes that begin at position `start` of something larger: a chain of bijections,
/// so that any single changed byte, and any moved block, changes it.
std::uint64_t hash_bytes(std::uint64_t start, std::span<const unsigned char> bytes) noexcept;

/// Local. Sum over the elements of a hash of (position, 8 bytes), positions counted from `first`.
std::uint64_t hash_elements(std::int64_t first, std::span<const std::int64_t> values) noexcept;
std::uint64_t hash_elements(std::int64_t first, std::span<const double> values) noexcept;

/// Collective. Digest of a file's bytes: the sum of the hashes of its 4 MiB blocks, read in
/// parallel. Throws Error{input_data} on all ranks when a block cannot be read on some rank.
std::uint64_t digest_file(const parallel::Communicator& comm, const std::string& path,
                          std::int64_t bytes);

}  // namespace mensura::output
