// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "input/common.hpp"
#include "parallel/communicator.hpp"
#include "parallel/error.hpp"
#include "run/application.hpp"
#include "run/clock.hpp"
#include "run/command_line.hpp"
#include "run/folder.hpp"
#include "run/log.hpp"
#include "run/loop.hpp"
#include "run/rendezvous.hpp"
#include "run/restart.hpp"
#include "run/run_record.hpp"
#include "run/timers.hpp"

namespace mensura::linear {
class PetscSession;
}

namespace mensura::run {

/// What main() made before it knew that this is a run.
struct Surroundings {
  const parallel::Communicator& comm;
  const Rendezvous& rendezvous;
  Clock& clock;
  int unwatched;  ///< ranks that the watchdog cannot see
  bool launched;  ///< by mpiexec, srun or the like
};

/// One run of a checked deck: from the output folder to its last line in run.json.
class BatchRun {
 public:
  BatchRun(const Driver& driver, const CommandLine& line, const input::Deck& deck,
           const Surroundings& around);
  ~BatchRun();
  BatchRun(const BatchRun&) = delete;
  BatchRun& operator=(const BatchRun&) = delete;

  /// Collective. Returns the exit code. Throws (on all ranks) only what went wrong before the
  /// output folder was this run's.
  parallel::ExitCode execute();

 private:
  /// Collective. Runs a part that may throw, on all ranks or on one; one rank alone aborts the job.
  std::optional<parallel::Error> guarded(const std::function<void()>& part) const;
  RestartPlan prepare();  ///< all that comes before the work; the folder is ours afterwards
  void open_folder(const RestartPlan& plan);
  void say_hello(const RestartPlan& plan);
  void work(RestartPlan& plan);
  void keep_results(bool complete);
  void save_remains();
  void add_history();
  void judge(const std::optional<parallel::Error>& error);
  void note_unused_options();
  void write_record(const std::vector<PhaseSummary>& phases);
  void say_goodbye(const std::vector<PhaseSummary>& phases);
  parallel::ExitCode conclude(const std::optional<parallel::Error>& error);

  const Driver& driver_;
  const CommandLine& line_;
  const input::Deck& deck_;
  const parallel::Communicator& comm_;
  const Rendezvous& rendezvous_;
  Clock& clock_;
  int unwatched_;
  input::OutputKeys output_;
  input::RunKeys keys_;
  Identity identity_;
  Log log_;
  Timers timers_;
  RunFacts facts_;
  output::Record record_;
  Ending ending_;
  parallel::ExitCode code_ = parallel::ExitCode::success;
  // Destroyed in reverse order: the job may own handles of PETSc, all of them need the folder.
  std::unique_ptr<Folder> folder_;
  std::unique_ptr<linear::PetscSession> petsc_;
  std::unique_ptr<Job> job_;
  std::unique_ptr<Loop> loop_;
};

}  // namespace mensura::run
