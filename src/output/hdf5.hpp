// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::output {

/// Largest number of bytes in one HDF5 transfer of one rank (1 GiB: larger independent transfers
/// fail in HDF5 1.10). Tests lower it. The setter must be called with the same value on all ranks.
std::int64_t transfer_limit() noexcept;
void set_transfer_limit(std::int64_t bytes);

/// "1.10.8": the HDF5 library in use.
std::string hdf5_version();

/// Who made a file, for its root attributes. `deck_hash` is the SHA-256 of the deck.
struct Provenance {
  std::string producer = "Mensura";
  std::string git_id;
  std::string deck_hash;
};

/// What a dataset means: its unit ("1" when it has none, "" writes no attribute) and a sentence.
struct Labels {
  std::string unit;
  std::string long_name;
};

/// How the datasets of a file are stored.
enum class Storage {
  contiguous,   ///< results: plain arrays that any HDF5 >= 1.8 maps directly
  checksummed,  ///< checkpoints: v110 metadata (checksummed), 1 MiB chunks with Fletcher-32
};

/// Where this rank's values lie in a distributed array: the row-major array of extents `shape` is
/// numbered flat, and this rank holds the flat positions [first, first + values.size()). The ranges
/// of all ranks must be disjoint; positions nobody holds are undefined in the file.
struct Placement {
  std::vector<std::int64_t> shape;
  std::int64_t first = 0;
};

/// One HDF5 file being written by all ranks. Every member is collective on the communicator (which
/// must outlive the file) and must be called with the same names, shapes, labels and replicated
/// values on all ranks. Every failure is agreed and thrown on all ranks as Error{output} naming the
/// file and the cause; the file is then closed (incomplete) and takes no more calls. Space on the
/// disk is reserved before anything is written, so a full disk is met before HDF5 meets it.
/// Layout and chunk sizes do not depend on the number of ranks.
class File {
 public:
  /// Creates or overwrites `path`; its folder must exist.
  static File create(const parallel::Communicator& comm, const std::string& path,
                     Storage storage = Storage::contiguous);
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  /// Closes a file that was not finished (it stays marked incomplete); while an exception unwinds
  /// the close, which is collective, is left to MPI_Finalize.
  ~File();

  /// Creates the group `name` ("/a/b") with its parents; an existing one is kept.
  void group(const std::string& name);

  // Attributes of the group or dataset `object` ("/" is the root); an existing one is replaced.
  void attribute(const std::string& object, const std::string& name, const std::string& text);
  void attribute(const std::string& object, const std::string& name, const char* text);
  void attribute(const std::string& object, const std::string& name, std::int64_t value);
  void attribute(const std::string& object, const std::string& name, double value);
  void attribute(const std::string& object, const std::string& name,
                 std::span<const std::int64_t> values);
  void attribute(const std::string& object, const std::string& name,
                 std::span<const double> values);
  void attribute(const std::string& object, const std::string& name,
                 const std::vector<std::string>& values);

  // Replicated datasets: every rank passes the same values, those of rank 0 are written once.
  // Parent groups are created. An empty shape means (values.size()).
  void replicated(const std::string& dataset, std::span<const double> values,
                  const Labels& labels = {}, std::vector<std::int64_t> shape = {});
  void replicated(const std::string& dataset, std::span<const std::int64_t> values,
                  const Labels& labels = {}, std::vector<std::int64_t> shape = {});
  void replicated(const std::string& dataset, const std::vector<std::string>& values,
                  const Labels& labels = {});
  /// Replicated bytes, as uint8.
  void bytes(const std::string& dataset, const std::string& content, const Labels& labels = {});

  // Distributed datasets: see Placement. Parent groups are created.
  void distributed(const std::string& dataset, std::span<const double> values,
                   const Placement& placement, const Labels& labels = {});
  void distributed(const std::string& dataset, std::span<const std::int64_t> values,
                   const Placement& placement, const Labels& labels = {});

  /// Writes everything, reads the datasets back (contiguous storage; fingerprints taken from
  /// memory), sets the root attribute complete = 1 where write_header() put a 0, closes and forces
  /// the file to the disk.
  void finish();

  const parallel::Communicator& communicator() const noexcept;
  const std::string& path() const noexcept;
  /// True when the last dataset was written by collective MPI-IO on all ranks (HDF5 may silently
  /// fall back to independent transfers; a test asks).
  bool last_transfer_was_collective() const noexcept;

 private:
  struct State;
  explicit File(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Collective. Root attributes of every file of the house: filetype, format_version (major, minor),
/// producer, git_id, created_utc, deck_hash, ranks, hdf5_version and complete = 0.
void write_header(File& file, const std::string& filetype, const Provenance& provenance);

}  // namespace mensura::output
