// SPDX-License-Identifier: BSD-3-Clause
#include "linear/triangular.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "linear/handles.hpp"
#include "linear/rows_view.hpp"
#include "linear/sweep.hpp"
#include "parallel/tags.hpp"

namespace mensura::linear {

namespace {

using parallel::check_mpi;
using parallel::Communicator;
using parallel::Error;
using parallel::ExitCode;

// Read access to a vector, and write access unless the same vector serves for both.
class Vectors {
 public:
  Vectors(Vec b, Vec x, std::int32_t rows) : b_(b), x_(x) {
    for (const auto vector : {b, x}) {
      PetscInt size = 0;
      check_petsc(VecGetLocalSize(vector, &size), "VecGetLocalSize");
      parallel::require(size == rows, "triangular solve: vectors are distributed like the rows");
    }
    check_petsc(VecGetArray(x_, &to_), "VecGetArray");
    from_ = to_;
    if (b_ != x_) check_petsc(VecGetArrayRead(b_, &from_), "VecGetArrayRead");
  }
  Vectors(const Vectors&) = delete;
  Vectors& operator=(const Vectors&) = delete;
  ~Vectors() {
    if (b_ != x_) VecRestoreArrayRead(b_, &from_);
    VecRestoreArray(x_, &to_);
  }
  const double* from() const noexcept { return from_; }
  double* to() const noexcept { return to_; }

 private:
  Vec b_, x_;
  const PetscScalar* from_ = nullptr;
  PetscScalar* to_ = nullptr;
};

// Persistent requests, freed with their owner.
class Requests {
 public:
  Requests() = default;
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;
  ~Requests() {
    int finalised = 0;
    if (MPI_Finalized(&finalised) != MPI_SUCCESS || finalised != 0) return;
    for (auto& request : list_) MPI_Request_free(&request);
  }
  // One for every message, in the order of `messages`; `create` is MPI_Send_init or MPI_Recv_init.
  template <class Unknown, class Create>
  void make(std::span<const Message> messages, Unknown* buffer, int tag, MPI_Comm comm,
            Create create) {
    constexpr auto width = static_cast<int>(sizeof(Unknown) / sizeof(double));
    list_.reserve(messages.size());
    for (const auto& message : messages) {
      MPI_Request request = MPI_REQUEST_NULL;
      check_mpi(create(buffer + message.first, width * (message.last - message.first), MPI_DOUBLE,
                       message.rank, tag, comm, &request),
                "MPI_Send_init or MPI_Recv_init");
      list_.push_back(request);
    }
  }
  void start(std::int32_t index) {
    check_mpi(MPI_Start(&list_[static_cast<std::size_t>(index)]), "MPI_Start");
  }
  void wait(std::int32_t first, std::int32_t last) {
    if (first == last) return;
    check_mpi(MPI_Waitall(last - first, list_.data() + first, MPI_STATUSES_IGNORE), "MPI_Waitall");
  }
  std::int32_t size() const noexcept { return static_cast<std::int32_t>(list_.size()); }

 private:
  std::vector<MPI_Request> list_;
};

// What travels in a solve, and the solve itself; an unknown is a double or Eight.
template <class Unknown>
class Sweeper {
 public:
  Sweeper(const Communicator& comm, const Schedule& schedule, std::int32_t ghost_count);
  void forward(const LocalRows& matrix, const Unknown* b, Unknown* y);
  void backward(const LocalRows& matrix, Unknown* y);

 private:
  static void count_traffic(const std::vector<Message>& sent);

