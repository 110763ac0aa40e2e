// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/sampler.hpp"

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

// The random numbers of one point, one after another.
class Draws {
 public:
  Draws(const parallel::Stream& stream, std::uint64_t index) : stream_(stream), index_(index) {}
  double uniform() noexcept { return stream_.uniform(index_, next_++); }
  double normal() noexcept {
    const std::uint64_t pair = (next_ + 1) / 2;  // a normal takes uniforms 2 pair, 2 pair + 1
    next_ = 2 * pair + 2;
    return stream_.normal(index_, pair);
  }

 private:
  const parallel::Stream& stream_;
  std::uint64_t index_;
  std::uint64_t next_ = 0;
};

double lower_tail(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

// The point below which a standard normal lies with probability p <= 1/2 (the other half by
// symmetry, without loss of digits).
double lower_quantile(double p) {
  return -std::numbers::sqrt2 * boost::math::erfc_inv(2 * p);
}

// Standard normal beyond a >= 4, up to b: exponential proposal of rate a, accepted with
// exp(-(t-a)^2/2).
double draw_tail(Draws& draws, double a, double b) {
  const double cut = -std::expm1(-a * (b - a));
  while (true) {
    const double excess = -std::log1p(-draws.uniform() * cut) / a;
    if (draws.uniform() <= std::exp(-0.5 * excess * excess)) return std::min(a + excess, b);
  }
}

// Standard normal restricted to [a, b], exact also far in a tail, where differences of Phi vanish.
double draw_truncated(Draws& draws, double a, double b) {
  if (a >= 4) return draw_tail(draws, a, b);
  if (b <= -4) return -draw_tail(draws, -b, -a);
  const double u = draws.uniform();
  const double below = lower_tail(a);   // P(T < a)
  const double above = lower_tail(-b);  // P(T > b)
  const double p = below + u * (1 - below - above);
  const double q = above + (1 - u) * (1 - below - above);
  const double t = p <= 0.5 ? lower_quantile(p) : -lower_quantile(q);
  return std::clamp(t, a, b);
}

// Logarithm of a Gamma(shape) variate (Marsaglia and Tsang 2000; shape < 1 by the power of a
// uniform). The logarithm keeps tiny variates of small shapes from underflowing.
double draw_log_gamma(Draws& draws, double shape) {
  double boost_log = 0;
  if (shape < 1) {
    boost_log = std::log(draws.uniform()) / shape;
    shape += 1;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = draws.normal();
    const double u = draws.uniform();
    const double base = 1 + c * x;
    if (base <= 0) continue;
    const double log_v = 3 * std::log(base);
    if (std::log(u) < 0.5 * x * x + d - d * std::exp(log_v) + d * log_v) {
      return std::log(d) + log_v + boost_log;
    }
  }
}

}  // namespace

class Sampler::Form {
 public:
  Form() = default;
  Form(const Form&) = delete;
  Form& operator=(const Form&) = delete;
  virtual ~Form() = default;
  virtual void draw(Draws& draws, std::span<double> out) const = 0;
};

namespace {

class GaussianForm : public Sampler::Form {
 public:
  explicit GaussianForm(const Gaussian& law) : mean_(law.mean), full_(law.covariance.full) {
    const std::size_t d = mean_.size();
    const auto& c = law.covariance.values;
    factor_ = c;
    if (!full_) {
      for (double& value : factor_) value = std::sqrt(value);
      return;
    }
    for (std::size_t i = 0; i < d; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        double rest = c[i * d + j];
        for (std::size_t k = 0; k < j; ++k) rest -= factor_[i * d + k] * factor_[j * d + k];
        factor_[i * d + j] = i == j ? std::sqrt(rest) : rest / factor_[j * d + j];
      }
    }
  }
  void draw(Draws& draws, std::span<double> out) const override {
    const std::size_t d = mean_.size();
    for (std::size_t i = 0; i < d; ++i) out[i] = draws.normal();
    // From the last row upwards the factor can be applied in place.
    for (std::size_t i = d; i-- > 0;) {
      double value = out[i] * (full_ ? factor_[i * d + i] : factor_[i]);
      for (std::size_t j = 0; full_ && j < i; ++j) value += factor_[i * d + j] * out[j];
      out[i] = mean_[i] + value;
    }
  }

 private:
  std::vector<double> mean_, factor_;
  bool full_;
};

class TruncatedForm : public Sampler::Form {
 public:
  explicit TruncatedForm(const TruncatedGaussian& law) : law_(law) {
    for (const double v : law.covariance.values) deviation_.push_back(std::sqrt(v));
  }
  void draw(Draws& draws, std::span<double> out) const override {
    for (std::size_t i = 0; i < deviation_.size(); ++i) {
      const double m = law_.mean[i];
      const double s = deviation_[i];
      const double t = draw_truncated(draws, (law_.lower[i] - m) / s, (law_.upper[i] - m) / s);
      out[i] = std::clamp(m + s * t, law_.lower[i], law_.upper[i]);
    }
  }

