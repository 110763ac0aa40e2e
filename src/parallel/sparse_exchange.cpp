// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <exception>
#include <iterator>
#include <thread>
#include <utility>

#include "parallel/exchange.hpp"
#include "parallel/tags.hpp"

namespace mensura::parallel {

namespace {

// How many exchanges each channel of a communicator has begun; only the parity matters. Kept with
// the communicator, so that the objects using a channel one after another continue the alternation.
using Epochs = std::array<unsigned char, SparseExchange::channels>;

int delete_epochs(MPI_Comm /*comm*/, int /*key*/, void* value, void* /*extra*/) {
  delete static_cast<Epochs*>(value);
  return MPI_SUCCESS;
}

int next_epoch(MPI_Comm comm, int channel) {
  static const int key = []() {
    int created = MPI_KEYVAL_INVALID;
    check_mpi(MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, delete_epochs, &created, nullptr),
              "MPI_Comm_create_keyval");
    return created;
  }();
  void* value = nullptr;
  int found = 0;
  check_mpi(MPI_Comm_get_attr(comm, key, static_cast<void*>(&value), &found), "MPI_Comm_get_attr");
  if (found == 0) {
    value = new Epochs{};
    check_mpi(MPI_Comm_set_attr(comm, key, value), "MPI_Comm_set_attr");
  }
  auto& epoch = (*static_cast<Epochs*>(value))[static_cast<std::size_t>(channel)];
  epoch ^= 1U;
  return epoch;
}

enum Tag { whole_packet, announcement, piece, barrier_round, tags_per_epoch };
static_assert(tags::sparse_exchange + 2 * tags_per_epoch * SparseExchange::channels <= 32767);

// What precedes a packet above the message limit: its place among the packets for this destination
// and its length.
struct Announcement {
  std::int64_t place;
  std::int64_t bytes;
};

bool all_complete(std::vector<MPI_Request>& requests) {
  if (requests.empty()) return true;
  int done = 0;
  check_mpi(
      MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE),
      "MPI_Testall");
  if (done != 0) requests.clear();
  return done != 0;
}

// The barrier of NBX as a state machine of dissemination rounds (Hensgen, Finkel, Manber 1988).
// MPI_Ibarrier would not do: ranks reach the barriers of two channels in different orders, and MPI
// matches the collectives of a communicator by order.
class Barrier {
 public:
  void start(const Communicator& comm, int tag) {
    comm_ = &comm;
    tag_ = tag;
    distance_ = 1;
    ++traffic().reductions;
    post();
  }
  bool progress() {
    while (distance_ < comm_->size()) {
      if (!all_complete(requests_)) return false;
      distance_ *= 2;
      post();
    }
    return true;
  }

 private:
  void post() {
    if (distance_ >= comm_->size()) return;
    const int to = (comm_->rank() + distance_) % comm_->size();
    const int from = (comm_->rank() + comm_->size() - distance_) % comm_->size();
    requests_.assign(2, MPI_REQUEST_NULL);
    check_mpi(MPI_Irecv(nullptr, 0, MPI_BYTE, from, tag_, comm_->handle(), &requests_[0]),
              "MPI_Irecv");
    check_mpi(MPI_Isend(nullptr, 0, MPI_BYTE, to, tag_, comm_->handle(), &requests_[1]),
              "MPI_Isend");
  }
  const Communicator* comm_ = nullptr;
  int tag_ = 0;
  int distance_ = 1;
  std::vector<MPI_Request> requests_;
};

}  // namespace

struct SparseExchange::State {
  enum class Phase { idle, sending, in_barrier, receiving, complete };

  State(const Communicator& communicator, int channel_number)
      : comm(communicator), channel(channel_number) {}

  int tag(Tag kind) const {
    return tags::sparse_exchange + (2 * channel + epoch) * tags_per_epoch + kind;
  }
  void send(Packet& packet, std::int64_t place);
  bool probe(Tag kind, MPI_Message& message, MPI_Status& status) const;
  void receive_packets();
  void receive_announcements();
  bool follow_announcements();
  bool progress();
  void order_arrivals();

  const Communicator& comm;
  int channel;
  int epoch = 0;
  int unwinding_at_birth = std::uncaught_exceptions();
  Phase phase = Phase::idle;
  Barrier barrier;
  std::vector<Packet> outgoing;
  std::vector<Announcement> announced;  // sent; reserved in begin(), so that addresses stay
  std::vector<MPI_Request> sends;

