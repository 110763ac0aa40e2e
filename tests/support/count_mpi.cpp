// SPDX-License-Identifier: BSD-3-Clause
// Preloaded into a program, counts all that it hands to MPI, libraries included (PMPI, the
// standard's profiling interface). MPI_Finalize writes to the file MPI_COUNTS, over all ranks:
//   messages, bytes     from point to point and in all-to-all exchanges, between different ranks;
//   most_sent, most_received   bytes of the rank that has most of them;
//   collectives         of the rank that takes part in most;
//   shared_bytes        what a rank holds after collectives that leave every rank the same, in sum;
//   largest_shared      and after the largest of them.
#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

namespace {

struct Counts {
  std::int64_t messages = 0, collectives = 0, shared = 0, largest = 0;
  std::vector<std::int64_t> sent_to;  // by rank of the world
};
Counts counts;

struct Started {
  std::int64_t bytes;
  int to;
  MPI_Comm comm;
};
std::map<MPI_Request, Started>& persistent() {
  static std::map<MPI_Request, Started> requests;
  return requests;
}

std::int64_t bytes_of(std::int64_t count, MPI_Datatype type) {
  int size = 0;
  PMPI_Type_size(type, &size);
  return count * size;
}

int size_of(MPI_Comm comm) {
  int size = 1;
  PMPI_Comm_size(comm, &size);
  return size;
}

void send(std::int64_t bytes, int to, MPI_Comm comm) {
  int self = 0;
  PMPI_Comm_rank(comm, &self);
  if (to == MPI_PROC_NULL || to == self || bytes == 0) return;
  MPI_Group all = MPI_GROUP_NULL, group = MPI_GROUP_NULL;
  int target = 0;
  PMPI_Comm_group(MPI_COMM_WORLD, &all);
  PMPI_Comm_group(comm, &group);
  PMPI_Group_translate_ranks(group, 1, &to, all, &target);
  PMPI_Group_free(&group);
  PMPI_Group_free(&all);
  counts.sent_to.resize(static_cast<std::size_t>(size_of(MPI_COMM_WORLD)));
  ++counts.messages;
  counts.sent_to[static_cast<std::size_t>(target)] += bytes;
}

void share(std::int64_t bytes) {
  ++counts.collectives;
  counts.shared += bytes;
  counts.largest = std::max(counts.largest, bytes);
}

void start(MPI_Request request) {
  const auto found = persistent().find(request);
  if (found != persistent().end()) send(found->second.bytes, found->second.to, found->second.comm);
}

int remember(int code, std::int64_t bytes, int to, MPI_Comm comm, MPI_Request request) {
  persistent()[request] = {bytes, to, comm};
  return code;
}

void write_counts() {
  const char* file = std::getenv("MPI_COUNTS");
  if (file == nullptr) return;
  int rank = 0;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  counts.sent_to.resize(static_cast<std::size_t>(size_of(MPI_COMM_WORLD)));
  std::vector<std::int64_t> received(counts.sent_to);
  PMPI_Allreduce(MPI_IN_PLACE, received.data(), static_cast<int>(received.size()), MPI_INT64_T,
                 MPI_SUM, MPI_COMM_WORLD);
  std::int64_t bytes = 0, messages = counts.messages;
  for (const std::int64_t b : counts.sent_to) bytes += b;
  std::int64_t most[4] = {bytes, counts.collectives, counts.shared, counts.largest};
  std::int64_t sums[2] = {messages, bytes};
  PMPI_Allreduce(MPI_IN_PLACE, most, 4, MPI_INT64_T, MPI_MAX, MPI_COMM_WORLD);
  PMPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
  std::FILE* out = rank == 0 ? std::fopen(file, "w") : nullptr;
  if (out == nullptr) return;
  const auto line = [&](const char* name, std::int64_t value) {
    std::fprintf(out, "%s %lld\n", name, static_cast<long long>(value));
  };
  line("messages", sums[0]);
  line("bytes", sums[1]);
  line("most_sent", most[0]);
  line("most_received", *std::max_element(received.begin(), received.end()));
  line("collectives", most[1]);
  line("shared_bytes", most[2]);
  line("largest_shared", most[3]);
  std::fclose(out);
}

}  // namespace

// NOLINTBEGIN: names and arguments are MPI's
extern "C" {

#define COUNT_SEND(NAME)                                                                           \
  int MPI_##NAME(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm) { \
    send(bytes_of(count, type), to, comm);                                                         \
    return PMPI_##NAME(data, count, type, to, tag, comm);                                          \
  }
#define COUNT_ISEND(NAME)                                                                        \
  int MPI_##NAME(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, \
                 MPI_Request* request) {                                                         \
    send(bytes_of(count, type), to, comm);                                                       \
    return PMPI_##NAME(data, count, type, to, tag, comm, request);                               \
  }
#define COUNT_INIT(NAME)                                                                         \
  int MPI_##NAME(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, \
                 MPI_Request* request) {                                                         \
    const int code = PMPI_##NAME(data, count, type, to, tag, comm, request);                     \
    return remember(code, bytes_of(count, type), to, comm, *request);                            \
  }
