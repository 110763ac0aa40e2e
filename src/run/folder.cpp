// SPDX-License-Identifier: BSD-3-Clause
#include "run/folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "run/folder_lock.hpp"

namespace mensura::run {
namespace {

namespace fs = std::filesystem;
using parallel::Error;
using parallel::ExitCode;

// All that Mensura ever puts into an output folder.
const std::vector<std::string> own_files = {
    "run.json",   "run.json.partial",   "resolved.yaml", "resolved.yaml.partial",
    "input.yaml", "input.yaml.partial", "log.txt",       "results.h5"};

[[noreturn]] void fail(const std::string& what, int cause) {
  std::string advice;
  if (cause == ENOSPC || cause == EDQUOT) advice = ". Free space or use another folder";
  if (cause == EROFS || cause == EACCES || cause == EPERM) {
    advice = ". Choose a folder that can be written (--output DIR)";
  }
  throw Error(ExitCode::output, fmt::format("cannot {}: {}{}", what, std::strerror(cause), advice));
}

// Standard library failures of the file system as errors of the output folder.
template <class Action>
void guarded(const std::string& what, Action action) {
  try {
    action();
  } catch (const fs::filesystem_error& error) {
    fail(what, error.code().value());
  }
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

EarlierRun read_earlier(const std::string& folder) {
  EarlierRun run;
  const auto json = nlohmann::json::parse(read_text(folder + "/run.json"), nullptr, false);
  if (!json.is_object() || !json.contains("mensura")) return run;
  run.present = true;
  // Wrong types in a hand-edited record must not stop a run: what cannot be read is unknown.
  const auto exit = json.find("exit");
  if (exit != json.end() && exit->is_number_integer()) run.exit = exit->get<int>();
  const auto hash = json.find("problem_hash");
  if (hash != json.end() && hash->is_string()) run.problem_hash = hash->get<std::string>();
  const auto restarts = json.find("restarts");
  if (restarts != json.end() && restarts->is_number_integer()) {
    run.restarts = restarts->get<std::int64_t>();
  }
  const auto inputs = json.find("inputs");
  if (inputs != json.end() && inputs->is_array()) {
    for (const auto& input : *inputs) {
      if (input.is_string()) run.inputs.push_back(input.get<std::string>());
    }
  }
  run.resolved = read_text(folder + "/resolved.yaml");
  return run;
}

bool is_ours(const std::string& folder) {
  return read_earlier(folder).present || read_lock(folder + "/lock").has_value();
}

bool is_empty(const std::string& folder) {
  return std::all_of(fs::directory_iterator(folder), fs::directory_iterator(),
                     [](const fs::directory_entry& entry) {
                       const std::string name = entry.path().filename().string();
                       return name == "lock" && read_lock(entry.path().string());
                     });
}

// Throws when the folder (which exists) must not be used that way.
void check_use(const std::string& folder, FolderUse use) {
  if (!fs::is_directory(folder)) {
    throw Error(ExitCode::usage, fmt::format("output folder '{}' is a file; choose another name "
                                             "(output.folder or --output DIR)",
                                             folder));
  }
  if (use == FolderUse::resume || is_empty(folder)) return;
  if (use == FolderUse::fresh) {
    throw Error(ExitCode::usage,
                fmt::format("output folder '{}' exists and is not empty. Choose another (--output "
                            "DIR), continue the run in it (--restart auto), or let it be "
                            "overwritten (--set output.overwrite=true)",
                            folder));
  }
  if (is_ours(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool clash = std::find(own_files.begin(), own_files.end(), name) != own_files.end() ||
                       name == "checkpoint" || name == "fields" || name == "lock";
    if (clash) {
      throw Error(ExitCode::usage,
                  fmt::format("output folder '{}' holds '{}', which Mensura did not make (there is "
                              "no run.json of Mensura); choose another folder (--output DIR)",
                              folder, name));
    }
  }
}

bool is_step_name(const std::string& name) {
  return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

// Removes what Mensura made and nothing else.
void clear(const std::string& folder, bool keep_log) {
  for (const auto& name : own_files) {
    if (!(keep_log && name == "log.txt")) fs::remove(folder + "/" + name);
  }
  const auto clear_inside = [&](const std::string& name, auto made_by_us) {
    const fs::path inside = folder + "/" + name;
    if (!fs::is_directory(inside)) return;
    std::vector<fs::path> ours;
    for (const auto& entry : fs::directory_iterator(inside)) {
      if (made_by_us(entry.path())) ours.push_back(entry.path());
    }
    for (const auto& path : ours) fs::remove_all(path);
    if (fs::is_empty(inside)) fs::remove(inside);
  };
  clear_inside("checkpoint",
               [](const fs::path& path) { return is_step_name(path.filename().string()); });
  clear_inside("fields", [](const fs::path& path) {
    return path.extension() == ".h5" || path.extension() == ".xdmf";
  });
}

void write_file(const std::string& path, const std::string& text) {
  const std::string partial = path + ".partial";
  const int file = open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) fail(fmt::format("create '{}'", partial), errno);
  std::size_t done = 0;
  int cause = 0;
  while (cause == 0 && done < text.size()) {
    const ssize_t part = ::write(file, text.data() + done, text.size() - done);
    if (part > 0) done += static_cast<std::size_t>(part);
    if (part < 0 && errno != EINTR) cause = errno;
    if (part == 0) cause = ENOSPC;
  }
  if (cause == 0 && fsync(file) != 0) cause = errno;
  if (close(file) != 0 && cause == 0) cause = errno;  // network file systems report late
  if (cause == 0 && rename(partial.c_str(), path.c_str()) != 0) cause = errno;
  if (cause != 0) {
    unlink(partial.c_str());
    fail(fmt::format("write '{}'", path), cause);
  }
}

}  // namespace

EarlierRun earlier_run(const parallel::Communicator& comm, const std::string& folder) {
  EarlierRun run;
  parallel::agree(comm, [&] {
    if (comm.is_root()) run = read_earlier(folder);
  });
  std::array<std::int64_t, 3> numbers{run.present ? 1 : 0, run.exit, run.restarts};
  comm.broadcast(std::span<std::int64_t>(numbers));
  run.present = numbers[0] != 0;
  run.exit = static_cast<int>(numbers[1]);
  run.restarts = numbers[2];
  comm.broadcast(run.problem_hash);
  comm.broadcast(run.resolved);
  return run;
}

void refuse_living(const parallel::Communicator& comm, const std::string& folder) {
  parallel::agree(comm, [&] {
    if (!comm.is_root()) return;
    const std::string owner = living_owner(folder + "/lock");
    if (owner.empty()) return;
    throw Error(ExitCode::usage,
                fmt::format("output folder '{}' is in use by a living run ({}). Wait for it, or "
                            "choose another folder with --output DIR",
                            folder, owner));
  });
}

Folder::Folder(const parallel::Communicator& comm, const std::string& path, FolderUse use)
    : comm_(comm), path_(path) {
  parallel::agree(comm_, [&] {
    if (!comm_.is_root()) return;
    guarded(fmt::format("use the output folder '{}'", path_), [&] {
      if (!fs::exists(path_)) fs::create_directories(path_);
      check_use(path_, use);
      lock_ = std::make_unique<FolderLock>(file("lock"));
      check_use(path_, use);  // another run may have come and gone before the lock was ours
      if (use == FolderUse::overwrite || use == FolderUse::reuse) {
        clear(path_, use == FolderUse::reuse);
      }
      fs::create_directories(checkpoints());
    });
  });
}

Folder::~Folder() = default;

void Folder::write(const std::string& name, const std::string& text) const {
  parallel::agree(comm_, [&] {
    if (comm_.is_root()) write_file(file(name), text);
  });
}

}  // namespace mensura::run