  struct Arrival {
    Packet packet;
    std::int64_t place = -1;  // among the source's packets; -1: by the order of the whole ones
  };
  struct Coming {
    std::unique_ptr<Announcement> content;
    int source;
    MPI_Request request;
  };
  std::vector<Arrival> arrivals;
  std::vector<Coming> coming;
  std::vector<MPI_Request> receives;
};

void SparseExchange::State::send(Packet& packet, std::int64_t place) {
  const auto bytes = static_cast<std::int64_t>(packet.bytes.size());
  const auto limit = message_limit();
  // Synchronous sends: their completion is the proof of arrival that NBX rests on.
  const auto post = [&](const void* data, std::int64_t length, Tag kind) {
    auto& request = sends.emplace_back(MPI_REQUEST_NULL);
    check_mpi(MPI_Issend(data, static_cast<int>(length), MPI_BYTE, packet.rank, tag(kind),
                         comm.handle(), &request),
              "MPI_Issend");
    ++traffic().messages;
    traffic().bytes += length;
  };
  if (bytes <= limit) {
    post(packet.bytes.data(), bytes, whole_packet);
    return;
  }
  post(&announced.emplace_back(Announcement{place, bytes}), sizeof(Announcement), announcement);
  for (std::int64_t offset = 0; offset < bytes; offset += limit) {
    post(packet.bytes.data() + offset, std::min(limit, bytes - offset), piece);
  }
}

bool SparseExchange::State::probe(Tag kind, MPI_Message& message, MPI_Status& status) const {
  int found = 0;
  check_mpi(MPI_Improbe(MPI_ANY_SOURCE, tag(kind), comm.handle(), &found, &message, &status),
            "MPI_Improbe");
  return found != 0;
}

void SparseExchange::State::receive_packets() {
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status;
  while (probe(whole_packet, message, status)) {
    int bytes = 0;
    check_mpi(MPI_Get_count(&status, MPI_BYTE, &bytes), "MPI_Get_count");
    auto& arrival = arrivals.emplace_back();
    arrival.packet.rank = status.MPI_SOURCE;
    arrival.packet.bytes.resize(static_cast<std::size_t>(bytes));
    auto& request = receives.emplace_back(MPI_REQUEST_NULL);
    check_mpi(MPI_Imrecv(arrival.packet.bytes.data(), bytes, MPI_BYTE, &message, &request),
              "MPI_Imrecv");
  }
}

void SparseExchange::State::receive_announcements() {
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status;
  while (probe(announcement, message, status)) {
    auto& next =
        coming.emplace_back(std::make_unique<Announcement>(), status.MPI_SOURCE, MPI_REQUEST_NULL);
    check_mpi(
        MPI_Imrecv(next.content.get(), sizeof(Announcement), MPI_BYTE, &message, &next.request),
        "MPI_Imrecv");
  }
}

// Posts the receives of announced packets, in the order of announcement: the pieces of one source
// come in this order too. True when no announcement is left open.
bool SparseExchange::State::follow_announcements() {
  std::size_t done = 0;
  for (; done < coming.size(); ++done) {
    auto& next = coming[done];
    int complete = 0;
    check_mpi(MPI_Test(&next.request, &complete, MPI_STATUS_IGNORE), "MPI_Test");
    if (complete == 0) break;
    auto& arrival = arrivals.emplace_back();
    arrival.place = next.content->place;
    arrival.packet.rank = next.source;
    arrival.packet.bytes.resize(static_cast<std::size_t>(next.content->bytes));
    const auto limit = message_limit();
    for (std::int64_t offset = 0; offset < next.content->bytes; offset += limit) {
      auto& request = receives.emplace_back(MPI_REQUEST_NULL);
      check_mpi(MPI_Irecv(arrival.packet.bytes.data() + offset,
                          static_cast<int>(std::min(limit, next.content->bytes - offset)), MPI_BYTE,
                          next.source, tag(piece), comm.handle(), &request),
                "MPI_Irecv");
    }
  }
  coming.erase(coming.begin(), coming.begin() + static_cast<std::ptrdiff_t>(done));
  return coming.empty();
}

