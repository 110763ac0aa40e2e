// SPDX-License-Identifier: BSD-3-Clause
#include "gp/hyper_search.hpp"

#include <petsctao.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <limits>
#include <utility>

#include "gp/hyper_replay.hpp"
#include "linear/handles.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

using linear::check_petsc;
using Optimiser = linear::Handle<Tao, TaoDestroy>;

namespace {

constexpr const char* prefix = "gp_hyper_";

// Length of the first differences of a search, along the axes.
constexpr double first_step = 0x1p-6;
// What a Newton step may still gain, in nats, and the squared distance, in deviations, at which a
// search joins an earlier one.
constexpr double enough = 1e-3, near = 0.25;
// Radius of the first trust region, in logarithms of parameters, and most iterations.
constexpr double first_radius = 1;
constexpr int most_iterations = 50;
// Cost of a point where the function cannot be evaluated, above that of the start.
constexpr double penalty = 1e4;

// The point whose value is missing.
struct Wanted : std::exception {
  explicit Wanted(std::vector<double> where) : point(std::move(where)) {}
  std::vector<double> point;
};

// An option of TAO that has no other way in, unless it is given.
void set_default(const char* name, const char* value) {
  PetscBool given = PETSC_FALSE;
  check_petsc(PetscOptionsHasName(nullptr, nullptr, name, &given), "PetscOptionsHasName");
  if (given == PETSC_FALSE) {
    check_petsc(PetscOptionsSetValue(nullptr, name, value), "PetscOptionsSetValue");
  }
}

// TAO as it is without options. It begins with the given radius, not with an interpolation of five
// values down the gradient, which costs as much as a Newton step; and Steihaug's conjugate
// gradients solve to the end for the few parameters, without a preconditioner that would change the
// shape of the trust region.
void make_tao(Optimiser& tao) {
  check_petsc(TaoCreate(PETSC_COMM_SELF, tao.put()), "TaoCreate");
  check_petsc(TaoSetOptionsPrefix(tao.get(), prefix), "TaoSetOptionsPrefix");
  check_petsc(TaoSetType(tao.get(), TAOBNTR), "TaoSetType");
  check_petsc(TaoSetInitialTrustRegionRadius(tao.get(), first_radius),
              "TaoSetInitialTrustRegionRadius");
  check_petsc(TaoSetMaximumIterations(tao.get(), most_iterations), "TaoSetMaximumIterations");
  set_default("-gp_hyper_tao_bnk_init_type", "constant");
  KSP krylov = nullptr;
  check_petsc(TaoGetKSP(tao.get(), &krylov), "TaoGetKSP");
  check_petsc(KSPSetType(krylov, KSPSTCG), "KSPSetType");
  PC none = nullptr;
  check_petsc(KSPGetPC(krylov, &none), "KSPGetPC");
  check_petsc(PCSetType(none, PCNONE), "PCSetType");
  check_petsc(KSPSetTolerances(krylov, 1e-10, PETSC_DEFAULT, PETSC_DEFAULT, PETSC_DEFAULT),
              "KSPSetTolerances");
}

std::vector<double> numbers_of(Vec vector) {
  PetscInt size = 0;
  const PetscScalar* from = nullptr;
  check_petsc(VecGetLocalSize(vector, &size), "VecGetLocalSize");
  check_petsc(VecGetArrayRead(vector, &from), "VecGetArrayRead");
  std::vector<double> result(from, from + size);
  check_petsc(VecRestoreArrayRead(vector, &from), "VecRestoreArrayRead");
  return result;
}

void set_numbers(const double* from, Vec vector) {
  PetscInt size = 0;
  PetscScalar* to = nullptr;
  check_petsc(VecGetLocalSize(vector, &size), "VecGetLocalSize");
  check_petsc(VecGetArray(vector, &to), "VecGetArray");
  std::copy_n(from, size, to);
  check_petsc(VecRestoreArray(vector, &to), "VecRestoreArray");
}

linear::Vector vector_of(const std::vector<double>& numbers) {
  linear::Vector vector;
  check_petsc(VecCreateSeq(PETSC_COMM_SELF, static_cast<PetscInt>(numbers.size()), vector.put()),
              "VecCreateSeq");
  set_numbers(numbers.data(), vector.get());
  return vector;
}

std::vector<double> onto_grid(const std::vector<double>& point) {
  std::vector<double> result(point);
  std::ranges::transform(result, result.begin(), on_grid);
  return result;
}

}  // namespace