 private:
  TruncatedGaussian law_;
  std::vector<double> deviation_;
};

class UniformForm : public Sampler::Form {
 public:
  explicit UniformForm(Uniform law) : law_(std::move(law)) {}
  void draw(Draws& draws, std::span<double> out) const override {
    for (std::size_t i = 0; i < law_.lower.size(); ++i) {
      out[i] = std::lerp(law_.lower[i], law_.upper[i], draws.uniform());
    }
  }

 private:
  Uniform law_;
};

class BetaForm : public Sampler::Form {
 public:
  explicit BetaForm(Beta law) : law_(std::move(law)) {}
  void draw(Draws& draws, std::span<double> out) const override {
    for (std::size_t i = 0; i < law_.alpha.size(); ++i) {
      const double a = draw_log_gamma(draws, law_.alpha[i]);
      const double b = draw_log_gamma(draws, law_.beta[i]);
      out[i] = 1 / (1 + std::exp(b - a));
    }
  }

 private:
  Beta law_;
};

class ExponentialForm : public Sampler::Form {
 public:
  explicit ExponentialForm(Exponential law) : law_(std::move(law)) {}
  void draw(Draws& draws, std::span<double> out) const override {
    for (std::size_t i = 0; i < law_.rate.size(); ++i) {
      out[i] = -std::log(draws.uniform()) / law_.rate[i];
    }
  }

 private:
  Exponential law_;
};

class StudentForm : public Sampler::Form {
 public:
  explicit StudentForm(StudentT law) : law_(std::move(law)) {}
  void draw(Draws& draws, std::span<double> out) const override {
    for (std::size_t i = 0; i < law_.dof.size(); ++i) {
      // Bailey (1994): sqrt(n (U^(-2/n) - 1)) cos(2 pi V) is Student's t with n degrees of freedom.
      const double n = law_.dof[i];
      const double radius = std::sqrt(n * std::expm1(-2 / n * std::log(draws.uniform())));
      const double t = radius * std::cos(2 * std::numbers::pi * draws.uniform());
      out[i] = law_.location[i] + law_.scale[i] * t;
    }
  }

 private:
  StudentT law_;
};

std::unique_ptr<const Sampler::Form> make_form(const Law& law);

class MixtureForm : public Sampler::Form {
 public:
  explicit MixtureForm(const Mixture& law) {
    double total = 0;
    for (std::size_t i = 0; i < law.weights.size(); ++i) {
      total += law.weights[i];
      cumulative_.push_back(total);
      forms_.push_back(make_form(law.components[i]));
    }
  }
  void draw(Draws& draws, std::span<double> out) const override {
    const double u = draws.uniform() * cumulative_.back();
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, u);
    forms_[static_cast<std::size_t>(found - cumulative_.begin())]->draw(draws, out);
  }

 private:
  std::vector<double> cumulative_;
  std::vector<std::unique_ptr<const Sampler::Form>> forms_;
};

struct MakeForm {
  using Result = std::unique_ptr<const Sampler::Form>;
  Result operator()(const Gaussian& l) const { return std::make_unique<GaussianForm>(l); }
  Result operator()(const TruncatedGaussian& l) const { return std::make_unique<TruncatedForm>(l); }
  Result operator()(const Uniform& l) const { return std::make_unique<UniformForm>(l); }
  Result operator()(const Beta& l) const { return std::make_unique<BetaForm>(l); }
  Result operator()(const Exponential& l) const { return std::make_unique<ExponentialForm>(l); }
  Result operator()(const StudentT& l) const { return std::make_unique<StudentForm>(l); }
  Result operator()(const Mixture& l) const { return std::make_unique<MixtureForm>(l); }
};

std::unique_ptr<const Sampler::Form> make_form(const Law& law) {
  return std::visit(MakeForm{}, law.form);
}

}  // namespace

Sampler::Sampler(const Law& law) {
  const Law checked = validate(law);
  dimension_ = checked.dimension;
  form_ = make_form(checked);
}
Sampler::~Sampler() = default;
Sampler::Sampler(Sampler&&) noexcept = default;
Sampler& Sampler::operator=(Sampler&&) noexcept = default;
int Sampler::dimension() const noexcept {
  return dimension_;
}

void Sampler::draw(const parallel::Stream& stream, std::uint64_t index,
                   std::span<double> out) const {
  parallel::require(out.size() == static_cast<std::size_t>(dimension_),
                    "Sampler::draw: output size");
  Draws draws(stream, index);
  form_->draw(draws, out);
}

}  // namespace mensura::divergence
