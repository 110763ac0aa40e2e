// SPDX-License-Identifier: BSD-3-Clause
#include "run/loop.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <utility>

#include "input/common.hpp"
#include "run/fault.hpp"
#include "run/signals.hpp"

namespace mensura::run {
namespace {

// Before the first checkpoint was timed: half a second and a modest file system's 200 MB/s.
double guess_seconds(std::int64_t bytes) {
  return 0.5 + static_cast<double>(bytes) / 200e6;
}

constexpr unsigned stop_requests = checkpoint_and_stop | last_call;

// Leaves a step of the set-up on all ranks; thrown by the collective poll.
struct Interruption : std::exception {
  explicit Interruption(std::string why) : reason(std::move(why)) {}
  std::string reason;
};

}  // namespace

Loop::Loop(Job& job, const LoopTools& tools) : job_(job), tools_(tools), meter_(tools.log) {}

void Loop::restore(const output::CheckpointReader& checkpoint, std::int64_t restarts,
                   bool in_this_folder) {
  state_ = load_state(checkpoint);
  state_.restarts = std::max(state_.restarts + 1, restarts);
  state_.earlier_seconds = state_.seconds;
  if (in_this_folder) saved_steps_ = state_.steps;
  tools_.log.recall(state_.warnings);
  job_.load(checkpoint);
}

Ending Loop::run() {
  if (tools_.comm.is_root()) meter_.update(job_.progress(), tools_.clock.elapsed());
  while (!job_.finished()) {
    if (auto ending = safe_point()) return *ending;
    if (auto ending = step()) return *ending;
  }
  if (tools_.comm.is_root()) meter_.update(job_.progress(), tools_.clock.elapsed());
  state_.seconds = state_.earlier_seconds + tools_.clock.elapsed();
  return {};
}

std::optional<Ending> Loop::step() {
  const double start = tools_.clock.elapsed();
  fault::before_step(tools_.comm.rank(), state_.steps + 1);
  Context context{tools_.timers, [this] { poll(); },
                  [this](const std::string& text) { tools_.log.line(text); },
                  [this](const std::string& text) { tools_.log.warn(text); }};
  try {
    job_.advance(context);
  } catch (const Interruption& interruption) {
    return stop(interruption.reason);
  }
  last_step_ = tools_.clock.elapsed() - start;  // the slowest rank's counts: see agree()
  ++state_.steps;
  ++steps_here_;
  state_.history.add(last_step_, job_.progress().done);
  return std::nullopt;
}

double Loop::agree() {
  const unsigned mine = take_signal_requests();
  const auto flag = [&](unsigned request) { return (mine & request) != 0 ? 1.0 : 0.0; };
  std::array<double, 5> all{tools_.comm.is_root() ? tools_.clock.elapsed() : 0.0,
                            flag(checkpoint_and_stop), flag(checkpoint_and_continue),
                            flag(last_call), last_step_};
  tools_.comm.max(std::span<double>(all));
  if (all[1] > 0) requests_ |= checkpoint_and_stop;
  if (all[2] > 0) requests_ |= checkpoint_and_continue;
  if (all[3] > 0) requests_ |= last_call;
  slowest_step_ = std::max(slowest_step_, all[4]);
  return all[0];
}

void Loop::poll() {
  const double elapsed = agree();
  tools_.timers.memory().sample();
  if (job_.setting_up()) {
    if ((requests_ & stop_requests) != 0) throw Interruption(request_name(requests_));
    if (tools_.clock.must_stop(elapsed, 0, 0)) throw Interruption(limit_text());
  }
  const unsigned news = requests_ & ~announced_;
  if (news != 0) {
    tools_.log.line(
        fmt::format("{} received: {} at the next safe point", request_name(news),
                    (news & stop_requests) != 0 ? "checkpoint and stop" : "checkpoint"));
    announced_ |= news;
  }
  if (tools_.comm.is_root()) meter_.update(job_.progress(), elapsed);
}

std::optional<Ending> Loop::safe_point() {
  const double elapsed = agree();
  // Only agreed times may decide about collectives: the ranks' own clocks start at different
  // moments.
  if (last_checkpoint_ < 0) last_checkpoint_ = elapsed;
  tools_.timers.memory().sample();
  if (tools_.comm.is_root()) meter_.update(job_.progress(), elapsed);
  if ((requests_ & stop_requests) != 0) return stop(request_name(requests_));
  if (must_stop(elapsed)) return stop(limit_text());
  const bool asked = (requests_ & checkpoint_and_continue) != 0;
  const bool due = elapsed - last_checkpoint_ >= tools_.checkpoint_every;
  if ((asked || due) && job_.has_state() && saved_steps_ != state_.steps) {
    if (asked) tools_.log.line("USR2: checkpoint and continue");
    requests_ &= ~static_cast<unsigned>(checkpoint_and_continue);
    announced_ &= requests_;
    checkpoint();
  }
  return std::nullopt;
}

std::string Loop::limit_text() const {
  const TimeLimit& limit = tools_.clock.limit();
  return fmt::format("wall-clock limit {} ({})", input::format_duration(limit.seconds),
                     limit.source);
}

// Collective until the first checkpoint was timed.
bool Loop::must_stop(double elapsed) const {
  // At least one step per segment, or a chain of requeued jobs would never arrive.
  if (steps_here_ == 0 || std::isinf(tools_.clock.limit().seconds)) return false;
  const double estimate = checkpoint_seconds_ > 0
                              ? checkpoint_seconds_
                              : tools_.comm.max(guess_seconds(job_.checkpoint_bytes()));
  return tools_.clock.must_stop(elapsed, slowest_step_, estimate);
}

Ending Loop::stop(const std::string& reason) {
  Ending ending{.finished = false, .reason = reason, .checkpoint = {}};
  tools_.log.line(fmt::format("stopping after step {}: {}", state_.steps, reason));
  if (!job_.has_state() && saved_steps_ < 0) {
    ending.checkpoint = "nothing to save yet; a restart begins anew";
  } else if (!job_.has_state()) {  // still setting up after a restart
    ending.checkpoint = fmt::format("nothing new; the checkpoint holds step {}", saved_steps_);
  } else {
    if (saved_steps_ != state_.steps) checkpoint();
    ending.checkpoint = fmt::format("the checkpoint holds step {}", state_.steps);
  }
  state_.seconds = state_.earlier_seconds + tools_.clock.elapsed();
  return ending;
}

void Loop::keep() {
  if (job_.has_state() && saved_steps_ != state_.steps) checkpoint();
}

void Loop::checkpoint() {
  const auto phase = tools_.timers.phase("checkpoint");
  const double start = tools_.clock.elapsed();
  state_.seconds = state_.earlier_seconds + start;
  const auto own_bytes = static_cast<std::int64_t>(tools_.identity.resolved.size()) +
                         16 * std::ssize(state_.history.done()) + (1 << 16);
  output::CheckpointWriter writer(tools_.comm, tools_.checkpoint_folder, state_.steps,
                                  job_.checkpoint_bytes() + own_bytes);
  state_.warnings = tools_.log.warnings();
  save_state(writer, tools_.identity, state_);
  job_.save(writer);
  writer.commit();
  std::array<double, 2> times{tools_.clock.elapsed() - start,
                              tools_.comm.is_root() ? tools_.clock.elapsed() : 0.0};
  tools_.comm.max(std::span<double>(times));
  checkpoint_seconds_ = std::max(checkpoint_seconds_, times[0]);
  last_checkpoint_ = times[1];
  saved_steps_ = state_.steps;
  tools_.log.line(fmt::format("checkpoint after step {} ({:.2f} s)", state_.steps, times[0]));
}

}  // namespace mensura::run