// One run of the whole search over the values that are known, on the first rank.
class HyperSearch::Replay {
 public:
  explicit Replay(const HyperSearch& search) : search_(search), spec_(search.spec_) {}

  void run() {
    ends.reserve(spec_.starts.size());  // joined_ points into it
    for (const auto& start : spec_.starts) ends.push_back(climb(start));
    std::size_t best = 0;
    for (std::size_t i = 1; i < ends.size(); ++i) {
      const bool better =
          ends[i].kind != HyperEnd::Kind::failed && ends[i].value > ends[best].value;
      if (ends[best].kind == HyperEnd::Kind::failed || better) best = i;
    }
    if (ends[best].kind != HyperEnd::Kind::failed) describe(best);
  }

  std::vector<HyperEnd> ends;
  std::optional<HyperOptimum> optimum;

 private:
  struct Callbacks;

  const HyperEvaluation& value(const std::vector<double>& point) const {
    const std::vector<double> at = onto_grid(point);
    const auto found = search_.known_.find(key_of(at));
    if (found == search_.known_.end()) throw Wanted(at);
    return search_.evaluations_[found->second];
  }
  LocalModel make_model(const std::vector<double>& at, const Eigen::MatrixXd& directions) const {
    return {
        [this](const std::vector<double>& there) -> const HyperEvaluation& { return value(there); },
        at, directions};
  }
  const LocalModel& model(const std::vector<double>& at);
  bool converged(const std::vector<double>& at);
  const HyperEnd* neighbour(const std::vector<double>& at) const;
  HyperEnd climb(const std::vector<double>& start);
  TaoConvergedReason maximise(std::vector<double>& at);
  void describe(std::size_t best);

  const HyperSearch& search_;
  const HyperSearchSpec& spec_;
  // Of the running search.
  Eigen::MatrixXd directions_;        // of the next differences
  std::map<Key, LocalModel> models_;  // at its iterates
  double start_cost_ = 0;
  std::exception_ptr failure_;
  const HyperEnd* joined_ = nullptr;
  std::vector<std::optional<LocalModel>> at_ends_;  // the models there
};

