// SPDX-License-Identifier: BSD-3-Clause
// main() of every test program: MPI first, GoogleTest inside, one verdict for all ranks.
#include <gtest/gtest.h>
#include <mpi.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace {

// Ends the job when ranks do not meet at the end of a test: one rank failed or left inside a
// collective.
class Rendezvous : public testing::EmptyTestEventListener {
  void OnTestEnd(const testing::TestInfo& info) override {
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    const auto start = std::chrono::steady_clock::now();
    int done = 0;
    while (MPI_Test(&request, &done, MPI_STATUS_IGNORE), done == 0) {
      if (std::chrono::steady_clock::now() - start > std::chrono::seconds(60)) {
        std::fprintf(stderr, "ranks did not meet after test %s.%s\n", info.test_suite_name(),
                     info.name());
        MPI_Abort(MPI_COMM_WORLD, 70);
      }
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  testing::InitGoogleTest(&argc, argv);
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (rank != 0) delete listeners.Release(listeners.default_result_printer());
  class FailurePrinter : public testing::EmptyTestEventListener {
    int rank_;
    void OnTestPartResult(const testing::TestPartResult& result) override {
      if (result.failed()) {
        std::fprintf(stderr, "[rank %d] %s:%d: %s\n", rank_,
                     result.file_name() ? result.file_name() : "?", result.line_number(),
                     result.summary());
      }
    }

   public:
    explicit FailurePrinter(int rank) : rank_(rank) {}
  };
  if (rank != 0) listeners.Append(new FailurePrinter(rank));
  listeners.Append(new Rendezvous);
  int verdict = RUN_ALL_TESTS();
  MPI_Allreduce(MPI_IN_PLACE, &verdict, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return verdict;
}
