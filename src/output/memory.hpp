// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "parallel/communicator.hpp"

namespace mensura::output {

/// Local. Bytes that processes on this node may still use: MemAvailable of /proc/meminfo, or the
/// room left under the tightest memory cgroup (v1 or v2) when that is less. The environment
/// variable MENSURA_MEMORY_LIMIT (bytes, or with suffix K, M, G, T: powers of 1024) overrides
/// both. `root` is prefixed to the system's paths (tests). Returns INT64_MAX when nothing is known.
/// Throws Error{usage} for an unreadable MENSURA_MEMORY_LIMIT.
std::int64_t available_memory(const std::string& root = "");

/// Local. "512", "64K", "1.5G" -> bytes; throws Error{usage} otherwise.
std::int64_t parse_bytes(const std::string& text);

/// Local. "1.50 GiB".
std::string format_bytes(std::int64_t bytes);

/// Collective. Compares what the ranks of each node need together with the memory available on that
/// node; throws Error{too_large} on all ranks when one node falls short, with the numbers and how
/// many nodes would do. `what` names the need: "reading photographs.h5:/pixels/coffee".
void check_memory(const parallel::Communicator& comm, std::int64_t needed_on_this_rank,
                  const std::string& what);

}  // namespace mensura::output
