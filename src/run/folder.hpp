// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "parallel/communicator.hpp"

namespace mensura::run {

class FolderLock;

/// What the run may do with an output folder that exists.
enum class FolderUse {
  fresh,      ///< must not exist, or be empty
  overwrite,  ///< files that Mensura made there are removed first
  resume,     ///< results and checkpoints of an earlier run in this folder are kept
  reuse       ///< a restart that found no checkpoint: like overwrite, but log.txt is kept
};

/// What an earlier run left behind.
struct EarlierRun {
  bool present = false;  ///< there is a run.json of Mensura
  int exit = -1;         ///< -1: killed
  std::string problem_hash;
  std::string resolved;               ///< text of resolved.yaml
  std::vector<std::string> inputs{};  ///< input files with size and time; rank 0 only
  std::int64_t restarts = 0;
};

/// Collective. Reads what is known about the earlier run in `folder`; touches nothing. A missing
/// folder, and one without a readable run.json, is an absent run.
EarlierRun earlier_run(const parallel::Communicator& comm, const std::string& folder);

/// Collective. Throws Error{usage} when a living run uses `folder`. Touches nothing.
void refuse_living(const parallel::Communicator& comm, const std::string& folder);

/// The output folder of one run: taken at construction, locked for the life of the object against
/// other runs. Rank 0 touches the file system, all ranks agree. Throws Error{usage} when the folder
/// exists and must not be used, with advice, or is in use; Error{output} when it cannot be made or
/// written.
class Folder {
 public:
  Folder(const parallel::Communicator& comm, const std::string& path, FolderUse use);
  ~Folder();  ///< Local: releases the lock.
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string checkpoints() const { return file("checkpoint"); }

  /// Collective. Writes a small file completely or not at all (new name, fsync, rename); the text
  /// counts on rank 0. Throws Error{output}.
  void write(const std::string& name, const std::string& text) const;

 private:
  const parallel::Communicator& comm_;
  std::string path_;
  std::unique_ptr<FolderLock> lock_;
};

}  // namespace mensura::run
