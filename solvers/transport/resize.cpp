// SPDX-License-Identifier: BSD-3-Clause
#include "transport/resize.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "parallel/by_index.hpp"

namespace mensura::transport {

namespace {

// One new pixel, for `inner` arrays side by side; `target` holds zeros.
void combine(const PixelWeights& pixel, const double* source, std::size_t inner, double* target) {
  for (std::size_t k = 0; k < pixel.weights.size(); ++k) {
    for (std::size_t i = 0; i < inner; ++i) target[i] += pixel.weights[k] * source[k * inner + i];
  }
  for (std::size_t i = 0; i < inner; ++i) target[i] /= pixel.divisor;
}

// One axis of an array (outer, old pixels, inner), row-major.
std::vector<double> resize_axis(const std::vector<double>& values, std::size_t outer,
                                std::int64_t old_pixels, std::int64_t new_pixels,
                                std::size_t inner) {
  const auto m = static_cast<std::size_t>(new_pixels);
  std::vector<double> result(outer * m * inner, 0.0);
  for (std::size_t j = 0; j < m; ++j) {
    const PixelWeights pixel = pixel_weights(old_pixels, new_pixels, static_cast<std::int64_t>(j));
    for (std::size_t o = 0; o < outer; ++o) {
      const auto row =
          o * static_cast<std::size_t>(old_pixels) + static_cast<std::size_t>(pixel.first);
      combine(pixel, &values[row * inner], inner, &result[(o * m + j) * inner]);
    }
  }
  return result;
}

// The old rows that this rank's new rows need: a contiguous range.
std::vector<std::uint64_t> needed_rows(std::int64_t old_rows, std::int64_t new_rows,
                                       const parallel::Communicator& comm) {
  const parallel::Blocks blocks{new_rows, comm.size()};
  if (blocks.size(comm.rank()) == 0) return {};
  const std::int64_t begin = blocks.begin(comm.rank());
  const PixelWeights low = pixel_weights(old_rows, new_rows, begin);
  const PixelWeights high = pixel_weights(old_rows, new_rows, blocks.begin(comm.rank() + 1) - 1);
  const std::int64_t end = high.first + static_cast<std::int64_t>(high.weights.size());
  std::vector<std::uint64_t> rows(static_cast<std::size_t>(end - low.first));
  std::iota(rows.begin(), rows.end(), static_cast<std::uint64_t>(low.first));
  return rows;
}

std::vector<double> resize_rows(const parallel::Communicator& comm,
                                const std::vector<double>& values, std::int64_t old_rows,
                                std::int64_t new_rows, std::int64_t width) {
  std::vector<std::uint64_t> rows;
  parallel::agree(comm, [&] {
    if (width > std::numeric_limits<int>::max()) {
      throw parallel::Error(parallel::ExitCode::too_large,
                            fmt::format("a row of the resized grid has {} pixels; at most 2^31 - 1 "
                                        "are possible, give a smaller resize",
                                        width));
    }
    rows = needed_rows(old_rows, new_rows, comm);
  });
  const auto source = parallel::fetch_rows(comm, values, old_rows, static_cast<int>(width), rows);
  const parallel::Blocks blocks{new_rows, comm.size()};
  const auto inner = static_cast<std::size_t>(width);
  std::vector<double> result;
  parallel::agree(comm, [&] {
    result.assign(static_cast<std::size_t>(blocks.size(comm.rank())) * inner, 0.0);
  });
  for (std::int64_t row = 0; row < blocks.size(comm.rank()); ++row) {
    const PixelWeights pixel = pixel_weights(old_rows, new_rows, blocks.begin(comm.rank()) + row);
    const auto begin =
        static_cast<std::size_t>(pixel.first) - static_cast<std::size_t>(rows.front());
    combine(pixel, &source[begin * inner], inner, &result[static_cast<std::size_t>(row) * inner]);
  }
  return result;
}

}  // namespace

std::vector<std::int64_t> resized_shape(const std::vector<std::int64_t>& shape,
                                        std::int64_t longest) {
  const std::int64_t old_longest = *std::max_element(shape.begin(), shape.end());
  std::vector<std::int64_t> result;
  for (const std::int64_t pixels : shape) {
    const std::int64_t rounded = (2 * pixels * longest + old_longest) / (2 * old_longest);
    result.push_back(std::max<std::int64_t>(1, rounded));
  }
  return result;
}

PixelWeights pixel_weights(std::int64_t old_pixels, std::int64_t new_pixels, std::int64_t pixel) {
  // Everything up to the last division is in integers: covered lengths in parts of a pixel of the
  // common refinement, so that no rounding decides which pixels take part.
  const std::int64_t divisor = std::gcd(old_pixels, new_pixels);
  const std::int64_t n = old_pixels / divisor, m = new_pixels / divisor;
  if (new_pixels <= old_pixels) {
    const std::int64_t begin = pixel * n, end = begin + n;
    PixelWeights result{begin / m, {}, static_cast<double>(n)};
    for (std::int64_t old = result.first; old * m < end; ++old) {
      const std::int64_t covered = std::min((old + 1) * m, end) - std::max(old * m, begin);
      result.weights.push_back(static_cast<double>(covered));
    }
    return result;
  }
  // The new centre in parts 1 / (2 m) of an old pixel, from the old grid's first centre.
  const std::int64_t centre = (2 * pixel + 1) * n - m;
  const std::int64_t last = 2 * m * (old_pixels - 1);
  if (centre <= 0) return {0, {1.0}, 1};
  if (centre >= last) return {old_pixels - 1, {1.0}, 1};
  const std::int64_t rest = centre % (2 * m);
  if (rest == 0) return {centre / (2 * m), {1.0}, 1};
  return {centre / (2 * m),
          {static_cast<double>(2 * m - rest), static_cast<double>(rest)},
          static_cast<double>(2 * m)};
}

std::vector<double> resize(const parallel::Communicator& comm,
                           const std::vector<std::int64_t>& old_shape, std::vector<double> values,
                           const std::vector<std::int64_t>& new_shape) {
  const std::int64_t own_rows = parallel::Blocks{old_shape[0], comm.size()}.size(comm.rank());
  parallel::agree(comm, [&] {
    std::vector<std::int64_t> shape = old_shape;
    shape[0] = own_rows;
    for (std::size_t axis = shape.size() - 1; axis > 0; --axis) {
      if (old_shape[axis] == new_shape[axis]) continue;
      const auto product = [&](std::size_t first, std::size_t end) {
        std::int64_t result = 1;
        for (std::size_t a = first; a < end; ++a) result *= shape[a];
        return static_cast<std::size_t>(result);
      };
      values = resize_axis(values, product(0, axis), old_shape[axis], new_shape[axis],
                           product(axis + 1, shape.size()));
      shape[axis] = new_shape[axis];
    }
  });
  if (old_shape[0] == new_shape[0]) return values;
  std::int64_t width = 1;
  for (std::size_t axis = 1; axis < new_shape.size(); ++axis) width *= new_shape[axis];
  return resize_rows(comm, values, old_shape[0], new_shape[0], width);
}

}  // namespace mensura::transport
