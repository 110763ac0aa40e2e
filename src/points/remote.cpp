// SPDX-License-Identifier: BSD-3-Clause
#include "points/remote.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace mensura::points {

namespace {

using Packet = parallel::SparseExchange::Packet;

template <class T>
void put(std::vector<std::byte>& bytes, const T* values, std::size_t n) {
  const auto* raw = reinterpret_cast<const std::byte*>(values);
  bytes.insert(bytes.end(), raw, raw + n * sizeof(T));
}

template <class T>
T get(const std::byte* bytes, std::size_t index = 0) {
  T value;
  std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

double RemoteRound::bound(const LocalSearch& search, int request, int lane) const {
  return search.full(request, lane) ? search.list(request, lane).back().distance2
                                    : std::numeric_limits<double>::infinity();
}

// Ranks that any lane of the group may have to ask, from the box around the group.
void RemoteRound::find_ranks(const QueryGroup& group, const LocalSearch& search) {
  const auto d = static_cast<std::size_t>(dimension_);
  lower_.resize(d);
  upper_.resize(d);
  for (std::size_t j = 0; j < d; ++j) {
    const double* x = group.position(static_cast<int>(j));
    const auto [low, high] = std::minmax_element(x, x + group.size);
    lower_[j] = *low;
    upper_[j] = *high;
  }
  near_.clear();
  for (std::size_t r = 0; r < requests_.size(); ++r) {
    double largest = 0.0;
    for (int lane = 0; lane < group.size; ++lane) {
      largest = std::max(largest, bound(search, static_cast<int>(r), lane));
    }
    ranks_.near(lower_, upper_, largest, requests_[r].labels, found_);
    near_.insert(near_.end(), found_.begin(), found_.end());
  }
  std::ranges::sort(near_);
  near_.erase(std::ranges::unique(near_).begin(), near_.end());
}

bool RemoteRound::ask(const QueryGroup& group, const LocalSearch& search, int lane,
                      Waiting& waiting) {
  const auto d = static_cast<std::size_t>(dimension_);
  position_.resize(d);
  for (std::size_t j = 0; j < d; ++j) position_[j] = group.position(static_cast<int>(j))[lane];
  bool asked = false;
  for (const int rank : near_) {
    const double nearest = ranks_.distance2(position_, position_, rank);
    bounds_.assign(requests_.size(), -1.0);
    bool needed = false;
    std::int64_t answer_bytes = 0;
    for (std::size_t r = 0; r < requests_.size(); ++r) {
      const double limit = bound(search, static_cast<int>(r), lane);
      if (!(nearest <= limit) || (ranks_.labels(rank) & requests_[r].labels) == 0) continue;
      bounds_[r] = limit;
      needed = true;
      answer_bytes += 16 * (std::int64_t{requests_[r].neighbours} + 1) +
                      8 * static_cast<std::int64_t>(labels());
    }
    if (!needed) continue;
    auto& bytes = waiting.outgoing[rank];
    const std::uint64_t slot = waiting.sites.size();
    put(bytes, &slot, 1);
    put(bytes, position_.data(), d);
    put(bytes, bounds_.data(), bounds_.size());
    ++waiting.queries;
    waiting.bytes += static_cast<std::int64_t>(question_bytes()) + answer_bytes;
    asked = true;
  }
  return asked;
}

std::uint32_t RemoteRound::file(const QueryGroup& group, std::span<const std::uint32_t> sites,
                                const LocalSearch& search, Waiting& waiting) {
  find_ranks(group, search);
  if (near_.empty()) return 0;
  std::uint32_t filed = 0;
  for (int lane = 0; lane < group.size; ++lane) {
    if (!ask(group, search, lane, waiting)) continue;
    filed |= std::uint32_t{1} << static_cast<unsigned>(lane);
    waiting.sites.push_back(sites[static_cast<std::size_t>(lane)]);
    for (std::size_t r = 0; r < requests_.size(); ++r) {
      const auto list = search.list(static_cast<int>(r), lane);
      waiting.sizes.push_back(static_cast<std::uint32_t>(list.size()));
      waiting.neighbours.insert(waiting.neighbours.end(), list.begin(), list.end());
      const auto shell = search.shell(static_cast<int>(r), lane);
      waiting.shells.insert(waiting.shells.end(), shell.begin(), shell.end());
      waiting.bytes += static_cast<std::int64_t>(list.size_bytes() + shell.size_bytes());
    }
  }
  return filed;
}

std::vector<Packet> RemoteRound::answer(std::vector<Packet> questions, LocalSearch& search,
                                        const std::function<void()>& between) const {
  const auto d = static_cast<std::size_t>(dimension_);
  const std::size_t stride = question_bytes();
  QueryGroup group(dimension_, static_cast<int>(requests_.size()));
  std::vector<Packet> answers;
  std::vector<std::uint64_t> slots(QueryGroup::lanes), sizes(requests_.size());
  for (Packet& packet : questions) {
    Packet reply{packet.rank, {}};
    const std::size_t count = packet.bytes.size() / stride;
    for (std::size_t begin = 0; begin < count; begin += QueryGroup::lanes) {
      group.size = static_cast<int>(std::min<std::size_t>(QueryGroup::lanes, count - begin));
      for (int lane = 0; lane < group.size; ++lane) {
        const std::byte* record =
            packet.bytes.data() + (begin + static_cast<std::size_t>(lane)) * stride;
        slots[static_cast<std::size_t>(lane)] = get<std::uint64_t>(record);
        for (std::size_t j = 0; j < d; ++j) {
          group.position(static_cast<int>(j))[lane] = get<double>(record, 1 + j);
        }
        for (std::size_t r = 0; r < requests_.size(); ++r) {
          group.bound(static_cast<int>(r), lane) = get<double>(record, 1 + d + r);
        }
      }
      search.run(group);
      for (int lane = 0; lane < group.size; ++lane) {
        std::uint64_t total = 0;
        for (std::size_t r = 0; r < sizes.size(); ++r) {
          total += sizes[r] = search.list(static_cast<int>(r), lane).size();
        }
        if (total == 0) continue;  // nothing to add needs no answer
        put(reply.bytes, &slots[static_cast<std::size_t>(lane)], 1);
        put(reply.bytes, sizes.data(), sizes.size());
        for (std::size_t r = 0; r < sizes.size(); ++r) {
          const auto list = search.list(static_cast<int>(r), lane);
          const auto shell = search.shell(static_cast<int>(r), lane);
          put(reply.bytes, list.data(), list.size());
          put(reply.bytes, shell.data(), shell.size());
        }
      }
      between();
    }
    std::vector<std::byte>().swap(packet.bytes);
    if (!reply.bytes.empty()) answers.push_back(std::move(reply));
  }
  return answers;
}

namespace {

// What one rank found for a request: its list and the shell at the list's last distance.
struct Part {
  std::vector<Neighbour> list;
  std::vector<std::int64_t> shell;
};

// Ids per set at exactly `distance2`: a full list whose last entry lies there knows its shell, any
// other list shows all of them.
void add_shell(const Part& part, std::size_t needed, double distance2,
               std::span<const std::int64_t> offsets, std::vector<std::int64_t>& counts) {
  if (part.list.size() == needed && part.list.back().distance2 == distance2) {
    for (std::size_t l = 0; l < counts.size(); ++l) counts[l] += part.shell[l];
    return;
  }
  const auto shell = std::ranges::equal_range(part.list, distance2, {}, &Neighbour::distance2);
  for (const Neighbour& n : shell) ++counts[static_cast<std::size_t>(label_of(n.id, offsets))];
}

// The first `needed` entries of all parts, and the complete shell at the last of them.
Part merge(std::span<const Part> parts, std::size_t needed, std::span<const std::int64_t> offsets) {
  Part merged{{}, std::vector<std::int64_t>(offsets.size() - 1, 0)};
  for (const Part& part : parts) {
    const auto old = static_cast<std::ptrdiff_t>(merged.list.size());
    merged.list.insert(merged.list.end(), part.list.begin(), part.list.end());
    std::inplace_merge(merged.list.begin(), merged.list.begin() + old, merged.list.end());
    if (merged.list.size() > needed) merged.list.resize(needed);
  }
  if (merged.list.size() == needed) {
    for (const Part& part : parts) {
      add_shell(part, needed, merged.list.back().distance2, offsets, merged.shell);
    }
  }
  return merged;
}

// Reads one answer: sizes of the lists, then every list with its shell.
void read_parts(const std::byte* sizes, std::size_t requests, std::size_t labels,
                std::vector<std::vector<Part>>& parts) {
  const std::byte* at = sizes + 8 * requests;
  for (std::size_t r = 0; r < requests; ++r) {
    Part part{std::vector<Neighbour>(get<std::uint64_t>(sizes, r)),
              std::vector<std::int64_t>(labels)};
    if (!part.list.empty()) std::memcpy(part.list.data(), at, part.list.size() * sizeof(Neighbour));
    at += part.list.size() * sizeof(Neighbour);
    std::memcpy(part.shell.data(), at, labels * sizeof(std::int64_t));
    at += labels * sizeof(std::int64_t);
    parts[r].push_back(std::move(part));
  }
}

}  // namespace

void RemoteRound::finish(const Waiting& waiting, std::vector<Packet> answers,
                         const std::function<void(std::uint32_t, Lists)>& visit) const {
  struct Record {
    std::uint64_t slot;
    const std::byte* sizes;
  };
  const std::size_t count = requests_.size();
  std::vector<Record> records;
  for (const Packet& packet : answers) {
    const std::byte* at = packet.bytes.data();
    for (const std::byte* end = at + packet.bytes.size(); at < end;) {
      records.push_back({get<std::uint64_t>(at), at + 8});
      std::uint64_t total = 0;
      for (std::size_t r = 0; r < count; ++r) total += get<std::uint64_t>(at + 8, r);
      at += 8 * (1 + count + count * labels()) + total * sizeof(Neighbour);
    }
  }
  std::ranges::stable_sort(records, {}, &Record::slot);
  std::vector<std::vector<Part>> parts(count);
  std::vector<Part> merged(count);
  std::vector<std::span<const Neighbour>> lists(count);
  std::vector<std::span<const std::int64_t>> shells(count);
  const Neighbour* local = waiting.neighbours.data();
  const std::int64_t* shell = waiting.shells.data();
  auto record = records.begin();
  for (std::size_t slot = 0; slot < waiting.sites.size(); ++slot) {
    for (std::size_t r = 0; r < count; ++r) {
      const std::uint32_t size = waiting.sizes[slot * count + r];
      parts[r].assign(1, Part{{local, local + size}, {shell, shell + labels()}});
      local += size;
      shell += labels();
    }
    for (; record != records.end() && record->slot == slot; ++record) {
      read_parts(record->sizes, count, labels(), parts);
    }
    for (std::size_t r = 0; r < count; ++r) {
      merged[r] = merge(parts[r], static_cast<std::size_t>(requests_[r].neighbours) + 1, offsets_);
      lists[r] = merged[r].list;
      shells[r] = merged[r].shell;
    }
    visit(waiting.sites[slot], {lists, shells});
  }
}

}  // namespace mensura::points
