// SPDX-License-Identifier: BSD-3-Clause
#include "output/memory.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string_view>

namespace mensura::output {
namespace {

using parallel::Error;
using parallel::ExitCode;

constexpr std::int64_t unlimited = std::numeric_limits<std::int64_t>::max();

// The number in a file that holds one number; nothing for "max" or a missing file.
std::optional<std::int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  if (!(file >> value)) return {};
  return value;
}

// The number after `key` in a file of "key number" lines.
std::int64_t number_after(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string word; file >> word;) {
    if (word != key) continue;
    std::int64_t value = 0;
    return file >> value ? value : 0;
  }
  return 0;
}

// Room below the limit of one cgroup; pages of cached files do not count, the kernel drops them.
std::int64_t room_in_group(const std::string& folder, bool version2) {
  const char* limit_name = version2 ? "/memory.max" : "/memory.limit_in_bytes";
  const char* usage_name = version2 ? "/memory.current" : "/memory.usage_in_bytes";
  const char* cache_name = version2 ? "inactive_file" : "total_inactive_file";
  const auto limit = number_in(folder + limit_name);
  if (!limit) return unlimited;
  const std::int64_t usage = number_in(folder + usage_name).value_or(0);
  const std::int64_t cache = std::min(number_after(folder + "/memory.stat", cache_name), usage);
  return std::max<std::int64_t>(0, *limit - (usage - cache));
}

// The tightest group on the way from this process's group to the top.
std::int64_t room_in_groups(const std::string& root) {
  std::int64_t room = unlimited;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::string controllers = ",";
    controllers.append(line, first + 1, second - first - 1).append(",");
    const bool version2 = controllers == ",,";
    if (!version2 && controllers.find(",memory,") == std::string::npos) continue;
    const std::string top = root + (version2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory");
    std::string group = line.substr(second + 1);
    while (true) {
      if (group == "/") group.clear();
      room = std::min(room, room_in_group(top + group, version2));
      if (group.empty()) break;
      group.erase(group.rfind('/'));
    }
  }
  return room;
}

// A communicator of the ranks on this node; freed at the end of the scope.
class Node {
 public:
  explicit Node(const parallel::Communicator& comm) {
    parallel::check_mpi(
        MPI_Comm_split_type(comm.handle(), MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &handle_),
        "MPI_Comm_split_type");
    parallel::check_mpi(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  ~Node() { MPI_Comm_free(&handle_); }
  int size() const { return size_; }
  std::int64_t reduce(std::int64_t value, MPI_Op operation) const {
    std::int64_t result = 0;
    parallel::check_mpi(MPI_Allreduce(&value, &result, 1, MPI_INT64_T, operation, handle_),
                        "MPI_Allreduce");
    return result;
  }

 private:
  MPI_Comm handle_ = MPI_COMM_NULL;
  int size_ = 1;
};

std::string host_name() {
  std::array<char, MPI_MAX_PROCESSOR_NAME> name{};
  int length = 0;
  MPI_Get_processor_name(name.data(), &length);
  return {name.data(), static_cast<std::size_t>(length)};
}

}  // namespace

std::int64_t parse_bytes(const std::string& text) {
  double value = 0.0;
  const char* end = text.data() + text.size();
  const auto [rest, status] = std::from_chars(text.data(), end, value);
  const std::string_view suffix(rest, static_cast<std::size_t>(end - rest));
  const std::string_view letters = "KMGT";
  double factor = 1.0;
  bool good = status == std::errc() && std::isfinite(value) && value >= 0.0;
  if (suffix.size() == 1 && letters.find(suffix[0]) != std::string_view::npos) {
    factor = std::exp2(10.0 * static_cast<double>(letters.find(suffix[0]) + 1));
  } else {
    good = good && suffix.empty();
  }
  if (!good || value * factor >= 0x1p62) {
    throw Error(
        ExitCode::usage,
        "\"" + text + "\" is no amount of memory; write bytes or a number with K, M, G or T");
  }
  return static_cast<std::int64_t>(value * factor);
}

std::string format_bytes(std::int64_t bytes) {
  const std::array<const char*, 7> units{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " bytes";
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024.0 && unit + 1 < units.size(); ++unit) value /= 1024.0;
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.2f %s", value, units[unit]);
  return text.data();
}

std::int64_t available_memory(const std::string& root) {
  if (const char* text = std::getenv("MENSURA_MEMORY_LIMIT"); text != nullptr && *text != '\0') {
    try {
      return parse_bytes(text);
    } catch (const Error& error) {
      throw Error(ExitCode::usage,
                  std::string("environment variable MENSURA_MEMORY_LIMIT: ") + error.what());
    }
  }
  const std::int64_t kib = number_after(root + "/proc/meminfo", "MemAvailable:");
  const std::int64_t machine = kib > 0 ? kib * 1024 : unlimited;
  return std::min(machine, room_in_groups(root));
}

void check_memory(const parallel::Communicator& comm, std::int64_t needed_on_this_rank,
                  const std::string& what) {
  std::int64_t available = 0;
  parallel::agree(comm, [&] { available = available_memory(); });
  const Node node(comm);
  // A saturated need stays above every real memory and cannot overflow the sums.
  const std::int64_t share =
      std::clamp<std::int64_t>(needed_on_this_rank, 0, (unlimited / 2) / comm.size());
  const std::int64_t needed = node.reduce(share, MPI_SUM);
  const std::int64_t room = node.reduce(available, MPI_MIN);
  const std::int64_t total = comm.sum(share);
  const std::int64_t smallest = std::max<std::int64_t>(1, comm.min(room));
  parallel::agree(comm, [&] {
    if (needed <= room) return;
    const std::int64_t nodes = total / smallest + (total % smallest != 0 ? 1 : 0);
    throw Error(ExitCode::too_large,
                what + " needs " + format_bytes(needed) + " on node " + host_name() + " (" +
                    std::to_string(node.size()) + (node.size() == 1 ? " rank" : " ranks") +
                    "), but " + format_bytes(room) + " are available there; spread the job over " +
                    "at least " + std::to_string(nodes) + " such nodes (" + format_bytes(total) +
                    " in all; more ranks on the same node do not help), or select fewer data");
  });
}

}  // namespace mensura::output