COUNT_SEND(Send)
COUNT_SEND(Ssend)
COUNT_SEND(Rsend)
COUNT_SEND(Bsend)
COUNT_ISEND(Isend)
COUNT_ISEND(Issend)
COUNT_ISEND(Irsend)
COUNT_ISEND(Ibsend)
COUNT_INIT(Send_init)
COUNT_INIT(Ssend_init)
COUNT_INIT(Rsend_init)

int MPI_Sendrecv(const void* data, int count, MPI_Datatype type, int to, int tag, void* got,
                 int got_count, MPI_Datatype got_type, int from, int got_tag, MPI_Comm comm,
                 MPI_Status* status) {
  send(bytes_of(count, type), to, comm);
  return PMPI_Sendrecv(data, count, type, to, tag, got, got_count, got_type, from, got_tag, comm,
                       status);
}
int MPI_Start(MPI_Request* request) {
  start(*request);
  return PMPI_Start(request);
}
int MPI_Startall(int count, MPI_Request* requests) {
  for (int i = 0; i < count; ++i) start(requests[i]);
  return PMPI_Startall(count, requests);
}
int MPI_Request_free(MPI_Request* request) {
  persistent().erase(*request);
  return PMPI_Request_free(request);
}

int MPI_Alltoall(const void* data, int count, MPI_Datatype type, void* got, int got_count,
                 MPI_Datatype got_type, MPI_Comm comm) {
  ++counts.collectives;
  for (int r = 0; r < size_of(comm); ++r) send(bytes_of(count, type), r, comm);
  return PMPI_Alltoall(data, count, type, got, got_count, got_type, comm);
}
int MPI_Alltoallv(const void* data, const int* lengths, const int* places, MPI_Datatype type,
                  void* got, const int* got_lengths, const int* got_places, MPI_Datatype got_type,
                  MPI_Comm comm) {
  ++counts.collectives;
  for (int r = 0; r < size_of(comm); ++r) send(bytes_of(lengths[r], type), r, comm);
  return PMPI_Alltoallv(data, lengths, places, type, got, got_lengths, got_places, got_type, comm);
}

int MPI_Barrier(MPI_Comm comm) {
  share(0);
  return PMPI_Barrier(comm);
}
int MPI_Bcast(void* data, int count, MPI_Datatype type, int root, MPI_Comm comm) {
  share(bytes_of(count, type));
  return PMPI_Bcast(data, count, type, root, comm);
}
int MPI_Allreduce(const void* data, void* result, int count, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm) {
  share(bytes_of(count, type));
  return PMPI_Allreduce(data, result, count, type, op, comm);
}
int MPI_Iallreduce(const void* data, void* result, int count, MPI_Datatype type, MPI_Op op,
                   MPI_Comm comm, MPI_Request* request) {
  share(bytes_of(count, type));
  return PMPI_Iallreduce(data, result, count, type, op, comm, request);
}
int MPI_Reduce(const void* data, void* result, int count, MPI_Datatype type, MPI_Op op, int root,
               MPI_Comm comm) {
  share(bytes_of(count, type));
  return PMPI_Reduce(data, result, count, type, op, root, comm);
}
int MPI_Scan(const void* data, void* result, int count, MPI_Datatype type, MPI_Op op,
             MPI_Comm comm) {
  share(bytes_of(count, type));
  return PMPI_Scan(data, result, count, type, op, comm);
}
int MPI_Exscan(const void* data, void* result, int count, MPI_Datatype type, MPI_Op op,
               MPI_Comm comm) {
  share(bytes_of(count, type));
  return PMPI_Exscan(data, result, count, type, op, comm);
}
int MPI_Allgather(const void* data, int count, MPI_Datatype type, void* result, int each,
                  MPI_Datatype result_type, MPI_Comm comm) {
  share(bytes_of(std::int64_t{each} * size_of(comm), result_type));
  return PMPI_Allgather(data, count, type, result, each, result_type, comm);
}
int MPI_Allgatherv(const void* data, int count, MPI_Datatype type, void* result, const int* lengths,
                   const int* places, MPI_Datatype result_type, MPI_Comm comm) {
  std::int64_t sum = 0;
  for (int r = 0; r < size_of(comm); ++r) sum += lengths[r];
  share(bytes_of(sum, result_type));
  return PMPI_Allgatherv(data, count, type, result, lengths, places, result_type, comm);
}
int MPI_Gather(const void* data, int count, MPI_Datatype type, void* result, int each,
               MPI_Datatype result_type, int root, MPI_Comm comm) {
  share(bytes_of(std::int64_t{count} * size_of(comm), type));
  return PMPI_Gather(data, count, type, result, each, result_type, root, comm);
}
int MPI_Gatherv(const void* data, int count, MPI_Datatype type, void* result, const int* lengths,
                const int* places, MPI_Datatype result_type, int root, MPI_Comm comm) {
  int rank = 0;
  PMPI_Comm_rank(comm, &rank);
  std::int64_t bytes = bytes_of(count, type);
  if (rank == root) {
    bytes = 0;
    for (int r = 0; r < size_of(comm); ++r) bytes += bytes_of(lengths[r], result_type);
  }
  share(bytes);
  return PMPI_Gatherv(data, count, type, result, lengths, places, result_type, root, comm);
}

int MPI_Finalize() {
  write_counts();
  return PMPI_Finalize();
}

}  // extern "C"
// NOLINTEND
