// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/interval.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "divergence/compensated.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using Square = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Constants of the method. They were chosen once, by coverage and error over Gaussian and truncated
// pairs in dimension 2, 4 and 8, and are not meant to be tuned per problem.
constexpr std::array<double, 4> exponents = {0.25, 0.5, 0.7, 1.0};  // times 4/dimension
constexpr std::array<double, 4> exponent_prior = {0.1, 0.3, 0.3, 0.3};
constexpr double upward_prior = 0.25;        // prior mass of an upward bias
constexpr double saturation_trust = 0.5;     // the correction itself is trusted to one half
constexpr double extrapolation_doubt = 0.4;  // share of the extrapolation that enters the bar
constexpr double saturation_doubt = 0.5;     // share of the saturation at k = K/4 that enters it
constexpr double ridge = 1e-3;
constexpr int nodes = 801;  // quadrature nodes z = -8..8 in likelihood units

MatrixXd total_covariance(const Profile& p) {
  const auto n = static_cast<Index>(p.value.size());
  MatrixXd v = Eigen::Map<const Square>(p.covariance.data(), n, n);
  const VectorXd noise = Eigen::Map<const VectorXd>(p.ball_noise.data(), n);
  const VectorXd sat = Eigen::Map<const VectorXd>(p.saturation.data(), n);
  for (Index i = 0; i < n; ++i) {
    for (Index j = 0; j < n; ++j) v(i, j) += std::min(noise(i), noise(j));
  }
  const double added = ridge * v.trace() / static_cast<double>(n);
  v += added * MatrixXd::Identity(n, n);
  v += saturation_trust * saturation_trust * sat * sat.transpose();
  return v;
}

VectorXd powers(const std::vector<int>& neighbours, double exponent) {
  VectorXd phi(static_cast<Index>(neighbours.size()));
  for (std::size_t i = 0; i < neighbours.size(); ++i) {
    const double share = static_cast<double>(neighbours[i]) / neighbours.back();
    phi(static_cast<Index>(i)) = std::pow(share, exponent);
  }
  return phi;
}

// Level and slope of C(k) = D + b phi(k) for one exponent, seen from the level-free precision.
struct Model {
  VectorXd direction;                           // weights of the slope: b^ = direction' C
  double slope = 0, slope_error = 0, gain = 0;  // gain = phi'w0: D_0 moves by -b gain
  std::array<double, nodes> log_weight{};
};

Model fit_model(const Profile& p, const MatrixXd& projected, const VectorXd& level_weights,
                double level_error, double exponent, double prior) {
  const VectorXd c = Eigen::Map<const VectorXd>(p.value.data(), static_cast<Index>(p.value.size()));
  const VectorXd phi = powers(p.neighbours, exponent);
  const VectorXd row = projected * phi;
  const double curvature = phi.dot(row);
  Model m;
  m.direction = row / curvature;
  m.slope = row.dot(c) / curvature;
  m.slope_error = 1 / std::sqrt(curvature);
  m.gain = phi.dot(level_weights);
  for (int i = 0; i < nodes; ++i) {
    const double z = -8.0 + 0.02 * i;
    const double b = m.slope + m.slope_error * z;
    const double side = b < 0 ? 1 - upward_prior : upward_prior;
    const double cauchy = side / (1 + (b / level_error) * (b / level_error));
    m.log_weight[static_cast<std::size_t>(i)] = std::log(prior * cauchy * m.slope_error) -
                                                0.5 * z * z + 0.5 * m.slope * m.slope * curvature;
  }
  return m;
}

struct Average {
  double value = 0, variance = 0;
  std::vector<double> model_weight,
      model_slope;  // posterior probability and mean slope per exponent
};

Average average(const std::vector<Model>& models, double level) {
  double top = -std::numeric_limits<double>::infinity();
  for (const Model& m : models) {
    top = std::max(top, *std::max_element(m.log_weight.begin(), m.log_weight.end()));
  }
  CompensatedSum total, first;
  std::vector<CompensatedSum> weight(models.size()), slope(models.size());
  const auto for_each_node = [&](const auto& visit) {
    for (std::size_t g = 0; g < models.size(); ++g) {
      for (std::size_t i = 0; i < nodes; ++i) {
        const double z = -8.0 + 0.02 * static_cast<double>(i);
        visit(g, std::exp(models[g].log_weight[i] - top),
              models[g].slope + models[g].slope_error * z);
      }
    }
  };
  for_each_node([&](std::size_t g, double w, double b) {
    total.add(w);
    first.add(w * (level - b * models[g].gain));
    weight[g].add(w);
    slope[g].add(w * b);
  });
  Average result;
  result.value = first.value() / total.value();
  CompensatedSum second;
  for_each_node([&](std::size_t g, double w, double b) {
    const double off = level - b * models[g].gain - result.value;
    second.add(w * off * off);
  });
  result.variance = second.value() / total.value();
  for (std::size_t g = 0; g < models.size(); ++g) {
    result.model_weight.push_back(weight[g].value() / total.value());
    result.model_slope.push_back(slope[g].value() / weight[g].value());
  }
  return result;
}

