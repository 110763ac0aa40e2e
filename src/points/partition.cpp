// SPDX-License-Identifier: BSD-3-Clause
#include "points/partition.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace mensura::points {

namespace {

// Order-preserving bits of a double without NaN and -0.0.
std::uint64_t key_bits(double x) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  return (bits >> 63U) != 0 ? ~bits : bits | (std::uint64_t{1} << 63U);
}

// A group of ranks and, while it is being cut, the state of its radix selection. `order` positions
// [begin, candidate_begin) are known to go left, [candidate_end, end) right.
struct Group {
  int first_rank, last_rank;
  std::size_t begin, end;
  std::size_t candidate_begin = 0, candidate_end = 0;
  std::int64_t residual = 0;  // candidates, over all ranks, that still have to go left
  int axis = 0;
  int component = -1;  // of the key; 0 is the axis
  int shift = 0;       // low bits of the component that are not yet decided
  bool done = false;

  int ranks() const { return last_rank - first_rank; }
  int dimension_of_component() const {
    if (component == 0) return axis;
    return component <= axis ? component - 1 : component;
  }
};

class Bisection {
 public:
  Bisection(const parallel::Communicator& comm, const Sites& sites)
      : comm_(comm), sites_(sites), order_(sites.size()) {
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::uint32_t>(i);
  }

  Assignment run() {
    std::vector<Group> groups{Group{0, comm_.size(), 0, order_.size()}};
    while (std::ranges::any_of(groups, [](const Group& g) { return g.ranks() > 1; })) {
      groups = cut(std::move(groups));
    }
    Assignment result;
    for (const Group& g : groups) {
      result.counts.push_back(static_cast<std::int64_t>(g.end - g.begin));
    }
    result.order = std::move(order_);
    return result;
  }

 private:
  double coordinate(std::size_t position, int j) const {
    return sites_.coordinates[order_[position] * static_cast<std::size_t>(sites_.dimension) +
                              static_cast<std::size_t>(j)];
  }

  std::vector<Group> cut(std::vector<Group> groups) {
    std::vector<Group*> active;
    for (Group& g : groups) {
      if (g.ranks() > 1) active.push_back(&g);
    }
    begin_selection(active);
    while (!active.empty()) {
      std::vector<Group*> fresh;
      std::ranges::copy_if(active, std::back_inserter(fresh),
                           [](Group* g) { return g->shift == 0; });
      next_component(fresh);
      std::erase_if(active, [](const Group* g) { return g->done; });
      // Groups that skipped a constant component wait for the next round; the others narrow.
      std::vector<Group*> narrowing;
      std::ranges::copy_if(active, std::back_inserter(narrowing),
                           [](Group* g) { return g->shift > 0; });
      narrow(narrowing);
      std::erase_if(active, [](const Group* g) { return g->done; });
    }
    std::vector<Group> halves;
    for (const Group& g : groups) {
      if (g.ranks() == 1) {
        halves.push_back(g);
        continue;
      }
      const int middle = middle_rank(g.first_rank, g.last_rank);
      halves.push_back(Group{g.first_rank, middle, g.begin, g.candidate_begin});
      halves.push_back(Group{middle, g.last_rank, g.candidate_begin, g.end});
    }
    return halves;
  }

  // Sets the widest axis and the number of sites that go left.
  void begin_selection(const std::vector<Group*>& groups) {
    const auto d = static_cast<std::size_t>(sites_.dimension);
    std::vector<double> extents(groups.size() * 2 * d, -std::numeric_limits<double>::infinity());
    std::vector<std::int64_t> totals(groups.size());
    for (std::size_t g = 0; g < groups.size(); ++g) {
      double* lower = &extents[g * 2 * d];  // negated, so that one maximum serves both
      double* upper = lower + d;
      for (std::size_t i = groups[g]->begin; i < groups[g]->end; ++i) {
        for (std::size_t j = 0; j < d; ++j) {
          const double x = coordinate(i, static_cast<int>(j));
          lower[j] = std::max(lower[j], -x);
          upper[j] = std::max(upper[j], x);
        }
      }
      totals[g] = static_cast<std::int64_t>(groups[g]->end - groups[g]->begin);
    }
    comm_.max(std::span<double>(extents));
    comm_.sum(std::span<std::int64_t>(totals));
    for (std::size_t g = 0; g < groups.size(); ++g) {
      Group& group = *groups[g];
      const double* lower = &extents[g * 2 * d];
      for (std::size_t j = 1; j < d; ++j) {
        const auto a = static_cast<std::size_t>(group.axis);
        if (lower[d + j] + lower[j] > lower[d + a] + lower[a]) group.axis = static_cast<int>(j);
      }
      const std::int64_t left = middle_rank(group.first_rank, group.last_rank) - group.first_rank;
      const std::int64_t ranks = group.ranks();
      group.residual = totals[g] / ranks * left + totals[g] % ranks * left / ranks;
      group.candidate_begin = group.begin;
      group.candidate_end = group.end;
      group.done = group.residual == 0;
    }
  }

