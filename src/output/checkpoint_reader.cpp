// SPDX-License-Identifier: BSD-3-Clause
#include <optional>

#include "output/checkpoint.hpp"
#include "output/checkpoint_folder.hpp"
#include "output/file_system.hpp"

namespace mensura::output {
namespace {

using parallel::Error;
using parallel::ExitCode;
using Kind = ManifestEntry::Kind;

}  // namespace

struct CheckpointReader::State {
  const parallel::Communicator& comm;
  std::string path;
  std::optional<StateFile> file;

  const ManifestEntry& entry(const std::string& name, Kind kind) const;
  template <class T>
  T replicated(const std::string& name, Kind kind) const;
  template <class T>
  std::vector<T> distributed(const std::string& name, Kind kind, std::int64_t first,
                             std::int64_t count) const;
};

// The manifest is the same on all ranks, and so is the failure.
const ManifestEntry& CheckpointReader::State::entry(const std::string& name, Kind kind) const {
  const ManifestEntry* found = file->find(name);
  if (found == nullptr || found->kind != kind) {
    throw Error(ExitCode::input_data, path + ": the checkpoint has no array " + name +
                                          " of the expected kind; it was written by another "
                                          "solver or version and cannot be restarted from");
  }
  return *found;
}

// Rank 0 reads, the others receive: small values need not be read thousands of times.
template <class T>
T CheckpointReader::State::replicated(const std::string& name, Kind kind) const {
  const ManifestEntry& array = entry(name, kind);
  T values;
  parallel::agree(comm, [&] {
    values.resize(static_cast<std::size_t>(array.count));
    if (comm.is_root()) file->read(array, 0, array.count, values.data());
  });
  comm.broadcast(std::span<typename T::value_type>(values));
  return values;
}

template <class T>
std::vector<T> CheckpointReader::State::distributed(const std::string& name, Kind kind,
                                                    std::int64_t first, std::int64_t count) const {
  const ManifestEntry& array = entry(name, kind);
  std::vector<T> values;
  parallel::agree(comm, [&] {
    values.resize(static_cast<std::size_t>(count));
    file->read(array, first, count, values.data());
  });
  return values;
}

CheckpointReader::CheckpointReader(const parallel::Communicator& comm, const std::string& path)
    : state_(new State{comm, path, {}}) {
  try {
    verify_checkpoint(comm, path);
    parallel::agree(comm, [&] { state_->file.emplace(path); });
  } catch (const Error& error) {
    throw Error(ExitCode::input_data, path + ": the checkpoint cannot be used: " + error.what());
  }
}

CheckpointReader::~CheckpointReader() = default;

bool CheckpointReader::has(const std::string& name) const {
  return state_->file->find(name) != nullptr;
}

std::vector<std::int64_t> CheckpointReader::integers(const std::string& name) const {
  return state_->replicated<std::vector<std::int64_t>>(name, Kind::integers);
}

std::vector<double> CheckpointReader::reals(const std::string& name) const {
  return state_->replicated<std::vector<double>>(name, Kind::reals);
}

std::string CheckpointReader::text(const std::string& name) const {
  return state_->replicated<std::string>(name, Kind::text);
}

std::int64_t CheckpointReader::extent(const std::string& name) const {
  const ManifestEntry* found = state_->file->find(name);
  if (found == nullptr) {
    throw Error(ExitCode::input_data, state_->path + ": the checkpoint has no array " + name);
  }
  return found->count;
}

std::vector<std::int64_t> CheckpointReader::integers(const std::string& name, std::int64_t first,
                                                     std::int64_t count) const {
  return state_->distributed<std::int64_t>(name, Kind::integers, first, count);
}

std::vector<double> CheckpointReader::reals(const std::string& name, std::int64_t first,
                                            std::int64_t count) const {
  return state_->distributed<double>(name, Kind::reals, first, count);
}

std::string newest_verified_checkpoint(const parallel::Communicator& comm,
                                       const std::string& folder,
                                       std::vector<std::string>& passed_over) {
  std::vector<CheckpointName> names;
  std::string others;
  if (comm.is_root()) {
    std::vector<std::string> foreign;
    names = list_checkpoints(folder, foreign);
    for (const std::string& name : foreign) others += name + "\n";
  }
  std::int64_t count = static_cast<std::int64_t>(names.size());
  comm.broadcast(std::span<std::int64_t>(&count, 1));
  names.resize(static_cast<std::size_t>(count));
  comm.broadcast(std::span<CheckpointName>(names));
  comm.broadcast(others);
  for (std::size_t begin = 0, end = 0; begin < others.size(); begin = end + 1) {
    end = others.find('\n', begin);
    passed_over.push_back(folder + "/" + others.substr(begin, end - begin) +
                          ": it is not a checkpoint");
  }
  for (const CheckpointName& name : names) {
    const std::string path = folder + "/" + name.text();
    try {
      verify_checkpoint(comm, path);
      return path;
    } catch (const Error& error) {
      passed_over.push_back(path + ": " + error.what());
    }
  }
  return {};
}

}  // namespace mensura::output
