// SPDX-License-Identifier: BSD-3-Clause
#include "output/digest.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <vector>

#include "output/file_system.hpp"
#include "parallel/random.hpp"

namespace mensura::output {
namespace {

using parallel::Error;
using parallel::ExitCode;
using parallel::mix;

constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;
constexpr std::int64_t block_bytes = std::int64_t{1} << 22;

template <class T>
std::uint64_t hash_all(std::int64_t first, std::span<const T> values) noexcept {
  std::uint64_t sum = 0;
  auto position = static_cast<std::uint64_t>(first);
  for (const T value : values) {
    sum += mix(mix(position++ + golden) ^ std::bit_cast<std::uint64_t>(value));
  }
  return sum;
}

void read_block(int file, const std::string& path, std::int64_t start,
                std::span<unsigned char> block) {
  for (std::size_t done = 0; done < block.size();) {
    const ssize_t got = ::pread(file, block.data() + done, block.size() - done,
                                static_cast<off_t>(start) + static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Error(ExitCode::input_data, path + ": cannot read: " + system_error());
    if (got == 0) throw Error(ExitCode::input_data, path + ": ends early");
    done += static_cast<std::size_t>(got);
  }
}

std::uint64_t digest_blocks(const std::string& path, std::int64_t bytes, std::int64_t begin,
                            std::int64_t end) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw Error(ExitCode::input_data, path + ": cannot open: " + system_error());
  std::uint64_t sum = 0;
  try {
    std::vector<unsigned char> block(static_cast<std::size_t>(std::min(bytes, block_bytes)));
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t start = i * block_bytes;
      const auto length = static_cast<std::size_t>(std::min(block_bytes, bytes - start));
      read_block(file, path, start, std::span(block).first(length));
      sum += hash_bytes(static_cast<std::uint64_t>(start), std::span(block).first(length));
    }
  } catch (...) {
    ::close(file);
    throw;
  }
  ::close(file);
  return sum;
}

}  // namespace

std::uint64_t hash_bytes(std::uint64_t start, std::span<const unsigned char> bytes) noexcept {
  std::uint64_t hash = mix(start + golden) ^ mix(bytes.size());
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    hash = mix(hash ^ word) + golden;
  }
  for (; i < bytes.size(); ++i) hash = mix(hash ^ bytes[i]) + golden;
  return hash;
}

std::uint64_t hash_elements(std::int64_t first, std::span<const std::int64_t> values) noexcept {
  return hash_all(first, values);
}
std::uint64_t hash_elements(std::int64_t first, std::span<const double> values) noexcept {
  return hash_all(first, values);
}

std::uint64_t digest_file(const parallel::Communicator& comm, const std::string& path,
                          std::int64_t bytes) {
  const std::int64_t blocks = (bytes + block_bytes - 1) / block_bytes;
  const std::int64_t begin = blocks * comm.rank() / comm.size();
  const std::int64_t end = blocks * (comm.rank() + 1) / comm.size();
  std::uint64_t sum = 0;
  parallel::agree(comm, [&] {
    if (begin < end) sum = digest_blocks(path, bytes, begin, end);
  });
  return sum_modulo(comm, sum);
}

}  // namespace mensura::output
