// SPDX-License-Identifier: BSD-3-Clause
#include <array>
#include <ctime>

#include "output/hdf5.hpp"

namespace mensura::output {
namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

}  // namespace

void write_header(File& file, const std::string& filetype, const Provenance& provenance) {
  const parallel::Communicator& comm = file.communicator();
  std::string date = utc_now();
  comm.broadcast(date);
  const std::array<std::int64_t, 2> version{1, 0};
  file.attribute("/", "filetype", filetype);
  file.attribute("/", "format_version", std::span<const std::int64_t>(version));
  file.attribute("/", "producer", provenance.producer);
  file.attribute("/", "git_id", provenance.git_id);
  file.attribute("/", "created_utc", date);
  file.attribute("/", "deck_hash", provenance.deck_hash);
  file.attribute("/", "ranks", std::int64_t{comm.size()});
  file.attribute("/", "hdf5_version", hdf5_version());
  file.attribute("/", "complete", std::int64_t{0});
}

}  // namespace mensura::output
