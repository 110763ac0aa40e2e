// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "transport/line.hpp"
#include "transport/part.hpp"

namespace mensura::transport {

/// Many marginals on a line, exactly and at once: comonotone couplings of complete graphs,
/// barycenters as averages of quantile functions, Seidl's plan of electrons. Members are
/// collective.
class LinePart final : public Part {
 public:
  LinePart(const parallel::Communicator& comm, Problem problem, std::vector<Marginal> marginals);

  bool finished() const override { return answer_.has_value(); }
  bool begun() const override { return false; }  // nothing that would not be done again as fast
  bool converged() const override { return finished(); }
  /// Throws Error{input_data} on all ranks for electrons whose marginals differ or have a point
  /// with too much mass, and what line.hpp throws.
  void advance(const std::function<void()>& poll) override;
  std::string line() const override { return "couplings on the line"; }
  std::string method() const override { return "line"; }
  std::string reason() const override { return reason_; }
  std::vector<StageReport> history() const override { return {}; }
  Answer describe(const std::function<void()>&) override { return *answer_; }
  SavedState save() const override;
  void restore(const SavedState&) override {}

 private:
  Weighted measure(std::size_t node) const;
  std::vector<std::size_t> given() const;
  double couple(const std::vector<EdgeSpec>& edges, Answer& answer, double& scale,
                const std::function<void()>& poll) const;
  void complete(Answer& answer, const std::function<void()>& poll) const;
  void barycenter(Answer& answer, const std::function<void()>& poll) const;
  void electrons(Answer& answer) const;

  const parallel::Communicator& comm_;
  Problem problem_;
  std::vector<Marginal> marginals_;
  std::string reason_;
  std::optional<Answer> answer_;
};

}  // namespace mensura::transport
