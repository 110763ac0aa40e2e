// SPDX-License-Identifier: BSD-3-Clause
#include "transport/ghosts.hpp"

#include <algorithm>
#include <limits>

#include "linear/arrays.hpp"

namespace mensura::transport {

using linear::check_petsc;

namespace {

void set(Vec vector, std::span<const double> values) {
  linear::WriteArray to(vector);
  std::copy(values.begin(), values.end(), to.data());
}

void get(Vec vector, std::span<double> values) {
  const linear::ReadArray from(vector);
  std::copy_n(from.data(), values.size(), values.begin());
}

}  // namespace

Ghosts::Ghosts(const parallel::Communicator& comm, std::size_t own,
               std::span<const std::int64_t> numbers)
    : own_(own), size_(numbers.size()) {
  check_petsc(
      VecCreateMPI(comm.handle(), static_cast<PetscInt>(own), PETSC_DETERMINE, global_.put()),
      "VecCreateMPI");
  check_petsc(VecCreateSeq(PETSC_COMM_SELF, static_cast<PetscInt>(size_), local_.put()),
              "VecCreateSeq");
  const std::vector<PetscInt> wanted(numbers.begin(), numbers.end());
  IS from = nullptr;
  check_petsc(ISCreateGeneral(comm.handle(), static_cast<PetscInt>(size_), wanted.data(),
                              PETSC_COPY_VALUES, &from),
              "ISCreateGeneral");
  check_petsc(VecScatterCreate(global_.get(), from, local_.get(), nullptr, scatter_.put()),
              "VecScatterCreate");
  check_petsc(ISDestroy(&from), "ISDestroy");
  note_neighbours(comm, numbers);
}

void Ghosts::note_neighbours(const parallel::Communicator& comm,
                             std::span<const std::int64_t> numbers) {
  const std::int64_t first = comm.exclusive_scan(static_cast<std::int64_t>(own_));
  const auto firsts = comm.all_gather(std::span<const std::int64_t>(&first, 1));
  std::vector<char> met(firsts.size(), 0);
  for (const std::int64_t number : numbers) {
    const auto next = std::upper_bound(firsts.begin(), firsts.end(), number);
    const auto rank = static_cast<std::size_t>(next - firsts.begin()) - 1;
    if (rank == static_cast<std::size_t>(comm.rank())) continue;
    ++remote_;
    neighbours_ += met[rank] == 0;
    met[rank] = 1;
  }
}

// What comes here forward goes from here in reverse: over all ranks together both are what is sent.
void Ghosts::count() const {
  parallel::traffic().messages += neighbours_;
  parallel::traffic().bytes += remote_ * std::int64_t{sizeof(double)};
}

void Ghosts::forward(std::span<const double> own, std::span<double> ghost) const {
  count();
  set(global_.get(), own);
  check_petsc(
      VecScatterBegin(scatter_.get(), global_.get(), local_.get(), INSERT_VALUES, SCATTER_FORWARD),
      "VecScatterBegin");
  check_petsc(
      VecScatterEnd(scatter_.get(), global_.get(), local_.get(), INSERT_VALUES, SCATTER_FORWARD),
      "VecScatterEnd");
  get(local_.get(), ghost);
}

void Ghosts::reverse(std::span<const double> ghost, std::span<double> own, InsertMode mode,
                     double initial) const {
  count();
  set(local_.get(), ghost);
  check_petsc(VecSet(global_.get(), initial), "VecSet");
  check_petsc(VecScatterBegin(scatter_.get(), local_.get(), global_.get(), mode, SCATTER_REVERSE),
              "VecScatterBegin");
  check_petsc(VecScatterEnd(scatter_.get(), local_.get(), global_.get(), mode, SCATTER_REVERSE),
              "VecScatterEnd");
  get(global_.get(), own);
}

void Ghosts::add(std::span<const double> ghost, std::span<double> own) const {
  reverse(ghost, own, ADD_VALUES, 0);
}

void Ghosts::max(std::span<const double> ghost, std::span<double> own) const {
  reverse(ghost, own, MAX_VALUES, -std::numeric_limits<double>::infinity());
}

}  // namespace mensura::transport