  const Schedule& schedule_;
  std::vector<Unknown> ghosts_;
  std::vector<Unknown> in_buffer_, out_buffer_;  // [in_items], [out_items]
  Requests forward_in_, forward_out_, backward_in_, backward_out_;
};

template <class Unknown>
Sweeper<Unknown>::Sweeper(const Communicator& comm, const Schedule& schedule,
                          std::int32_t ghost_count)
    : schedule_(schedule) {
  parallel::agree(comm, [&] {
    ghosts_.resize(static_cast<std::size_t>(ghost_count));
    in_buffer_.resize(schedule.in_items.size());
    out_buffer_.resize(schedule.out_items.size());
  });
  using parallel::tags::triangular_backward, parallel::tags::triangular_forward;
  const auto handle = comm.handle();
  forward_in_.make(schedule.in, in_buffer_.data(), triangular_forward, handle, MPI_Recv_init);
  forward_out_.make(schedule.out, out_buffer_.data(), triangular_forward, handle, MPI_Send_init);
  backward_in_.make(schedule.out, out_buffer_.data(), triangular_backward, handle, MPI_Recv_init);
  backward_out_.make(schedule.in, in_buffer_.data(), triangular_backward, handle, MPI_Send_init);
}

template <class Unknown>
void Sweeper<Unknown>::count_traffic(const std::vector<Message>& sent) {
  auto& traffic = parallel::traffic();
  traffic.messages += static_cast<std::int64_t>(sent.size());
  for (const auto& message : sent) {
    traffic.bytes += std::int64_t{message.last - message.first} * std::int64_t{sizeof(Unknown)};
  }
}

template <class Unknown>
void Sweeper<Unknown>::forward(const LocalRows& matrix, const Unknown* b, Unknown* y) {
  for (std::int32_t m = 0; m < forward_in_.size(); ++m) forward_in_.start(m);
  const std::span<const Unit> units(schedule_.units);
  for (const auto& step : schedule_.steps) {
    forward_in_.wait(step.in_first, step.in_last);
    for (auto m = step.in_first; m < step.in_last; ++m) {
      const auto [rank, first, last] = schedule_.in[static_cast<std::size_t>(m)];
      for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
        ghosts_[static_cast<std::size_t>(schedule_.in_items[i])] = in_buffer_[i];
      }
    }
    sweep_forward(matrix,
                  units.subspan(static_cast<std::size_t>(step.unit_first),
                                static_cast<std::size_t>(step.unit_last - step.unit_first)),
                  b, y, ghosts_.data());
    for (auto m = step.out_first; m < step.out_last; ++m) {
      const auto [rank, first, last] = schedule_.out[static_cast<std::size_t>(m)];
      for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
        out_buffer_[i] = y[schedule_.out_items[i]];
      }
      forward_out_.start(m);
    }
  }
  forward_out_.wait(0, forward_out_.size());
  count_traffic(schedule_.out);
}

// The forward solve in reverse: what came in goes out. Every ghost and every row that a message
// names is touched in an order that does not depend on arrival.
template <class Unknown>
void Sweeper<Unknown>::backward(const LocalRows& matrix, Unknown* y) {
  std::fill(ghosts_.begin(), ghosts_.end(), Unknown{});
  for (auto m = backward_in_.size(); m-- > 0;) backward_in_.start(m);
  const std::span<const Unit> units(schedule_.units);
  for (auto step = schedule_.steps.rbegin(); step != schedule_.steps.rend(); ++step) {
    backward_in_.wait(step->out_first, step->out_last);
    for (auto m = step->out_first; m < step->out_last; ++m) {
      const auto [rank, first, last] = schedule_.out[static_cast<std::size_t>(m)];
      for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
        y[schedule_.out_items[i]] = y[schedule_.out_items[i]] + out_buffer_[i];
      }
    }
    sweep_backward(matrix,
                   units.subspan(static_cast<std::size_t>(step->unit_first),
                                 static_cast<std::size_t>(step->unit_last - step->unit_first)),
                   y, ghosts_.data());
    for (auto m = step->in_last; m-- > step->in_first;) {
      const auto [rank, first, last] = schedule_.in[static_cast<std::size_t>(m)];
      for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
        in_buffer_[i] = ghosts_[static_cast<std::size_t>(schedule_.in_items[i])];
      }
      backward_out_.start(m);
    }
  }
  backward_out_.wait(0, backward_out_.size());
  count_traffic(schedule_.in);
}

}  // namespace

struct TriangularSolver::State {
  State(const Communicator& communicator, Mat matrix, std::span<const std::int32_t> elimination,
        const std::function<void()>& poll);
  void plan(std::span<const std::int32_t> elimination, const std::function<void()>& poll);
  View view() const;
  Sweeper<Eight>& eight_sides(std::span<Eight> block);

