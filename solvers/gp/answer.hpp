// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "gp/problem.hpp"
#include "gp/system.hpp"
#include "output/field_writer.hpp"
#include "output/hdf5.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// The mean where the deck wants it: this rank's block of the points, in their order.
struct Answer {
  std::int64_t total = 0;
  std::int64_t first = 0;
  int dimension = 0;
  std::vector<double> points;                 ///< row-major
  std::vector<double> mean;                   ///< NaN outside the domain
  std::vector<double> exact;                  ///< empty where none is known
  std::optional<output::RegularGrid> grid{};  ///< of a predict grid
  bool error_known = false;                   ///< the deck has an exact solution
  double error_l2 = 0, error_linf = 0;        ///< over the points inside
  // Once the posterior is known, if it is asked for:
  std::vector<double> variance;              ///< NaN outside
  std::vector<std::vector<double>> samples;  ///< of u, point by point; NaN outside
  double mean_variance = 0;                  ///< over the points inside
  double coverage = 0;                       ///< of the exact solution by 95 % intervals
};

/// Collective. Evaluates the posterior mean of u from the state (own rows) at the prediction
/// points: the deck's grid (x fastest, then y, z; over the bounding box), its file, or the
/// collocation points in the order of their ids. `time`: for the exact solution. Throws
/// Error{input_data} on all ranks for points of a file outside the domain.
Answer answer(const parallel::Communicator& comm, const Problem& problem, System& system,
              std::span<const double> state, double time, const std::function<void()>& poll);

/// Collective. Makes or reads the prediction points and the exact solution there and forgets them,
/// so that what is wrong with them is met before the solve. The system knows its dimension and,
/// where u is wanted at the collocation points, its pattern. Throws as answer().
void check_wanted(const parallel::Communicator& comm, const Problem& problem, const System& system,
                  double time);

/// Local. Which of the own points lie inside the domain, and the coordinates of chosen ones.
std::vector<std::size_t> inside_points(const Problem& problem, const Answer& answer);
std::vector<double> chosen_rows(const Answer& answer, const std::vector<std::size_t>& chosen);

/// Collective. From mean, variance and exact values: mean variance and coverage.
void find_coverage(const parallel::Communicator& comm, Answer& answer);

/// Collective. /predict of the results file.
void write_answer(output::File& file, const Answer& answer);

/// Collective. fields/mean.h5 and, with samples, fields/samples.h5 with their XDMF.
void write_fields(const parallel::Communicator& comm, const std::string& folder,
                  const output::Provenance& provenance, const Answer& answer);

}  // namespace mensura::gp