struct HyperSearch::Replay::Callbacks {
  template <class Action>
  static PetscErrorCode guarded(void* context, const Action& action) {
    auto& self = *static_cast<Replay*>(context);
    try {
      action(self);
      return 0;
    } catch (...) {
      self.failure_ = std::current_exception();
      return PETSC_ERR_LIB;
    }
  }
  static PetscErrorCode objective(Tao, Vec x, PetscReal* cost, void* context) {
    return guarded(context, [&](Replay& self) {
      const auto at = numbers_of(x);
      const bool finite =
          std::ranges::all_of(at, [](double number) { return std::isfinite(number); });
      const double found = finite ? -self.value(at).value : NAN;
      *cost = std::isfinite(found) ? found : self.start_cost_ + penalty;
    });
  }
  static PetscErrorCode gradient(Tao, Vec x, Vec g, void* context) {
    return guarded(context, [&](Replay& self) {
      set_numbers(self.model(onto_grid(numbers_of(x))).gradient.data(), g);
    });
  }
  static PetscErrorCode hessian(Tao, Vec x, Mat h, Mat, void* context) {
    return guarded(context, [&](Replay& self) {
      const Eigen::MatrixXd& values = self.model(onto_grid(numbers_of(x))).hessian;
      PetscScalar* to = nullptr;
      check_petsc(MatDenseGetArray(h, &to), "MatDenseGetArray");
      std::copy_n(values.data(), values.size(), to);
      check_petsc(MatDenseRestoreArray(h, &to), "MatDenseRestoreArray");
      check_petsc(MatAssemblyBegin(h, MAT_FINAL_ASSEMBLY), "MatAssemblyBegin");
      check_petsc(MatAssemblyEnd(h, MAT_FINAL_ASSEMBLY), "MatAssemblyEnd");
    });
  }
  static PetscErrorCode test(Tao tao, void* context) {
    return guarded(context, [&](Replay& self) {
      Vec x = nullptr;
      PetscInt iterations = 0;
      check_petsc(TaoGetSolution(tao, &x), "TaoGetSolution");
      check_petsc(TaoGetIterationNumber(tao, &iterations), "TaoGetIterationNumber");
      const auto at = onto_grid(numbers_of(x));
      TaoConvergedReason reason = TAO_CONTINUE_ITERATING;
      if (iterations >= most_iterations) reason = TAO_DIVERGED_MAXITS;
      self.joined_ = self.neighbour(at);
      if (self.joined_ != nullptr || self.converged(at)) reason = TAO_CONVERGED_USER;
      check_petsc(TaoSetConvergedReason(tao, reason), "TaoSetConvergedReason");
    });
  }
};

// The model at an iterate; its curvature sets the directions of the next one.
const LocalModel& HyperSearch::Replay::model(const std::vector<double>& at) {
  const Key key = key_of(at);
  const auto found = models_.find(key);
  if (found != models_.end()) return found->second;
  const LocalModel& made = models_.emplace(key, make_model(at, directions_)).first->second;
  directions_ = directions_of(made.hessian);
  return made;
}

// Nothing is left to gain, as seen by differences that suit the curvature here.
bool HyperSearch::Replay::converged(const std::vector<double>& at) {
  const auto done = [&](const LocalModel& local) {
    return newton_gain(local.gradient, local.hessian, held_bounds(spec_, at, local.gradient)) <=
           enough;
  };
  const LocalModel& local = model(at);
  if (!done(local)) return false;
  if (suits(local.directions, local.hessian)) return true;
  const LocalModel better = make_model(at, directions_of(local.hessian));
  models_.insert_or_assign(key_of(at), better);
  directions_ = directions_of(better.hessian);
  return done(better);
}

// An earlier end that is as good as here.
const HyperEnd* HyperSearch::Replay::neighbour(const std::vector<double>& at) const {
  for (std::size_t e = 0; e < ends.size(); ++e) {
    if (ends[e].kind != HyperEnd::Kind::converged) continue;
    Eigen::VectorXd way(static_cast<Eigen::Index>(at.size()));
    for (std::size_t i = 0; i < at.size(); ++i) {
      way[static_cast<Eigen::Index>(i)] = at[i] - ends[e].at[i];
    }
    const double distance = way.dot(at_ends_[e]->hessian * way);
    if (way.cwiseAbs().maxCoeff() < first_radius && distance >= 0 && distance < near) {
      return &ends[e];
    }
  }
  return nullptr;
}

