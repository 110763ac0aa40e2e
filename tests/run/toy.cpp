// SPDX-License-Identifier: BSD-3-Clause
// The smallest honest driver: a number per global index, changed in every step, summed exactly at
// the end. The tests of the batch run stop, kill, corrupt and restart it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <thread>
#include <vector>

#include "input/common.hpp"
#include "output/checkpoint.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/random.hpp"
#include "run/application.hpp"
#include "run/timers.hpp"

namespace {

using namespace mensura;
using parallel::Error;
using parallel::ExitCode;

class Toy : public run::Job {
 public:
  Toy(const input::Deck& deck, const parallel::Communicator& comm)
      : comm_(comm),
        total_(deck["toy"]["numbers"].integer()),
        steps_(deck["toy"]["steps"].integer()),
        fail_at_(deck["toy"]["fail_at"].integer()),
        setup_steps_(deck["toy"]["setup_steps"].integer()),
        seconds_(deck["toy"]["seconds"].real()),
        converges_(deck["toy"]["converges"].flag()),
        stream_(static_cast<std::uint64_t>(deck["run"]["seed"].integer()), "toy", "numbers"),
        first_(total_ * comm.rank() / comm.size()),
        numbers_(static_cast<std::size_t>(total_ * (comm.rank() + 1) / comm.size() - first_)) {}

  bool finished() const override { return done_ == steps_; }

  void advance(run::Context& context) override {
    if (setup_done_ < setup_steps_) {
      constexpr double slice = 0.05;
      for (double rest = seconds_; rest > 0; rest -= slice) {
        std::this_thread::sleep_for(std::chrono::duration<double>(std::min(rest, slice)));
        context.poll();
      }
      ++setup_done_;
      return;
    }
    const auto phase = context.timers.phase("numbers");
    for (int half = 0; half < 2; ++half) {
      std::this_thread::sleep_for(std::chrono::duration<double>(seconds_ / 2));
      context.poll();
    }
    parallel::agree(comm_, [&] {
      // The last rank fails: its text must reach all.
      if (done_ + 1 == fail_at_ && comm_.rank() == comm_.size() - 1) {
        throw Error(ExitCode::numerical, "the toy broke on purpose");
      }
    });
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      const auto index = static_cast<std::uint64_t>(first_) + i;
      numbers_[i] = 0.9 * numbers_[i] + stream_.normal(index, static_cast<std::uint64_t>(done_));
    }
    ++done_;
  }

  run::Progress progress() const override {
    return {done_, steps_, "first number " + std::to_string(numbers_.empty() ? 0 : numbers_[0])};
  }

  void save(output::CheckpointWriter& checkpoint) const override {
    const std::vector<std::int64_t> done{done_};
    checkpoint.replicated("job/done", std::span<const std::int64_t>(done));
    checkpoint.distributed("job/numbers", std::span<const double>(numbers_), first_, total_);
  }

  void load(const output::CheckpointReader& checkpoint) override {
    done_ = checkpoint.integers("job/done").at(0);
    setup_done_ = setup_steps_;
    numbers_ = checkpoint.reals("job/numbers", first_, static_cast<std::int64_t>(numbers_.size()));
  }

  void record(output::Record& record) const override {
    parallel::ExactSum sum;
    for (const double number : numbers_) sum.add(std::sqrt(std::abs(number)));
    parallel::reduce(comm_, std::span(&sum, 1));
    record.add_result({{"name", "sum"}, {"value", sum.value()}, {"steps", done_}});
  }

  bool has_state() const override { return setup_done_ == setup_steps_; }
  bool setting_up() const override { return setup_done_ < setup_steps_; }
  bool converged() const override { return converges_; }
  std::int64_t checkpoint_bytes() const override { return 8 * total_ + 4096; }

 private:
  const parallel::Communicator& comm_;
  std::int64_t total_, steps_, fail_at_, setup_steps_;
  double seconds_;
  bool converges_;
  parallel::Stream stream_;
  std::int64_t done_ = 0, setup_done_ = 0;
  std::int64_t first_;
  std::vector<double> numbers_;
};

input::Schema schema() {
  using input::Kind;
  input::Table toy;
  toy.options = {
      {.key = "numbers", .kind = Kind::integer, .default_value = "1000", .range = ">= 1"},
      {.key = "steps", .kind = Kind::integer, .default_value = "40", .range = ">= 0"},
      {.key = "seconds", .kind = Kind::real, .default_value = "0.02", .range = ">= 0"},
      {.key = "fail_at", .kind = Kind::integer, .default_value = "0"},
      {.key = "setup_steps", .kind = Kind::integer, .default_value = "0"},
      {.key = "converges", .kind = Kind::boolean, .default_value = "true"},
      {.key = "file", .kind = Kind::path},
  };
  for (auto& option : toy.options) option.help = "for tests";
  input::Schema result;
  result.driver = "toy";
  result.help = "Adds numbers, slowly.";
  result.root.options = {
      {.key = "toy", .kind = Kind::table, .default_value = "{}", .help = "the toy", .table = toy}};
  input::add_common_sections(result);
  return result;
}

run::Prediction predict(const input::Deck& deck, const parallel::Communicator& comm) {
  const std::int64_t numbers = deck["toy"]["numbers"].integer();
  return {.memory_bytes = 8 * numbers / comm.size(),
          .communication_bytes = 0,
          .checkpoint_bytes = 8 * numbers,
          .lines = {"steps            " + std::to_string(deck["toy"]["steps"].integer())}};
}

void write_results(run::Job&, const input::Deck&, const output::Record&,
                   const run::ResultsTarget& target, const parallel::Communicator& comm) {
  auto file = output::File::create(comm, target.folder + "/results.h5");
  output::write_header(file, "toy", target.provenance);
  if (target.complete) file.finish();
}

}  // namespace

int main(int argc, char** argv) {
  run::Driver driver;
  driver.name = "toy";
  driver.schema = schema();
  driver.petsc_prefix = "toy_";
  driver.predict = predict;
  driver.check = [](const input::Deck& deck, input::Diagnostics& diagnostics) {
    const auto toy = deck["toy"];
    if (toy["fail_at"].integer() > toy["steps"].integer()) {
      diagnostics.error(toy["fail_at"], "found a step after the last one");
    }
  };
  driver.make_job = [](const input::Deck& deck, const parallel::Communicator& comm) {
    return std::make_unique<Toy>(deck, comm);
  };
  driver.write_results = write_results;
  return run::main(argc, argv, driver);
}
