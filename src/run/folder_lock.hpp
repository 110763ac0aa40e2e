// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace mensura::run {

/// Who holds or held an output folder: the text of its file `lock`.
struct LockOwner {
  std::string host;
  long pid = 0;
  std::string started;  ///< UTC
  std::string job;      ///< Slurm job, or "-"
  long requeues = 0;    ///< SLURM_RESTART_COUNT
  long long beat = 0;   ///< counts up while the owner lives
  long long time = 0;   ///< of the last beat, seconds since 1970
};

/// Local. The owner named in a lock file; empty when there is none or it is not ours.
std::optional<LockOwner> read_lock(const std::string& path);

/// Local. A sentence about the owner when a living run holds the lock file, else empty. On the same
/// node the operating system's lock decides, which dies with its process. For an owner on another
/// node (or where the file system has no locks) its heartbeat does: this may watch it for up to
/// 30 s. Changes nothing.
std::string living_owner(const std::string& path);

/// A lock held by this process. Rank 0 only.
class FolderLock {
 public:
  /// Takes the lock. Throws Error{usage} when a living run holds it, Error{output} when the file
  /// cannot be written.
  explicit FolderLock(const std::string& path);
  /// Removes the file and releases the lock.
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  void acquire();
  bool write();
  void beat_until_told();
  std::string path_;
  int file_ = -1;
  LockOwner owner_;
  std::mutex mutex_;
  std::condition_variable told_;
  bool stop_ = false;
  std::thread heart_;
};

}  // namespace mensura::run