  const Communicator& comm;
  Matrix lower;  // a reference of our own
  PetscObjectState structure = 0;
  std::int32_t rows = 0, ghosts = 0;
  Schedule schedule;
  TriangularStatistics statistics;  // the same for both directions: the messages turn round
  std::optional<Sweeper<double>> one;
  std::optional<Sweeper<Eight>> eight;  // from the first block on
};

void TriangularSolver::State::plan(std::span<const std::int32_t> elimination,
                                   const std::function<void()>& poll) {
  std::unique_ptr<View> now;
  parallel::agree(comm, [&] {
    now = std::make_unique<View>(lower.get());
    parallel::require(now->columns == now->rows.pattern.rows,
                      "triangular solve: rows and columns are distributed alike");
  });
  schedule = make_schedule(comm, now->rows.pattern, elimination, poll);
  rows = now->rows.pattern.rows;
  ghosts = now->rows.pattern.ghosts;
}

TriangularSolver::State::State(const Communicator& communicator, Mat matrix,
                               std::span<const std::int32_t> elimination,
                               const std::function<void()>& poll)
    : comm(communicator) {
  check_petsc(PetscObjectReference(reinterpret_cast<PetscObject>(matrix)), "PetscObjectReference");
  lower = Matrix(matrix);
  check_petsc(MatGetNonzeroState(matrix, &structure), "MatGetNonzeroState");
  or_destroy(
      [&] {
        plan(elimination, poll);
        one.emplace(comm, schedule, ghosts);
      },
      lower);
  statistics.stages = schedule.stages;
  statistics.messages = comm.sum(static_cast<std::int64_t>(schedule.out.size()));
  statistics.bytes =
      comm.sum(static_cast<std::int64_t>(schedule.out_items.size() * sizeof(double)));
}

View TriangularSolver::State::view() const {
  PetscObjectState now = 0;
  check_petsc(MatGetNonzeroState(lower.get(), &now), "MatGetNonzeroState");
  parallel::require(now == structure,
                    "triangular solve: the structure of the matrix is that of the set-up");
  return View(lower.get());
}

Sweeper<Eight>& TriangularSolver::State::eight_sides(std::span<Eight> block) {
  parallel::require(std::ssize(block) == rows, "triangular solve: a block has all local rows");
  if (!eight) eight.emplace(comm, schedule, ghosts);
  return *eight;
}

TriangularSolver::TriangularSolver(const Communicator& comm, Mat lower,
                                   std::span<const std::int32_t> elimination,
                                   const std::function<void()>& poll)
    : state_(std::make_unique<State>(comm, lower, elimination, poll)) {}
TriangularSolver::~TriangularSolver() = default;
TriangularSolver::TriangularSolver(TriangularSolver&&) noexcept = default;
TriangularSolver& TriangularSolver::operator=(TriangularSolver&&) noexcept = default;

void TriangularSolver::solve(Vec b, Vec x) const {
  const auto view = state_->view();
  const Vectors vectors(b, x, state_->rows);
  state_->one->forward(view.rows, vectors.from(), vectors.to());
}

void TriangularSolver::solve_transposed(Vec b, Vec x) const {
  const auto view = state_->view();
  const Vectors vectors(b, x, state_->rows);
  if (b != x) std::copy_n(vectors.from(), state_->rows, vectors.to());
  state_->one->backward(view.rows, vectors.to());
}

void TriangularSolver::solve(std::span<Eight> rows) const {
  const auto view = state_->view();
  state_->eight_sides(rows).forward(view.rows, rows.data(), rows.data());
}

void TriangularSolver::solve_transposed(std::span<Eight> rows) const {
  const auto view = state_->view();
  state_->eight_sides(rows).backward(view.rows, rows.data());
}

TriangularStatistics TriangularSolver::forward_statistics() const {
  return state_->statistics;
}

TriangularStatistics TriangularSolver::backward_statistics() const {
  return state_->statistics;
}

}  // namespace mensura::linear