// TAO from `at` to where it ends.
TaoConvergedReason HyperSearch::Replay::maximise(std::vector<double>& at) {
  const auto n = static_cast<PetscInt>(at.size());
  Optimiser tao;
  linear::Vector x = vector_of(at), lower = vector_of(spec_.lower), upper = vector_of(spec_.upper);
  linear::Matrix h;
  check_petsc(MatCreateSeqDense(PETSC_COMM_SELF, n, n, nullptr, h.put()), "MatCreateSeqDense");
  make_tao(tao);
  check_petsc(TaoSetSolution(tao.get(), x.get()), "TaoSetSolution");
  check_petsc(TaoSetVariableBounds(tao.get(), lower.get(), upper.get()), "TaoSetVariableBounds");
  check_petsc(TaoSetObjective(tao.get(), &Callbacks::objective, this), "TaoSetObjective");
  check_petsc(TaoSetGradient(tao.get(), nullptr, &Callbacks::gradient, this), "TaoSetGradient");
  check_petsc(TaoSetHessian(tao.get(), h.get(), h.get(), &Callbacks::hessian, this),
              "TaoSetHessian");
  check_petsc(TaoSetFromOptions(tao.get()), "TaoSetFromOptions");
  check_petsc(TaoSetConvergenceTest(tao.get(), &Callbacks::test, this), "TaoSetConvergenceTest");
  const int code = TaoSolve(tao.get());
  if (failure_) return TAO_CONTINUE_ITERATING;  // thrown once the objects are gone
  check_petsc(code, "TaoSolve");
  TaoConvergedReason reason = TAO_CONTINUE_ITERATING;
  check_petsc(TaoGetConvergedReason(tao.get(), &reason), "TaoGetConvergedReason");
  at = onto_grid(numbers_of(x.get()));
  return reason;
}

HyperEnd HyperSearch::Replay::climb(const std::vector<double>& start) {
  HyperEnd end;
  end.at = start;
  for (std::size_t i = 0; i < start.size(); ++i) {
    end.at[i] = std::clamp(on_grid(start[i]), spec_.lower[i], spec_.upper[i]);
  }
  at_ends_.emplace_back();
  start_cost_ = -value(end.at).value;
  if (!std::isfinite(start_cost_)) return end;
  const auto n = static_cast<Eigen::Index>(start.size());
  directions_ = first_step * Eigen::MatrixXd::Identity(n, n);
  models_.clear();
  const TaoConvergedReason reason = maximise(end.at);
  if (auto failure = std::exchange(failure_, nullptr)) std::rethrow_exception(failure);
  end.kind = reason > 0 ? HyperEnd::Kind::converged : HyperEnd::Kind::unfinished;
  if (joined_ != nullptr) {
    end.kind = HyperEnd::Kind::joined;
    end.at = joined_->at;
  } else {
    at_ends_.back() = model(end.at);
  }
  end.value = value(end.at).value;
  return end;
}

void HyperSearch::Replay::describe(std::size_t best) {
  const std::vector<double>& at = ends[best].at;
  const LocalModel& local = *at_ends_[best];
  HyperOptimum found;
  found.best = value(at);
  found.bound = held_bounds(spec_, at, local.gradient);
  const Eigen::MatrixXd covariance = covariance_of(local.hessian, found.bound);
  found.covariance.assign(covariance.data(), covariance.data() + covariance.size());
  found.scale_slope.assign(local.scale_slope.data(),
                           local.scale_slope.data() + local.scale_slope.size());
  found.profile.resize(at.size());
  for (std::size_t i = 0; i < at.size() && spec_.profile; ++i) {
    for (const auto& point :
         profile_points(spec_, at, covariance, local.gradient, found.bound[i], i)) {
      found.profile[i].push_back({point[i], value(point).value});
    }
  }
  optimum = std::move(found);
}

HyperSearch::HyperSearch(const parallel::Communicator& comm, HyperSearchSpec spec)
    : comm_(comm), spec_(std::move(spec)) {
  for (auto* ends : {&spec_.lower, &spec_.upper}) *ends = onto_grid(*ends);
}

void HyperSearch::check_options(const parallel::Communicator& comm) {
  Optimiser tao;
  linear::Vector x;
  linear::or_destroy(
      [&] {
        make_tao(tao);
        x = vector_of({0.0});
        check_petsc(TaoSetSolution(tao.get(), x.get()), "TaoSetSolution");
        linear::check_petsc_options(comm, TaoSetFromOptions(tao.get()), "TaoSetFromOptions",
                                    prefix);
      },
      tao, x);
}

