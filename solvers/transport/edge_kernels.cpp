// SPDX-License-Identifier: BSD-3-Clause
#include "transport/edge_kernels.hpp"

#include <algorithm>

#include "transport/certificate.hpp"
#include "transport/search.hpp"

namespace mensura::transport {

namespace {

class SupportKernel final : public Kernel {
 public:
  explicit SupportKernel(SparsePlan& plan) : plan_(plan) {}
  void soft_rows(double epsilon, std::span<const double> g, std::span<double> f,
                 const std::function<void()>&) const override {
    plan_.soft_rows(epsilon, g, f);
  }
  void soft_columns(double epsilon, std::span<const double> f, std::span<double> g,
                    const std::function<void()>&) const override {
    plan_.soft_columns(epsilon, f, g);
  }
  double linear_cost(double epsilon, std::span<const double> f, std::span<const double> g,
                     const std::function<void()>&) const override {
    plan_.evaluate({{f.begin(), f.end()}, {g.begin(), g.end()}}, epsilon);
    return transport::linear_cost(plan_);
  }
  std::string name() const override { return "support"; }

 private:
  SparsePlan& plan_;
};

// Sums by searches in the clouds' trees; `transform(x, y, g, epsilon)` is one of them.
template <class Transform>
class SearchKernel final : public Kernel {
 public:
  SearchKernel(const Cloud& x, const Cloud& y, std::string name, Transform transform)
      : x_(x), y_(y), name_(std::move(name)), transform_(std::move(transform)) {}
  void soft_rows(double epsilon, std::span<const double> g, std::span<double> f,
                 const std::function<void()>& poll) const override {
    std::ranges::copy(transform_(x_, y_, g, epsilon), f.begin());
    if (poll) poll();
  }
  void soft_columns(double epsilon, std::span<const double> f, std::span<double> g,
                    const std::function<void()>& poll) const override {
    std::ranges::copy(transform_(y_, x_, f, epsilon), g.begin());
    if (poll) poll();
  }
  double linear_cost(double, std::span<const double>, std::span<const double>,
                     const std::function<void()>&) const override {
    parallel::require(false, "searches give sums only");
    return 0;
  }
  std::string name() const override { return name_; }

 private:
  const Cloud& x_;
  const Cloud& y_;
  std::string name_;
  Transform transform_;
};

template <class Transform>
std::unique_ptr<Kernel> search_kernel(const Cloud& x, const Cloud& y, const char* name,
                                      Transform transform) {
  return std::make_unique<SearchKernel<Transform>>(x, y, name, std::move(transform));
}

}  // namespace

std::unique_ptr<Kernel> make_support_kernel(SparsePlan& plan) {
  return std::make_unique<SupportKernel>(plan);
}

std::unique_ptr<Kernel> make_search_kernel(const parallel::Communicator& comm, const Cloud& x,
                                           const Cloud& y, const Cost& cost) {
  return search_kernel(x, y, "search",
                       [&comm, &cost](const Cloud& to, const Cloud& from,
                                      std::span<const double> potential, double epsilon) {
                         return soft_transform(comm, to, from, potential, epsilon, cost);
                       });
}

std::unique_ptr<Kernel> make_hard_kernel(const parallel::Communicator& comm, const Cloud& x,
                                         const Cloud& y, const Cost& cost) {
  return search_kernel(
      x, y, "hard",
      [&comm, &cost](const Cloud& to, const Cloud& from, std::span<const double> potential,
                     double) { return hard_transform(comm, to, from, potential, cost); });
}

}  // namespace mensura::transport
