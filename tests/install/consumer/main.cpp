#include <cstdio>
#include <mensura/parallel/environment.hpp>
#include <mensura/parallel/exact_sum.hpp>

int main(int argc, char** argv) {
  const mensura::parallel::Environment environment(argc, argv);
  mensura::parallel::ExactSum sum;
  for (const double term : {1e100, 1.0, -1e100}) sum.add(term);
  std::printf("%g\n", sum.value());
  return sum.value() == 1.0 ? 0 : 1;
}