bool SparseExchange::State::progress() {
  if (phase == Phase::complete) return true;
  require(phase != Phase::idle, "begin() comes before progress()");
  receive_packets();
  receive_announcements();
  const bool all_announced = follow_announcements();
  const bool all_received = all_complete(receives);
  if (phase == Phase::sending && all_complete(sends)) {
    outgoing.clear();
    announced.clear();
    barrier.start(comm, tag(barrier_round));
    phase = Phase::in_barrier;
  }
  if (phase == Phase::in_barrier && barrier.progress()) phase = Phase::receiving;
  // Past the barrier every packet of the job has been matched; what is left is under way to here.
  // `all_received` dates from before the barrier's end and so may be stale for one call: harmless.
  if (phase == Phase::receiving && all_announced && all_received) {
    order_arrivals();
    phase = Phase::complete;
  }
  return phase == Phase::complete;
}

// Announced packets know their place among the packets of their source; the whole ones fill the
// places between in order of arrival, which MPI keeps.
void SparseExchange::State::order_arrivals() {
  std::stable_sort(arrivals.begin(), arrivals.end(), [](const Arrival& a, const Arrival& b) {
    if (a.packet.rank != b.packet.rank) return a.packet.rank < b.packet.rank;
    return a.place < b.place;  // whole packets (-1) first
  });
  std::vector<Arrival> ordered;
  ordered.reserve(arrivals.size());
  for (auto first = arrivals.begin(); first != arrivals.end();) {
    const auto same_source = [&](const Arrival& a) { return a.packet.rank == first->packet.rank; };
    const auto last = std::find_if_not(first, arrivals.end(), same_source);
    auto whole = first;
    auto placed = std::find_if(first, last, [](const Arrival& a) { return a.place >= 0; });
    const auto whole_end = placed;
    for (std::int64_t place = 0; whole != whole_end || placed != last; ++place) {
      const bool take_placed = placed != last && (placed->place == place || whole == whole_end);
      ordered.push_back(std::move(take_placed ? *placed++ : *whole++));
    }
    first = last;
  }
  arrivals = std::move(ordered);
}

SparseExchange::SparseExchange(const Communicator& comm, int channel)
    : state_(std::make_unique<State>(comm, channel)) {
  require(channel >= 0 && channel < channels, "a sparse exchange needs a channel below 1024");
}

SparseExchange::~SparseExchange() {
  using Phase = State::Phase;
  if (state_->phase == Phase::idle || state_->phase == Phase::complete) return;
  if (std::uncaught_exceptions() > state_->unwinding_at_birth) {
    static_cast<void>(state_.release());  // MPI may still write there
    return;
  }
  wait();
}

void SparseExchange::begin(std::vector<Packet> packets) {
  auto& state = *state_;
  require(state.phase == State::Phase::idle || state.phase == State::Phase::complete,
          "one exchange at a time on a channel");
  for (const auto& packet : packets) {
    require(packet.rank >= 0 && packet.rank < state.comm.size(), "packets go to ranks that exist");
  }
  state.outgoing = std::move(packets);
  state.arrivals.clear();
  state.announced.reserve(state.outgoing.size());
  state.epoch = next_epoch(state.comm.handle(), state.channel);
  state.phase = State::Phase::sending;
  std::vector<std::pair<int, std::int64_t>> order;  // packets by destination, in send order
  for (std::size_t i = 0; i < state.outgoing.size(); ++i) {
    order.emplace_back(state.outgoing[i].rank, static_cast<std::int64_t>(i));
  }
  std::sort(order.begin(), order.end());
  std::int64_t place = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto [destination, index] = order[i];
    place = i > 0 && order[i - 1].first == destination ? place + 1 : 0;
    auto& packet = state.outgoing[static_cast<std::size_t>(index)];
    if (destination == state.comm.rank()) {
      state.arrivals.push_back({std::move(packet), -1});
    } else {
      state.send(packet, place);
    }
  }
}

bool SparseExchange::progress() {
  return state_->progress();
}

void SparseExchange::wait() {
  while (!progress()) std::this_thread::yield();
}

std::vector<SparseExchange::Packet> SparseExchange::take_received() {
  require(state_->phase == State::Phase::complete, "take_received() comes after completion");
  std::vector<Packet> packets;
  packets.reserve(state_->arrivals.size());
  for (auto& arrival : state_->arrivals) packets.push_back(std::move(arrival.packet));
  state_->arrivals.clear();
  state_->phase = State::Phase::idle;
  return packets;
}

}  // namespace mensura::parallel