  // Advances the groups to the next component of the key; its leading equal bits are skipped.
  void next_component(std::vector<Group*>& groups) {
    std::erase_if(groups, [this](Group* g) {
      if (!g->done && ++g->component == sites_.dimension) g->done = true;  // the rest coincides
      return g->done;
    });
    if (groups.empty()) return;  // all ranks alike
    std::vector<double> extents(groups.size() * 2, -std::numeric_limits<double>::infinity());
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const int j = groups[g]->dimension_of_component();
      for (std::size_t i = groups[g]->candidate_begin; i < groups[g]->candidate_end; ++i) {
        extents[2 * g] = std::max(extents[2 * g], -coordinate(i, j));
        extents[2 * g + 1] = std::max(extents[2 * g + 1], coordinate(i, j));
      }
    }
    comm_.max(std::span<double>(extents));
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const std::uint64_t lower = key_bits(-extents[2 * g] + 0.0);
      const std::uint64_t upper = key_bits(extents[2 * g + 1] + 0.0);
      groups[g]->shift = lower == upper ? 0 : static_cast<int>(std::bit_width(lower ^ upper));
    }
  }

  // One digit of every group: histogram over all ranks, then a three-way partition around the digit
  // that holds the cut.
  void narrow(const std::vector<Group*>& groups) {
    if (groups.empty()) return;
    constexpr std::size_t histogram_words = 16384;  // bounds the size of the reduction
    const std::size_t room = std::max<std::size_t>(2, histogram_words / groups.size());
    const int digit_bits = std::min(11, static_cast<int>(std::bit_width(room)) - 1);
    const std::size_t bins = std::size_t{1} << digit_bits;
    std::vector<std::int64_t> counts(groups.size() * bins, 0);
    const auto digit = [this, bins](const Group& g, std::size_t position, int shift) {
      const std::uint64_t key = key_bits(coordinate(position, g.dimension_of_component()));
      return static_cast<std::size_t>(key >> shift) & (bins - 1);
    };
    for (std::size_t g = 0; g < groups.size(); ++g) {
      // A short last digit repeats decided bits, which are equal in all candidates.
      const int shift = std::max(0, groups[g]->shift - digit_bits);
      for (std::size_t i = groups[g]->candidate_begin; i < groups[g]->candidate_end; ++i) {
        ++counts[g * bins + digit(*groups[g], i, shift)];
      }
    }
    comm_.sum(std::span<std::int64_t>(counts));
    for (std::size_t g = 0; g < groups.size(); ++g) {
      Group& group = *groups[g];
      const int shift = std::max(0, group.shift - digit_bits);
      std::size_t bin = 0;
      while (group.residual >= counts[g * bins + bin]) group.residual -= counts[g * bins + bin++];
      const auto at = [this](std::size_t i) {
        return order_.begin() + static_cast<std::ptrdiff_t>(i);
      };
      const auto first = at(group.candidate_begin), last = at(group.candidate_end);
      const auto digit_at = [&](std::uint32_t site) {
        const double x =
            sites_.coordinates[site * static_cast<std::size_t>(sites_.dimension) +
                               static_cast<std::size_t>(group.dimension_of_component())];
        return static_cast<std::size_t>(key_bits(x) >> shift) & (bins - 1);
      };
      const auto middle =
          std::partition(first, last, [&](std::uint32_t s) { return digit_at(s) < bin; });
      const auto right =
          std::partition(middle, last, [&](std::uint32_t s) { return digit_at(s) == bin; });
      group.candidate_begin = static_cast<std::size_t>(middle - order_.begin());
      group.candidate_end = static_cast<std::size_t>(right - order_.begin());
      group.shift = shift;
      group.done = group.residual == 0;
    }
  }

  const parallel::Communicator& comm_;
  const Sites& sites_;
  std::vector<std::uint32_t> order_;
};

}  // namespace

Assignment bisect(const parallel::Communicator& comm, const Sites& sites) {
  return Bisection(comm, sites).run();
}

}  // namespace mensura::points
