// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

namespace mensura::input {

/// A formula in named variables. Numbers, `pi`, `e`; + - * / ^ (right-associative, above the sign:
/// -x^2 is -(x^2)); < <= > >= == != && || and `condition ? a : b`; sin cos tan asin acos atan
/// atan2 sinh cosh tanh asinh acosh atanh exp log (natural) ln log10 log2 sqrt cbrt abs sign step
/// (1 for arguments >= 0) floor ceil min max (any number of arguments) pow erf. Division by zero
/// and the like give Inf or NaN; what to do with them is the caller's business. Movable; a copy
/// compiles anew. One object must not be used by two threads at once.
class Expression {
 public:
  /// Throws Error{usage} with the position in the text and, for an unknown name, a suggestion.
  explicit Expression(const std::string& text,
                      const std::vector<std::string>& variables = {"x", "y", "z", "t"});
  Expression(const Expression& other);
  Expression& operator=(const Expression& other);
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  const std::string& text() const { return text_; }
  const std::vector<std::string>& variables() const { return variables_; }
  bool uses(const std::string& variable) const;  ///< the variable occurs in the formula

  /// One value; `point` has one number per variable, in their order.
  double operator()(std::span<const double> point) const;

  /// result[i] = value at (columns[0][i], columns[1][i], ...). One column per variable, in their
  /// order; a column of length 1 is a constant (time), one of length 0 belongs to a variable that
  /// the formula does not use.
  void evaluate(std::span<const std::span<const double>> columns, std::span<double> result) const;

 private:
  struct Program;
  std::string text_;
  std::vector<std::string> variables_;
  std::unique_ptr<Program> program_;
};

/// Empty if `text` is a formula in `variables`; otherwise what is wrong, where, and what to do.
std::string expression_error(const std::string& text, const std::vector<std::string>& variables);

}  // namespace mensura::input
