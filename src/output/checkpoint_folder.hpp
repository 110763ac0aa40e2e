// SPDX-License-Identifier: BSD-3-Clause
// Private to this folder: what a checkpoint folder is made of, and when it may be trusted.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "output/hdf5_handle.hpp"
#include "parallel/communicator.hpp"

namespace mensura::output {

inline constexpr const char* checkpoint_filetype = "mensura checkpoint";

/// Name of a checkpoint folder: the step, nine digits or more; a step that was saved before (a
/// restarted run stopped at once) gets ".2", ".3", since a good checkpoint is never overwritten.
struct CheckpointName {
  std::int64_t step = 0;
  std::int64_t attempt = 1;
  auto operator<=>(const CheckpointName&) const = default;
  std::string text() const;
  static std::optional<CheckpointName> parse(const std::string& text);
};

/// One array of the state. The manifest, a dataset of its own, lists all of them.
struct ManifestEntry {
  enum class Kind { integers, reals, text };
  std::string name;
  Kind kind = Kind::integers;
  std::int64_t count = 0;
  std::uint64_t fingerprint = 0;  ///< of the values by global position, the same on any ranks
};
using Manifest = std::vector<ManifestEntry>;
std::string to_text(const Manifest& manifest);
/// Throws Error{input_data} for anything that to_text() does not write.
Manifest parse_manifest(const std::string& text);

/// The content of the file COMPLETE: written last, about the bytes of state.h5.
struct Marker {
  std::int64_t step = 0;
  std::int64_t bytes = 0;
  std::uint64_t digest = 0;
  std::string text() const;  ///< ends with a check of itself
};
/// Local. Throws Error{input_data} when the marker is missing or not exactly what text() writes.
Marker read_marker(const std::string& checkpoint);

std::string state_path(const std::string& checkpoint);
std::string marker_path(const std::string& checkpoint);

/// state.h5 opened by this process alone, read-only. Local. Unpacking checksummed chunks is each
/// rank's own work, and a damaged chunk then stops no other rank. Throws Error{input_data}.
class StateFile {
 public:
  explicit StateFile(const std::string& checkpoint);
  const Manifest& manifest() const noexcept { return manifest_; }
  const ManifestEntry* find(const std::string& name) const noexcept;
  /// Elements [first, first + count) of one array into `target`.
  void read(const ManifestEntry& entry, std::int64_t first, std::int64_t count, void* target) const;

 private:
  std::string path_;
  FileHandle file_;
  Manifest manifest_;
};

/// Collective. Every byte of state.h5 against the marker, then the structure against the manifest.
/// Throws Error{input_data} on all ranks with the first thing that is wrong.
void verify_checkpoint(const parallel::Communicator& comm, const std::string& checkpoint);

/// Collective. Reads all arrays (so that all Fletcher-32 sums are checked) and compares them with
/// the fingerprints taken from memory. Throws Error{input_data} on all ranks.
void verify_contents(const parallel::Communicator& comm, const std::string& checkpoint,
                     const Manifest& expected);

/// Local. Names of all checkpoint folders, newest first; `others` gets what else lies there.
std::vector<CheckpointName> list_checkpoints(const std::string& folder,
                                             std::vector<std::string>& others);

}  // namespace mensura::output
