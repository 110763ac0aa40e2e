// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "gp/domain.hpp"
#include "gp/kernel.hpp"
#include "input/common.hpp"

namespace mensura::gp {

/// A function on the domain as the deck gives it: a formula in x, y, z, t, or one number per point
/// of a kind in an HDF5 dataset (in the order of the point file's rows).
struct FieldSpec {
  std::string expression{};
  std::optional<input::FileSource> file{};
  std::string where{};  ///< place in the deck, for messages
  bool present() const { return !expression.empty() || file.has_value(); }
};

/// A solution with known derivatives, from which source and boundary data follow: u = sum over k =
/// 1 ... terms of product over the axes of sin(pi k x_i), times k^(-decay).
struct SineSeries {
  double decay = 6;
  int terms = 600;
};

enum class EquationName { elliptic, burgers, monge_ampere, eikonal, darcy_inverse };
const std::vector<std::string>& equation_names();

/// What an inverse problem looks for beside u: a coefficient of the elliptic equation as a second
/// unknown field. Of the diffusion, which is positive, the logarithm.
enum class Unknown { source, reaction, diffusion };

struct InverseSpec {
  Unknown unknown = Unknown::diffusion;
  std::string name{};  ///< of the second field in records and results
  Kernel prior{};
  FieldSpec exact{};  ///< may be absent
};

struct EquationSpec {
  EquationName name = EquationName::elliptic;
  // elliptic: -div(diffusion grad u) + reaction u^power = source; darcy_inverse: the same with
  // unknown diffusion and without reaction
  FieldSpec diffusion{};
  std::vector<FieldSpec> diffusion_gradient{};  ///< empty: differences of the expression
  double reaction = 0;
  int power = 1;
  // burgers: u_t + u u_x - viscosity u_xx = source; eikonal: |grad u|^2 - viscosity Lap u = source
  double viscosity = 0;
  FieldSpec initial{};
  FieldSpec source{};
  FieldSpec boundary{};
  FieldSpec exact{};                         ///< may be absent
  std::optional<SineSeries> manufactured{};  ///< elliptic; replaces source, boundary and exact
  std::optional<InverseSpec> inverse{};      ///< elliptic, darcy_inverse
  bool cole_hopf = false;  ///< burgers: exact solution for initial -sin(pi x), zero boundary
};

struct GridLayout {
  std::vector<std::int64_t> per_side{};  ///< points per side, ends included; one, or one per axis
};
struct RandomLayout {
  std::int64_t interior = 0;
  std::int64_t boundary = 0;
  std::uint64_t seed = 1;
};
struct FileLayout {
  input::FileSource interior{};
  input::FileSource boundary{};
};
using LayoutSpec = std::variant<GridLayout, RandomLayout, FileLayout>;

enum class FactorMethod { sparse, dense };

struct FactorSpec {
  FactorMethod method = FactorMethod::sparse;
  double radius = 3;      ///< rho: rows of column j within rho min(l_i, l_j)
  int neighbours = 3;     ///< k of the k-maximin order
  double nugget = 1e-10;  ///< relative to every diagonal entry
};

struct SolveSpec {
  double tolerance = 1e-8;  ///< of the conjugate gradients, relative to the right-hand side
  /// Relative step of u at which Gauss-Newton has converged; with warm starts it also has when the
  /// equation holds to the tolerance.
  double newton = 1e-10;
  int max_newton = 30;
  /// Conjugate gradients begin at the last solve's solution and, but for time steps, stop early
  /// until the last step.
  bool warm_start = true;
  /// Most steps that refine the last linear system's solution with the exact covariance.
  int refine = 0;
};

struct TimeSpec {
  double final_time = 1;
  double step = 0.02;
  int newton_steps = 2;  ///< most Gauss-Newton steps per time step
};

/// What is measured of a field at a point.
enum class Measured { value, derivative, laplacian };

/// Noisy measurements of u, or of the second unknown, at points.
struct DataSpec {
  input::FileSource points{};
  input::FileSource values{};
  double noise = 0;  ///< standard deviation, > 0
  bool of_second = false;
  std::string where{};
  Measured functional = Measured::value;
  std::vector<double> direction{};  ///< of a derivative, one component per axis; any length > 0
};

/// Noisy averages of u, or of the second unknown, over a region around each centre.
struct AverageSpec {
  input::FileSource centres{};
  input::FileSource values{};
  double noise = 0;           ///< standard deviation, > 0
  std::vector<double> box{};  ///< full widths, one per axis; empty: a ball
  double radius = 0;          ///< of the ball
  bool of_second = false;
  std::string where{};
};

/// Which parameters are fitted to the data by maximum evidence, and between which bounds.
struct HyperSpec {
  struct Bounds {
    double lower = 0, upper = 0;
  };
  bool length = false;        ///< every length of the prior
  bool variance = false;      ///< Problem::variance; with exact data only, it follows from the rest
  bool noise = false;         ///< every entry of data has a standard deviation of its own, or
  bool shared_noise = false;  ///< all have the same
  std::optional<Bounds> length_bounds{}, variance_bounds{}, noise_bounds{};
  int starts = 3;
  bool profile = true;
};

struct PredictSpec {
  std::vector<std::int64_t> grid{};           ///< points per axis of the bounding box; empty: none
  std::optional<input::FileSource> points{};  ///< or these; neither: the collocation points only
};

enum class VarianceMethod { modes, exact };

/// What is wanted of the posterior beside its mean.
struct PosteriorSpec {
  VarianceMethod variance = VarianceMethod::modes;
  std::int64_t modes = 50;    ///< treated exactly; rounded up to a multiple of eight
  std::int64_t samples = 20;  ///< drawn; for variances rounded up to a multiple of eight
  bool write_samples = true;
};

/// What a deck asks for, free of decks.
struct Problem {
  EquationSpec equation{};
  std::optional<Domain> domain{};  ///< absent only with a file layout
  LayoutSpec layout{};
  Kernel prior{};
  /// Multiplies the covariance of the prior; absent: estimated. 1 with a second unknown.
  std::optional<double> variance{};
  FactorSpec factor{};
  SolveSpec solve{};
  std::optional<TimeSpec> time{};
  std::vector<DataSpec> data{};
  std::optional<HyperSpec> hyper{};
  std::vector<AverageSpec> averages{};
  PredictSpec predict{};
  bool certify = false;  ///< the last linear system's residual under the exact covariance
  std::optional<PosteriorSpec> posterior{};
  std::uint64_t seed = 1;  ///< of random numbers that belong to the solve

  /// Of all unknown fields.
  Prior priors() const {
    return equation.inverse ? Prior{prior, equation.inverse->prior} : Prior{prior};
  }
};

/// Local. The files that points and values came from, for messages.
std::string input_files(const Problem& problem);

}  // namespace mensura::gp
