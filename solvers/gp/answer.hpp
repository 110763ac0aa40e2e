// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gp/problem.hpp"
#include "gp/system.hpp"
#include "output/field_writer.hpp"
#include "output/hdf5.hpp"
#include "output/record.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// What is known of one unknown field at the prediction points, this rank's block of them.
struct PredictedField {
  std::string name;                     ///< "u", or that of the second unknown
  Functional functional{};              ///< its value
  std::vector<double> mean{};           ///< NaN outside the domain
  std::vector<double> exact{};          ///< empty where none is known
  bool error_known = false;             ///< the deck has an exact solution
  double error_l2 = 0, error_linf = 0;  ///< over the points inside
  // Once the posterior is known, if it is asked for:
  bool variance_known = false;                 ///< the same on all ranks, with points or without
  std::vector<double> variance{};              ///< NaN outside
  std::vector<std::vector<double>> samples{};  ///< point by point; NaN outside
  double mean_variance = 0;                    ///< over the points inside
  double coverage = 0;                         ///< of the exact solution by 95 % intervals
};

/// The fields where the deck wants them: this rank's block of the points, in their order.
struct Answer {
  std::int64_t total = 0;
  std::int64_t first = 0;
  int dimension = 0;
  std::vector<double> points;                 ///< row-major
  std::optional<output::RegularGrid> grid{};  ///< of a predict grid
  std::vector<PredictedField> fields;         ///< u, and the second unknown of inverse problems
  std::size_t own() const noexcept { return points.size() / static_cast<std::size_t>(dimension); }
};

/// Collective. The mean of a functional of the unknown fields at any points (row-major).
using PointMean =
    std::function<std::vector<double>(std::span<const double>, const Functional& functional)>;

/// Collective. Evaluates the posterior mean of all fields from the state (own rows) at the
/// prediction points: the deck's grid (x fastest, then y, z; over the bounding box), its file, or
/// the collocation points in the order of their ids. `time`: for the exact solution.
/// `sums`: replaces the interpolation from the state at prediction points. Throws
/// Error{input_data} on all ranks for points of a file outside the domain.
Answer answer(const parallel::Communicator& comm, const Problem& problem, System& system,
              std::span<const double> state, double time, const std::function<void()>& poll,
              const PointMean& sums = {});

/// Collective. Makes or reads the prediction points and the exact solution there and forgets them,
/// so that what is wrong with them is met before the solve. The system knows its dimension and,
/// where u is wanted at the collocation points, its pattern. Throws as answer().
void check_wanted(const parallel::Communicator& comm, const Problem& problem, const System& system,
                  double time);

/// Local. Which of the own points lie inside the domain, and the coordinates of chosen ones.
std::vector<std::size_t> inside_points(const Problem& problem, const Answer& answer);
std::vector<double> chosen_rows(const Answer& answer, const std::vector<std::size_t>& chosen);

/// Collective. From mean, variance and exact values: mean variance and coverage.
void find_coverage(const parallel::Communicator& comm, PredictedField& field);

/// Local. Entries error_l2 and error_linf of every field; `early`: of a run that failed.
void record_errors(output::Record& record, const Answer& answer, bool early);

/// Collective. /predict of the results file: u there, other fields in groups of their names.
void write_answer(output::File& file, const Answer& answer);

/// Collective. fields/mean.h5 and, with samples, fields/samples.h5 with their XDMF.
void write_fields(const parallel::Communicator& comm, const std::string& folder,
                  const output::Provenance& provenance, const Answer& answer);

}  // namespace mensura::gp
