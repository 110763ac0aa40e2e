// SPDX-License-Identifier: BSD-3-Clause
#include "output/hdf5_verify.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "output/digest.hpp"
#include "output/hdf5.hpp"

namespace mensura::output {

std::uint64_t hash_raw(std::int64_t first, const void* data, std::int64_t count,
                       std::int64_t element_bytes) noexcept {
  if (element_bytes == 8) {
    return hash_elements(first,
                         {static_cast<const std::int64_t*>(data), static_cast<std::size_t>(count)});
  }
  const auto size = static_cast<std::size_t>(element_bytes);
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::uint64_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i, bytes += size) {
    sum += hash_bytes(static_cast<std::uint64_t>(first + i), {bytes, size});
  }
  return sum;
}

bool reads_back(const parallel::Communicator& comm, hid_t file, const Written& written) {
  constexpr std::int64_t buffer_bytes = std::int64_t{1} << 24;
  const std::int64_t total = std::accumulate(written.shape.begin(), written.shape.end(),
                                             std::int64_t{1}, std::multiplies<>());
  if (written.covered != total) return true;
  const DatasetHandle dataset(H5Dopen2(file, written.dataset.c_str(), H5P_DEFAULT));
  const TypeHandle type(H5Dget_type(dataset.id()));
  if (comm.min(std::int64_t{type.valid() ? 1 : 0}) == 0) return false;
  const std::int64_t piece =
      std::max<std::int64_t>(1, std::min(buffer_bytes, transfer_limit()) / written.element_bytes);
  const std::int64_t pieces = (total + piece - 1) / piece;
  const std::int64_t rounds = (pieces + comm.size() - 1) / comm.size();
  std::vector<std::int64_t> buffer;
  parallel::agree(comm, [&] {
    const std::int64_t bytes = std::min(piece, total) * written.element_bytes;
    buffer.resize(static_cast<std::size_t>(bytes / 8 + 1));
  });
  const PropertyHandle transfer = transfer_properties(true);
  std::uint64_t sum = 0;
  bool good = true;
  for (std::int64_t round = 0; round < rounds; ++round) {
    const std::int64_t first = std::min(total, (round * comm.size() + comm.rank()) * piece);
    const std::int64_t count = std::min(piece, total - first);
    const Selection selection(written.shape, first, count);
    good = H5Dread(dataset.id(), type.id(), selection.memory.id(), selection.file.id(),
                   transfer.id(), buffer.data()) >= 0 &&
           good;
    sum += hash_raw(first, buffer.data(), count, written.element_bytes);
  }
  good = comm.min(std::int64_t{good ? 1 : 0}) == 1;
  return sum_modulo(comm, sum) == written.fingerprint && good;
}

}  // namespace mensura::output
