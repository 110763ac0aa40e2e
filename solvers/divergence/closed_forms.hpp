// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "divergence/law.hpp"

namespace mensura::divergence {

// Closed forms of pairs of validated laws of equal dimension. Local. log_j is log of J_a = integral
// of p^a q^(1-a), 0 < a < 1.

double kl(const Gaussian& p, const Gaussian& q);
double log_j(const Gaussian& p, const Gaussian& q, double a);

/// Both on the same box.
double kl(const TruncatedGaussian& p, const TruncatedGaussian& q);
double log_j(const TruncatedGaussian& p, const TruncatedGaussian& q, double a);

double kl(const Beta& p, const Beta& q);
double log_j(const Beta& p, const Beta& q, double a);

double kl(const Exponential& p, const Exponential& q);
double log_j(const Exponential& p, const Exponential& q, double a);

/// p inside q for kl; log_j is -infinity for disjoint boxes.
double kl(const Uniform& p, const Uniform& q);
double log_j(const Uniform& p, const Uniform& q, double a);
double js(const Uniform& p, const Uniform& q);

/// A uniform box against a Gaussian, and against a truncated one whose box contains it.
double kl(const Uniform& p, const Gaussian& q);
double kl(const Uniform& p, const TruncatedGaussian& q);

}  // namespace mensura::divergence