// The prior shrinks each slope to model_slope; the share of the fitted slope that survives, kept
// within [0, 1], makes the estimate a weighted sum of the profile (up to the prior's own small
// pull).
VectorXd effective_weights(const std::vector<Model>& models, const Average& mean,
                           VectorXd weights) {
  for (std::size_t g = 0; g < models.size(); ++g) {
    if (!(mean.model_weight[g] > 0)) continue;
    const double kept = models[g].slope == 0 ? 0.0 : mean.model_slope[g] / models[g].slope;
    weights -=
        mean.model_weight[g] * models[g].gain * std::clamp(kept, 0.0, 1.0) * models[g].direction;
  }
  return weights;
}

void require_finite(const Profile& p) {
  const auto finite = [](const std::vector<double>& v) {
    return std::all_of(v.begin(), v.end(), [](double x) { return std::isfinite(x); });
  };
  if (finite(p.value) && finite(p.covariance) && finite(p.ball_noise) && finite(p.saturation))
    return;
  throw parallel::Error(parallel::ExitCode::numerical,
                        "the k-profile of a one_step estimate is not finite");
}

Extrapolation degenerate(const Profile& p) {
  Extrapolation e;
  e.value = e.unextrapolated = p.value.back();
  e.bias_bar = std::numeric_limits<double>::quiet_NaN();
  e.weights.assign(p.value.size(), 0.0);
  e.weights.back() = 1;
  e.degenerate = true;
  return e;
}

}  // namespace

std::size_t saturation_index(const std::vector<int>& neighbours) {
  std::size_t i = 0;
  while (4 * neighbours[i] < neighbours.back()) ++i;
  return i;
}

Extrapolation extrapolate(const Profile& profile, int dimension) {
  require_finite(profile);
  const auto n = static_cast<Index>(profile.value.size());
  const MatrixXd v = total_covariance(profile);
  // Below the square of the smallest normal number the inverse would overflow: nothing varies.
  if (!(v.trace() > 1e-280)) return degenerate(profile);
  const MatrixXd a = v.partialPivLu().inverse();
  const VectorXd a_one = a * VectorXd::Ones(n);
  const double information = a_one.sum();
  if (!a.allFinite() || !(information > 0)) return degenerate(profile);
  const VectorXd level_weights = a_one / information;
  const VectorXd c = Eigen::Map<const VectorXd>(profile.value.data(), n);
  const MatrixXd projected = a - a_one * a_one.transpose() / information;

  Extrapolation e;
  e.standard_error = 1 / std::sqrt(information);
  e.unextrapolated = level_weights.dot(c);
  std::vector<Model> models;
  for (std::size_t g = 0; g < exponents.size(); ++g) {
    models.push_back(fit_model(profile, projected, level_weights, e.standard_error,
                               4 * exponents[g] / dimension, exponent_prior[g]));
  }
  const Average mean = average(models, e.unextrapolated);
  const double pulled = extrapolation_doubt * (mean.value - e.unextrapolated);
  const double sat = saturation_doubt * profile.saturation[saturation_index(profile.neighbours)];
  e.value = mean.value;
  e.bias_bar = std::sqrt(mean.variance + pulled * pulled + sat * sat);
  const VectorXd weights = effective_weights(models, mean, level_weights);
  e.weights.assign(weights.begin(), weights.end());
  return e;
}

ConstrainedFit least_squares(const std::vector<int>& neighbours, const std::vector<double>& value,
                             const std::vector<double>& covariance, int dimension,
                             bool constrained) {
  const auto n = static_cast<Index>(value.size());
  const MatrixXd raw = Eigen::Map<const Square>(covariance.data(), n, n);
  const MatrixXd s = raw + ridge * raw.trace() / static_cast<double>(n) * MatrixXd::Identity(n, n);
  ConstrainedFit fit;
  VectorXd w = VectorXd::Constant(n, 1 / static_cast<double>(n));
  if (s.trace() > 1e-280) {
    MatrixXd rows(constrained ? 2 : 1, n);
    rows.row(0).setOnes();
    if (constrained) rows.row(1) = powers(neighbours, 4.0 / dimension).transpose();
    const MatrixXd si_rows = s.partialPivLu().solve(rows.transpose());
    VectorXd target = VectorXd::Zero(rows.rows());
    target(0) = 1;
    w = si_rows * (rows * si_rows).partialPivLu().solve(target);
  }
  fit.value = w.dot(Eigen::Map<const VectorXd>(value.data(), n));
  fit.standard_error = std::sqrt(std::max(0.0, w.dot(s * w)));
  fit.weights.assign(w.begin(), w.end());
  return fit;
}

}  // namespace mensura::divergence