HyperSearch::Key HyperSearch::key_of(const std::vector<double>& at) {
  Key key;
  for (const double number : at) {
    key.push_back(static_cast<std::int64_t>(std::llround(std::ldexp(number, 30))));
  }
  return key;
}

std::optional<std::vector<double>> HyperSearch::next() {
  std::vector<double> wanted, done;
  parallel::agree(comm_, [&] {
    if (!comm_.is_root()) return;
    Replay replay(*this);
    try {
      replay.run();
      optimum_ = std::move(replay.optimum);
      ends_ = std::move(replay.ends);
      done = pack();
    } catch (const Wanted& missing) {
      ends_ = std::move(replay.ends);
      wanted = missing.point;
    }
  });
  std::array<std::int64_t, 1> size{std::ssize(done)};
  comm_.broadcast(std::span<std::int64_t>(size));
  if (size[0] == 0) {
    wanted.resize(spec_.lower.size());
    comm_.broadcast(std::span<double>(wanted));
    return wanted;
  }
  done.resize(static_cast<std::size_t>(size[0]));
  comm_.broadcast(std::span<double>(done));
  unpack(done);
  return std::nullopt;
}

void HyperSearch::add(HyperEvaluation evaluation) {
  std::array<double, 3> numbers{evaluation.value, evaluation.standard_error, evaluation.log_scale};
  comm_.broadcast(std::span<double>(numbers));
  evaluation.value = numbers[0];
  evaluation.standard_error = numbers[1];
  evaluation.log_scale = numbers[2];
  known_[key_of(evaluation.at)] = evaluations_.size();
  evaluations_.push_back(std::move(evaluation));
}

// What the other ranks learn when the search is done: numbers one after the other.
std::vector<double> HyperSearch::pack() const {
  std::vector<double> to;
  const auto append = [&](const auto& numbers) {
    to.insert(to.end(), numbers.begin(), numbers.end());
  };
  for (const HyperEnd& end : ends_) {
    to.push_back(static_cast<double>(end.kind));
    to.push_back(end.value);
    append(end.at);
  }
  to.push_back(optimum_ ? 1 : 0);
  if (!optimum_) return to;
  const HyperEvaluation& best = optimum_->best;
  append(best.at);
  append(std::array<double, 3>{best.value, best.standard_error, best.log_scale});
  append(optimum_->bound);
  append(optimum_->covariance);
  append(optimum_->scale_slope);
  for (const auto& profile : optimum_->profile) {
    to.push_back(static_cast<double>(profile.size()));
    for (const ProfilePoint& point : profile) append(std::array{point.parameter, point.value});
  }
  return to;
}

void HyperSearch::unpack(const std::vector<double>& numbers) {
  const std::size_t n = spec_.lower.size();
  auto from = numbers.begin();
  const auto take = [&](std::size_t count) {
    std::vector<double> part(from, from + static_cast<std::ptrdiff_t>(count));
    from += static_cast<std::ptrdiff_t>(count);
    return part;
  };
  ends_.assign(spec_.starts.size(), {});
  for (HyperEnd& end : ends_) {
    end.kind = static_cast<HyperEnd::Kind>(static_cast<int>(*from++));
    end.value = *from++;
    end.at = take(n);
  }
  optimum_.reset();
  if (*from++ == 0) return;
  HyperOptimum found;
  found.best.at = take(n);
  found.best.value = *from++;
  found.best.standard_error = *from++;
  found.best.log_scale = *from++;
  for (const double side : take(n)) found.bound.push_back(static_cast<int>(side));
  found.covariance = take(n * n);
  found.scale_slope = take(n);
  for (std::size_t i = 0; i < n; ++i) {
    auto& profile = found.profile.emplace_back(static_cast<std::size_t>(*from++));
    for (ProfilePoint& point : profile) {
      point.parameter = *from++;
      point.value = *from++;
    }
  }
  optimum_ = std::move(found);
}

}  // namespace mensura::gp
