// SPDX-License-Identifier: BSD-3-Clause
#include "run/folder_lock.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>

#include "parallel/error.hpp"

namespace mensura::run {
namespace {

using parallel::Error;
using parallel::ExitCode;

constexpr auto beat_interval = std::chrono::seconds(10);
constexpr int watch_seconds = 30;  // three beats: a living owner is seen
constexpr long long stale = 120;   // no need to watch a heart that stopped that long ago

std::string environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

LockOwner myself() {
  LockOwner me;
  me.host = host_name();
  me.pid = getpid();
  me.started = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  me.job = environment("SLURM_JOB_ID", "-");
  me.requeues = std::atol(environment("SLURM_RESTART_COUNT", "0").c_str());
  me.time = std::time(nullptr);
  return me;
}

// The operating system's lock through any open file: taken, held by someone else, or not offered.
enum class Grip { taken, elsewhere, unsupported };
Grip grip(int file) {
  if (flock(file, LOCK_EX | LOCK_NB) == 0) return Grip::taken;
  return errno == EWOULDBLOCK ? Grip::elsewhere : Grip::unsupported;
}

std::string describe(const LockOwner& owner) {
  std::string text =
      fmt::format("process {} on {}, started {}", owner.pid, owner.host, owner.started);
  if (owner.job != "-") text += ", Slurm job " + owner.job;
  return text;
}

// Watches the heartbeat of an owner whom the operating system's lock says nothing about.
bool heart_beats(const std::string& path, const LockOwner& first) {
  if (std::time(nullptr) - first.time > stale) return false;
  for (int second = 0; second < watch_seconds; ++second) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const auto now = read_lock(path);
    if (!now) return false;
    if (now->beat != first.beat || now->pid != first.pid) return true;
  }
  return false;
}

bool alive(const std::string& path, const LockOwner& owner, Grip result) {
  const LockOwner me = myself();
  if (result == Grip::elsewhere) return true;
  if (result == Grip::taken && owner.host == me.host) return false;
  // A requeued job starts only after all processes of its earlier life are gone.
  if (owner.job != "-" && owner.job == me.job && me.requeues > owner.requeues) return false;
  return heart_beats(path, owner);
}

}  // namespace

std::optional<LockOwner> read_lock(const std::string& path) {
  std::ifstream file(path);
  std::string magic;
  LockOwner owner;
  file >> magic >> owner.host >> owner.pid >> owner.started >> owner.job >> owner.requeues >>
      owner.beat >> owner.time;
  return file && magic == "mensura-lock" ? std::optional(owner) : std::nullopt;
}

std::string living_owner(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return "";
  const Grip result = grip(file);
  close(file);
  const auto owner = read_lock(path);
  if (!owner) return result == Grip::elsewhere ? "a process that is just starting" : "";
  return alive(path, *owner, result) ? describe(*owner) : "";
}

FolderLock::FolderLock(const std::string& path) : path_(path), owner_(myself()) {
  acquire();
  if (!write()) {
    const std::string cause = std::strerror(errno);
    unlink(path_.c_str());
    close(file_);
    throw Error(ExitCode::output, fmt::format("cannot write '{}': {}", path_, cause));
  }
  // The heart must not take signals that are meant for the run's main thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  heart_ = std::thread([this] { beat_until_told(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

FolderLock::~FolderLock() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  told_.notify_all();
  heart_.join();
  unlink(path_.c_str());
  close(file_);
}

void FolderLock::acquire() {
  while (true) {
    const auto before = read_lock(path_);
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file_ < 0) {
      throw Error(ExitCode::output,
                  fmt::format("cannot create '{}': {}", path_, std::strerror(errno)));
    }
    const Grip result = grip(file_);
    if (result == Grip::elsewhere || (before && alive(path_, *before, result))) {
      close(file_);
      throw Error(ExitCode::usage,
                  fmt::format("the folder of '{}' is in use by a living run ({}). Wait for it, or "
                              "choose another folder with --output DIR",
                              path_, before ? describe(*before) : "just starting"));
    }
    // The last owner may have removed the name between our open and our lock.
    struct stat named{};
    struct stat held{};
    if (stat(path_.c_str(), &named) == 0 && fstat(file_, &held) == 0 &&
        named.st_ino == held.st_ino) {
      return;
    }
    close(file_);
  }
}

bool FolderLock::write() {
  // Fixed width, so that a reader never sees the tail of a longer text.
  const std::string text =
      fmt::format("{:<400}\n", fmt::format("mensura-lock {} {} {} {} {} {} {}", owner_.host,
                                           owner_.pid, owner_.started, owner_.job, owner_.requeues,
                                           owner_.beat, owner_.time));
  return pwrite(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()) &&
         fsync(file_) == 0;
}

void FolderLock::beat_until_told() {
  std::unique_lock guard(mutex_);
  while (!told_.wait_for(guard, beat_interval, [this] { return stop_; })) {
    ++owner_.beat;
    owner_.time = std::time(nullptr);
    write();  // a beat that is lost on a full disk is not worth a run
  }
}

}  // namespace mensura::run
