// SPDX-License-Identifier: BSD-3-Clause
#include "output/file_system.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <limits>
#include <utility>

#include "output/memory.hpp"
#include "parallel/error.hpp"

namespace mensura::output {
namespace {

using parallel::Error;
using parallel::ExitCode;

[[noreturn]] void fail(const std::string& path, const std::string& action) {
  throw Error(ExitCode::output, path + ": cannot " + action + ": " + system_error());
}

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : id_(::open(path.c_str(), flags, 0666)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (id_ >= 0) ::close(id_);
  }
  int id() const noexcept { return id_; }
  bool valid() const noexcept { return id_ >= 0; }
  bool close() noexcept { return ::close(std::exchange(id_, -1)) == 0; }

 private:
  int id_;
};

void write_all(Descriptor& file, const std::string& path, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(file.id(), text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path, "write");
    done += static_cast<std::size_t>(written);
  }
  if (::fsync(file.id()) != 0) fail(path, "write to the disk");
  if (!file.close()) fail(path, "close");
}

[[noreturn]] void no_space(const std::string& path, const std::string& folder,
                           const std::string& what, std::int64_t needed, const std::string& cause) {
  throw Error(ExitCode::output, path + ": cannot write " + what + " (" + format_bytes(needed) +
                                    "): " + cause + ", " + format_bytes(free_space(folder)) +
                                    " free; free some space or choose another output folder");
}

}  // namespace

std::string system_error() {
  return std::strerror(errno);
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string name_of(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

void create_empty(const std::string& path) {
  Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  if (!file.valid()) fail(path, "create");
}

void check_writable(const std::string& path) {
  Descriptor file(path, O_WRONLY | O_CLOEXEC);
  if (!file.valid()) fail(path, "open for writing");
}

void make_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0777) == 0) return;
  if (errno != EEXIST) fail(path, "make the folder");
  if (!std::filesystem::is_directory(path)) fail(path, "make the folder");
}

std::int64_t free_space(const std::string& folder) {
  struct statvfs status = {};
  if (::statvfs(folder.c_str(), &status) != 0) fail(folder, "ask for the free space");
  // Some network file systems report nothing: then writing itself has to tell.
  if (status.f_blocks == 0) return std::numeric_limits<std::int64_t>::max();
  return static_cast<std::int64_t>(status.f_bavail) * static_cast<std::int64_t>(status.f_frsize);
}

void check_free_space(const std::string& folder, std::int64_t bytes, const std::string& what) {
  if (free_space(folder) >= bytes) return;
  no_space(folder, folder, what, bytes, std::strerror(ENOSPC));
}

void reserve(const std::string& path, std::int64_t bytes, const std::string& what) {
  Descriptor file(path, O_WRONLY | O_CLOEXEC);
  if (!file.valid()) fail(path, "open for writing");
  struct stat before = {};
  if (::fstat(file.id(), &before) != 0) fail(path, "ask for the size");
  int result = 0;
  do {
    result = ::fallocate(file.id(), 0, 0, bytes);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return;
  const std::int64_t more = bytes - std::int64_t{before.st_blocks} * 512;
  const bool unsupported = errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL;
  if (!unsupported) no_space(path, folder_of(path), what, more, system_error());
  check_free_space(folder_of(path), more, what);
}

bool divert_to_memory(const std::string& path) noexcept {
  struct stat target = {};
  if (::stat(path.c_str(), &target) != 0) return false;
  try {
    bool good = true;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      const int id = std::stoi(entry.path().filename().string());
      struct stat status = {};
      if (::fstat(id, &status) != 0) continue;
      if (status.st_dev != target.st_dev || status.st_ino != target.st_ino) continue;
      const int memory = ::memfd_create("abandoned", MFD_CLOEXEC);
      good = memory >= 0 && ::dup2(memory, id) >= 0 && good;
      if (memory >= 0) ::close(memory);
    }
    return good;
  } catch (const std::exception&) {
    return false;
  }
}

void sync_to_disk(const std::string& path, bool forget) {
  Descriptor file(path, O_RDONLY | O_CLOEXEC);
  if (!file.valid()) fail(path, "open for syncing");
  // Some file systems cannot sync folders and say EINVAL: nothing is lost there.
  if (::fsync(file.id()) != 0 && errno != EINVAL) fail(path, "write to the disk");
  if (forget) ::posix_fadvise(file.id(), 0, 0, POSIX_FADV_DONTNEED);
}

void write_text(const std::string& path, const std::string& text) {
  const std::string temporary = path + ".new";
  try {
    Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
    if (!file.valid()) fail(path, "create");
    write_all(file, path, text);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail(path, "replace");
  } catch (...) {
    remove_quietly(temporary);
    throw;
  }
  sync_to_disk(folder_of(path));
}

void write_new_text(const std::string& path, const std::string& text) {
  Descriptor file(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
  if (!file.valid()) fail(path, "create");
  write_all(file, path, text);
  sync_to_disk(folder_of(path));
}

void remove_quietly(const std::string& path) noexcept {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

}  // namespace mensura::output
