// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <bit>
#include <exception>
#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include "output/checkpoint.hpp"
#include "output/checkpoint_folder.hpp"
#include "output/digest.hpp"
#include "output/file_system.hpp"
#include "output/hdf5.hpp"

namespace mensura::output {
namespace {

using parallel::Error;
using parallel::ExitCode;
using Kind = ManifestEntry::Kind;

constexpr int kept_checkpoints = 2;

bool is_complete(const std::string& checkpoint) {
  try {
    read_marker(checkpoint);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// The marker goes first: a removal that is interrupted leaves a half-written checkpoint, which
// nobody trusts.
void remove_checkpoint(const std::string& checkpoint) {
  remove_quietly(marker_path(checkpoint));
  remove_quietly(checkpoint);
}

// Local (rank 0). Removes half-written folders of this step and says under which name to write.
CheckpointName next_name(const std::string& folder, std::int64_t step) {
  std::vector<std::string> others;
  CheckpointName name{step, 1};
  for (const CheckpointName& old : list_checkpoints(folder, others)) {
    if (old.step != step) continue;
    const std::string path = folder + "/" + old.text();
    if (is_complete(path)) {
      name.attempt = std::max(name.attempt, old.attempt + 1);
    } else {
      remove_checkpoint(path);
    }
  }
  return name;
}

// Local (rank 0). Keeps the newest complete ones up to `current`. What claims to be newer belongs
// to a branch that the run has left (it was damaged, or the user restarted from an older one).
void remove_old(const std::string& folder, const CheckpointName& current) {
  std::vector<std::string> others;
  int complete = 0;
  for (const CheckpointName& name : list_checkpoints(folder, others)) {
    const std::string path = folder + "/" + name.text();
    const bool keep = name <= current && complete < kept_checkpoints && is_complete(path);
    if (keep) {
      ++complete;
    } else {
      remove_checkpoint(path);
    }
  }
}

}  // namespace

struct CheckpointWriter::State {
  const parallel::Communicator& comm;
  std::string folder;
  std::string path;
  CheckpointName name;
  std::optional<File> file;
  Manifest manifest;
  bool committed = false;

  void guard(const std::function<void()>& action);
  void discard();
  void prepare(std::int64_t step, std::int64_t expected_bytes);
  void note(const std::string& array, Kind kind, std::int64_t count, std::uint64_t local_hash);
  void make_durable() const;
  void verify_and_mark() const;
};

// Errors come agreed: all ranks are here, and all drop what they have written.
void CheckpointWriter::State::guard(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    discard();
    if (error.code() != ExitCode::input_data) throw;
    throw Error(ExitCode::output, path + ": the checkpoint failed its verification: " +
                                      error.what() + "; check the disk");
  }
}

void CheckpointWriter::State::discard() {
  file.reset();
  comm.barrier();
  if (comm.is_root() && !path.empty()) remove_checkpoint(path);
  comm.barrier();
  committed = true;
}

void CheckpointWriter::State::prepare(std::int64_t step, std::int64_t expected_bytes) {
  std::string chosen;
  parallel::agree(comm, [&] {
    if (!comm.is_root()) return;
    make_folder(folder);
    name = next_name(folder, step);
    // Chunk indices and headers come on top of the values.
    const std::int64_t overhead = expected_bytes / 32 + (std::int64_t{1} << 20);
    check_free_space(folder, expected_bytes + overhead, "a checkpoint");
    chosen = folder + "/" + name.text();
    make_folder(chosen);
  });
  comm.broadcast(chosen);
  comm.broadcast(std::span<CheckpointName>(&name, 1));
  path = chosen;
  guard([&] {
    file = File::create(comm, state_path(path), Storage::checksummed);
    write_header(*file, checkpoint_filetype, {});
    file->attribute("/", "step", step);
    file->group("/state");
  });
}

void CheckpointWriter::State::note(const std::string& array, Kind kind, std::int64_t count,
                                   std::uint64_t local_hash) {
  parallel::require(array.find('\n') == std::string::npos && !array.empty(),
                    "a checkpointed array needs a name of one line");
  manifest.push_back({array, kind, count, sum_modulo(comm, local_hash)});
}

// Each rank's own pages, then the entries of the folder.
void CheckpointWriter::State::make_durable() const {
  parallel::agree(comm, [&] { sync_to_disk(state_path(path), true); });
  parallel::agree(comm, [&] {
    if (!comm.is_root()) return;
    sync_to_disk(path);
    sync_to_disk(folder);
  });
}

void CheckpointWriter::State::verify_and_mark() const {
  verify_contents(comm, path, manifest);
  Marker marker;
  marker.step = name.step;
  parallel::agree(comm, [&] {
    if (comm.is_root()) {
      marker.bytes = static_cast<std::int64_t>(std::filesystem::file_size(state_path(path)));
    }
  });
  comm.broadcast(std::span<std::int64_t>(&marker.bytes, 1));
  marker.digest = digest_file(comm, state_path(path), marker.bytes);
  parallel::agree(comm, [&] {
    if (!comm.is_root()) return;
    write_new_text(marker_path(path), marker.text());
    remove_old(folder, name);
  });
}

CheckpointWriter::CheckpointWriter(const parallel::Communicator& comm, const std::string& folder,
                                   std::int64_t step, std::int64_t expected_bytes)
    : state_(new State{comm, folder, {}, {}, {}, {}, false}) {
  state_->prepare(step, expected_bytes);
}

CheckpointWriter::~CheckpointWriter() {
  if (!state_->committed && std::uncaught_exceptions() == 0) state_->discard();
}

void CheckpointWriter::replicated(const std::string& name, std::span<const std::int64_t> values) {
  state_->guard([&] {
    state_->note(name, Kind::integers, static_cast<std::int64_t>(values.size()),
                 state_->comm.is_root() ? hash_elements(0, values) : 0);
    state_->file->replicated("/state/" + name, values);
  });
}

void CheckpointWriter::replicated(const std::string& name, std::span<const double> values) {
  state_->guard([&] {
    state_->note(name, Kind::reals, static_cast<std::int64_t>(values.size()),
                 state_->comm.is_root() ? hash_elements(0, values) : 0);
    state_->file->replicated("/state/" + name, values);
  });
}

void CheckpointWriter::replicated(const std::string& name, const std::string& text) {
  const std::span bytes(reinterpret_cast<const unsigned char*>(text.data()), text.size());
  state_->guard([&] {
    state_->note(name, Kind::text, static_cast<std::int64_t>(text.size()),
                 state_->comm.is_root() ? hash_bytes(0, bytes) : 0);
    state_->file->bytes("/state/" + name, text);
  });
}

void CheckpointWriter::distributed(const std::string& name, std::span<const std::int64_t> values,
                                   std::int64_t first, std::int64_t total) {
  state_->guard([&] {
    state_->note(name, Kind::integers, total, hash_elements(first, values));
    state_->file->distributed("/state/" + name, values, {{total}, first});
  });
}

void CheckpointWriter::distributed(const std::string& name, std::span<const double> values,
                                   std::int64_t first, std::int64_t total) {
  state_->guard([&] {
    state_->note(name, Kind::reals, total, hash_elements(first, values));
    state_->file->distributed("/state/" + name, values, {{total}, first});
  });
}

void CheckpointWriter::commit() {
  state_->guard([this] {
    state_->file->bytes("/manifest", to_text(state_->manifest));
    state_->file->finish();
    state_->make_durable();
    state_->verify_and_mark();
  });
  state_->committed = true;
}

}  // namespace mensura::output
