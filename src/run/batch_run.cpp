// SPDX-License-Identifier: BSD-3-Clause
#include "run/batch_run.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "input/identity.hpp"
#include "linear/petsc.hpp"
#include "output/memory.hpp"
#include "parallel/hosts.hpp"
#include "run/versions.hpp"

namespace mensura::run {
namespace {

using parallel::Error;
using parallel::ExitCode;

// The deck layer writes options as the user would ("-name"); PETSc's session wants bare names.
std::vector<std::pair<std::string, std::string>> bare_options(const input::Deck& deck,
                                                              const std::string& prefix) {
  auto options = input::petsc_options(deck.root(), prefix);
  for (auto& [name, value] : options) {
    if (name.starts_with('-')) name.erase(0, 1);
  }
  return options;
}

TimeLimit asked_limit(const CommandLine& line, const input::RunKeys& keys) {
  if (!keys.wall_time) return {};
  return {*keys.wall_time, line.wall.empty() ? "run.wall_time" : "--wall"};
}

}  // namespace

BatchRun::BatchRun(const Driver& driver, const CommandLine& line, const input::Deck& deck,
                   const Surroundings& around)
    : driver_(driver),
      line_(line),
      deck_(deck),
      comm_(around.comm),
      rendezvous_(around.rendezvous),
      clock_(around.clock),
      unwatched_(around.unwatched),
      output_(input::read_output(deck.root())),
      keys_(input::read_run(deck.root())),
      identity_{driver.name, input::problem_hash(deck, input::restart_free_keys()),
                deck.resolved_yaml(),
                comm_.is_root() ? input::input_files(deck) : std::vector<std::string>{},
                driver.restart_keys},
      log_(comm_.is_root(), progress_style(line.progress, around.launched)) {
  facts_.deck_file = deck.file();
  facts_.deck_hash = deck.sha256();
  facts_.seed = keys_.seed;
  facts_.started = utc_now();
}

BatchRun::~BatchRun() = default;

std::optional<Error> BatchRun::guarded(const std::function<void()>& part) const {
  std::optional<Error> mine;
  try {
    part();
  } catch (...) {
    mine = to_error(std::current_exception());
  }
  return rendezvous_.meet(mine);
}

ExitCode BatchRun::execute() {
  RestartPlan plan;
  // Agreed before anything unwinds: the end of PETSc's session is collective.
  if (const auto error = guarded([&] { plan = prepare(); })) throw Error(*error);
  if (plan.finished) {
    if (comm_.is_root()) {
      fmt::print("{} is finished already (exit 0, same problem); nothing to do\n",
                 output_.folder.string());
    }
    return ExitCode::success;
  }
  return conclude(guarded([&] { work(plan); }));
}

RestartPlan BatchRun::prepare() {
  petsc_ = std::make_unique<linear::PetscSession>(comm_, bare_options(deck_, driver_.petsc_prefix),
                                                  line_.petsc);
  if (driver_.predict) {
    const Prediction prediction = driver_.predict(deck_, comm_);
    output::check_memory(comm_, prediction.memory_bytes, prediction.name);
  }
  share_limit(comm_, clock_, asked_limit(line_, keys_));
  const std::string folder = output_.folder.string();
  refuse_living(comm_, folder);
  const EarlierRun earlier = earlier_run(comm_, folder);
  RestartPlan plan =
      plan_restart(comm_, line_.restart, folder, output_.overwrite, identity_, earlier);
  if (!plan.finished) open_folder(plan);
  return plan;
}

void BatchRun::open_folder(const RestartPlan& plan) {
  folder_ = std::make_unique<Folder>(comm_, output_.folder.string(), plan.use);
  const bool append = plan.use == FolderUse::resume || plan.use == FolderUse::reuse;
  parallel::agree(comm_, [&] { log_.open(folder_->file("log.txt"), append); });
  folder_->write("input.yaml", deck_.bytes());
  folder_->write("resolved.yaml", identity_.resolved);
  // A folder is recognised by its record, so that a killed run can be restarted or overwritten.
  LoopState begin;
  begin.restarts = plan.restarts;
  folder_->write("run.json", run_record(comm_, facts_, identity_, begin, timers_, {}, record_));
  say_hello(plan);
}

void BatchRun::say_hello(const RestartPlan& plan) {
  const auto hosts = parallel::host_names(comm_);
  log_.line(fmt::format("mensura-{} {} (git {}), {} rank{} on {} node{}", driver_.name,
                        mensura_version(), git_id(), comm_.size(), comm_.size() == 1 ? "" : "s",
                        hosts.size(), hosts.size() == 1 ? "" : "s"));
  log_.line(fmt::format("deck {} (sha256 {}), output {}", deck_.file(),
                        deck_.sha256().substr(0, 16), folder_->path()));
  log_.note("BLAS: " + linear::blas_name());
  if (!clock_.limit().source.empty()) {
    log_.line(fmt::format("time limit {} ({})", input::format_duration(clock_.limit().seconds),
                          clock_.limit().source));
  }
  if (unwatched_ > 0) {
    log_.warn(
        fmt::format("the network refuses {} of the watchdog's connections: the death of a "
                    "rank on another node may go unnoticed",
                    unwatched_));
  }
  for (const auto& text : plan.warnings) log_.warn(text);
  for (const auto& text : plan.notes) log_.line(text);
  if (plan.checkpoint) log_.line(fmt::format("continuing from {}", plan.path));
}

void BatchRun::work(RestartPlan& plan) {
  timers_.memory().set_baseline();
  job_ = driver_.make_job(deck_, comm_);
  loop_ = std::make_unique<Loop>(*job_, LoopTools{.comm = comm_,
                                                  .clock = clock_,
                                                  .log = log_,
                                                  .timers = timers_,
                                                  .identity = identity_,
                                                  .checkpoint_folder = folder_->checkpoints(),
                                                  .checkpoint_every = keys_.checkpoint_every});
  if (plan.checkpoint) {
    const auto phase = timers_.phase("restart");
    loop_->restore(*plan.checkpoint, plan.restarts, plan.use == FolderUse::resume);
    plan.checkpoint.reset();  // closed, since newer checkpoints will drive this one out
    log_.line(fmt::format("{} steps were done before", loop_->state().steps));
  }
  ending_ = loop_->run();
  if (!ending_.finished) return;
  keep_results(true);
  note_unused_options();
  if (!job_->converged()) loop_->keep();
}

// A stopped run keeps no results: numbers of unfinished work would be taken for finished ones.
void BatchRun::keep_results(bool complete) {
  const auto phase = timers_.phase("output");
  job_->record(record_);
  add_history();
  if (!driver_.write_results) return;
  const ResultsTarget target{
      .folder = folder_->path(),
      .fields = output_.fields,
      .complete = complete,
      .provenance = {.git_id = git_id(), .deck_hash = deck_.sha256()},
  };
  driver_.write_results(*job_, deck_, record_, target, comm_);
}

// The loop's own history, where the job kept none.
void BatchRun::add_history() {
  if (!loop_ || record_.root.find("history") != nullptr) return;
  record_.root["history"] = loop_history(loop_->state());
}

void BatchRun::note_unused_options() {
  for (const auto& option : petsc_->unused_options()) {
    log_.warn(fmt::format("PETSc option {} was never used; see the prefixes in --help", option));
  }
}

// After an error: the results so far and, when a solve failed, a state to go on from.
void BatchRun::save_remains() {
  if (!job_ || !loop_ || loop_->state().steps == 0 || code_ == ExitCode::output) return;
  const auto attempt = [&](const char* what, const std::function<void()>& part) {
    const auto second = guarded(part);
    if (second) log_.warn(fmt::format("{} could not be written: {}", what, second->what()));
    return !second;
  };
  bool recovered = false;
  attempt("partial results", [&] {
    if (code_ == ExitCode::not_converged || code_ == ExitCode::numerical) {
      recovered = job_->recover();
    }
    if (job_->has_state()) keep_results(false);
  });
  if (recovered && attempt("a checkpoint", [&] { loop_->keep(); })) {
    facts_.status +=
        "; the checkpoint holds what was reached: follow the advice, or continue with "
        "other options by --restart auto";
  }
}

// Exit code and status of the run, and what can be saved of its results after an error.
void BatchRun::judge(const std::optional<Error>& error) {
  if (error) {
    code_ = error->code();
    facts_.status = "failed";
    facts_.error = error->what();
    save_remains();
  } else if (!ending_.finished) {
    code_ = ExitCode::stopped;
    facts_.status = fmt::format("stopped: {}; {}. Continue with --restart auto", ending_.reason,
                                ending_.checkpoint);
  } else if (!job_->converged()) {
    code_ = ExitCode::not_converged;
    facts_.status = "finished, but not converged: tolerances are not met";
  } else {
    facts_.status = "finished";
  }
}

void BatchRun::write_record(const std::vector<PhaseSummary>& phases) {
  facts_.exit = static_cast<int>(code_);
  facts_.wall_seconds = clock_.elapsed();
  facts_.warnings = log_.warnings();
  add_history();
  const LoopState none;
  folder_->write("run.json", run_record(comm_, facts_, identity_, loop_ ? loop_->state() : none,
                                        timers_, phases, record_));
}

void BatchRun::say_goodbye(const std::vector<PhaseSummary>& phases) {
  for (const auto& row : phase_table(phases)) log_.note(row);
  log_.line(fmt::format("{} ({:.2f} s, exit {}); see {}", facts_.status, clock_.elapsed(),
                        static_cast<int>(code_), folder_->file("run.json")));
}

ExitCode BatchRun::conclude(const std::optional<Error>& error) {
  judge(error);
  const auto phases = timers_.summary(comm_);
  if (!facts_.error.empty()) {
    log_.note(facts_.error);
    if (comm_.is_root()) {
      fmt::print(stderr, "mensura-{}: {}\n", driver_.name, facts_.error);
    }
  }
  const auto unwritten = guarded([&] { write_record(phases); });
  if (unwritten) {
    if (comm_.is_root()) fmt::print(stderr, "mensura-{}: {}\n", driver_.name, unwritten->what());
    if (code_ == ExitCode::success || code_ == ExitCode::not_converged) code_ = unwritten->code();
  }
  say_goodbye(phases);
  return code_;
}

}  // namespace mensura::run
