// SPDX-License-Identifier: BSD-3-Clause
#include "transport/bregman.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <cstdio>
#include <chrono>
#include "dense.hpp"

namespace {
using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;
using namespace mensura::transport;

TEST(Scratch, Images) {
  const Communicator comm = Communicator::world();
  const std::int64_t n = 64;
  const double h = 1.0 / 64;
  const output::RegularGrid grid{{n, n}, {h / 2, h / 2}, {h, h}};
  std::vector<Measure> images;
  for (int k = 0; k < 4; ++k) {
    images.push_back(grid_measure(grid, [k](const std::vector<double>& x) {
      double cx = 0.3 + 0.4 * (k % 2), cy = 0.3 + 0.4 * (k / 2);
      double r = std::hypot(x[0] - cx, x[1] - cy);
      return (r < 0.2 && r > (0.05 + 0.03*k) ? 1.0 : 0.0) ;
    }));
  }
  const Measure all = grid_measure(grid, [](const auto&) { return 1.0; });
  const Cloud z = cloud_of(comm, all);
  std::vector<Cloud> x;
  for (auto& m : images) x.push_back(cloud_of(comm, m));
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::vector<BregmanEdge> edges;
  for (auto& c : x) {
    kernels.push_back(make_separable_kernel(comm, c, grid, z, grid, Cost({}, 1, 2)));
    edges.push_back({&c, kernels.back().get(), 0.25});
  }
  const auto own = make_separable_kernel(comm, z, grid, z, grid, Cost({}, 1, 2));
  for (double eps : {1e-2, 1e-3, 2.5e-4, 1e-5})
  for (int mode = 0; mode < 2; ++mode) {
    BregmanOptions options;
    options.epsilon = eps;
    options.first_epsilon = 0.25;
    options.tolerance = 1e-9;
    options.max_sweeps = 1000;
    auto t0 = std::chrono::steady_clock::now();
    Bregman b(comm, edges, z, mode == 1 ? own.get() : nullptr, options);
    while (!b.finished()) b.advance({});
    auto t1 = std::chrono::steady_clock::now();
    const auto& r = b.report();
    std::printf("eps %g mode %d sweeps %d of %d err %.2g rate %.4f w %.4f dual %.12f mass-1 %.2g  %.2fs\n", eps, mode, (int)r.last_sweeps, (int)r.sweeps, r.error_l1, r.rate, r.over_relaxation, r.dual_objective, r.mass - 1,
      std::chrono::duration<double>(t1 - t0).count());
    std::fflush(stdout);
  }
}
}  // namespace
