// SPDX-License-Identifier: BSD-3-Clause
// Counts what a program sends through MPI, its libraries included: run.json knows only of Mensura's
// own layer, while the linear solves are PETSc's and hypre's. strong_weak.py builds it as a shared
// library, loads it into every rank (LD_PRELOAD) and reads the file MENSURA_COUNTS, one JSON object
// that MPI_Finalize writes: sums of messages and bytes over ranks without messages to oneself, the
// most that one rank sent, and the most collective calls of one rank.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum { most_persistent = 1 << 16 };

static struct {
  long long messages, bytes, collectives;
} mine;

// Persistent sends: their bytes count at every start. Slots of freed requests are used again.
static struct {
  MPI_Request request;
  long long bytes;
} persistent[most_persistent];
static int persistent_count = 0;

static long long size_of(int count, MPI_Datatype type) {
  int size = 0;
  PMPI_Type_size(type, &size);
  return (long long)count * size;
}

static int to_another(int destination, MPI_Comm comm) {
  int rank = 0;
  PMPI_Comm_rank(comm, &rank);
  return destination != rank && destination != MPI_PROC_NULL;
}

static void count_send(int count, MPI_Datatype type, int destination, MPI_Comm comm) {
  if (!to_another(destination, comm)) return;
  mine.messages += 1;
  mine.bytes += size_of(count, type);
}

#define SEND(name)                                                                                 \
  int MPI_##name(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm) { \
    count_send(count, type, to, comm);                                                             \
    return PMPI_##name(data, count, type, to, tag, comm);                                          \
  }
SEND(Send)
SEND(Ssend)
SEND(Rsend)
SEND(Bsend)

#define ISEND(name)                                                                              \
  int MPI_##name(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm, \
                 MPI_Request* request) {                                                         \
    count_send(count, type, to, comm);                                                           \
    return PMPI_##name(data, count, type, to, tag, comm, request);                               \
  }
ISEND(Isend)
ISEND(Issend)
ISEND(Irsend)

int MPI_Send_init(const void* data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
                  MPI_Request* request) {
  const int result = PMPI_Send_init(data, count, type, to, tag, comm, request);
  if (!to_another(to, comm)) return result;
  int slot = 0;
  while (slot < persistent_count && persistent[slot].request != MPI_REQUEST_NULL) ++slot;
  if (slot == most_persistent) {
    fprintf(stderr, "count_messages: more than %d persistent sends\n", most_persistent);
    PMPI_Abort(MPI_COMM_WORLD, 70);
  }
  if (slot == persistent_count) ++persistent_count;
  persistent[slot].request = *request;
  persistent[slot].bytes = size_of(count, type);
  return result;
}

static int slot_of(MPI_Request request) {
  for (int slot = 0; slot < persistent_count; ++slot) {
    if (persistent[slot].request == request) return slot;
  }
  return -1;
}

static void count_start(MPI_Request request) {
  const int slot = request == MPI_REQUEST_NULL ? -1 : slot_of(request);
  if (slot < 0) return;  // a receive
  mine.messages += 1;
  mine.bytes += persistent[slot].bytes;
}

int MPI_Start(MPI_Request* request) {
  count_start(*request);
  return PMPI_Start(request);
}

int MPI_Startall(int count, MPI_Request requests[]) {
  for (int i = 0; i < count; ++i) count_start(requests[i]);
  return PMPI_Startall(count, requests);
}

int MPI_Request_free(MPI_Request* request) {
  const int slot = *request == MPI_REQUEST_NULL ? -1 : slot_of(*request);
  if (slot >= 0) persistent[slot].request = MPI_REQUEST_NULL;
  return PMPI_Request_free(request);
}

int MPI_Sendrecv(const void* data, int count, MPI_Datatype type, int to, int tag, void* in,
                 int in_count, MPI_Datatype in_type, int from, int in_tag, MPI_Comm comm,
                 MPI_Status* status) {
  count_send(count, type, to, comm);
  return PMPI_Sendrecv(data, count, type, to, tag, in, in_count, in_type, from, in_tag, comm,
                       status);
}

// One message for every other rank that gets anything.
int MPI_Alltoallv(const void* data, const int counts[], const int places[], MPI_Datatype type,
                  void* in, const int in_counts[], const int in_places[], MPI_Datatype in_type,
                  MPI_Comm comm) {
  int size = 0;
  PMPI_Comm_size(comm, &size);
  mine.collectives += 1;
  for (int to = 0; to < size; ++to) {
    if (counts[to] > 0) count_send(counts[to], type, to, comm);
  }
  return PMPI_Alltoallv(data, counts, places, type, in, in_counts, in_places, in_type, comm);
}

#define COLLECTIVE(name, parameters, arguments) \
  int MPI_##name parameters {                   \
    mine.collectives += 1;                      \
    return PMPI_##name arguments;               \
  }
COLLECTIVE(Barrier, (MPI_Comm comm), (comm))
COLLECTIVE(Bcast, (void* data, int count, MPI_Datatype type, int root, MPI_Comm comm),
           (data, count, type, root, comm))
COLLECTIVE(Allreduce,
           (const void* data, void* in, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
           (data, in, count, type, op, comm))
COLLECTIVE(Iallreduce,
           (const void* data, void* in, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
            MPI_Request* request),
           (data, in, count, type, op, comm, request))
COLLECTIVE(Ibarrier, (MPI_Comm comm, MPI_Request* request), (comm, request))
COLLECTIVE(Reduce,
           (const void* data, void* in, int count, MPI_Datatype type, MPI_Op op, int root,
            MPI_Comm comm),
           (data, in, count, type, op, root, comm))
COLLECTIVE(Scan,
           (const void* data, void* in, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
           (data, in, count, type, op, comm))
COLLECTIVE(Exscan,
           (const void* data, void* in, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
           (data, in, count, type, op, comm))
COLLECTIVE(Allgather,
           (const void* data, int count, MPI_Datatype type, void* in, int in_count,
            MPI_Datatype in_type, MPI_Comm comm),
           (data, count, type, in, in_count, in_type, comm))
COLLECTIVE(Allgatherv,
           (const void* data, int count, MPI_Datatype type, void* in, const int counts[],
            const int places[], MPI_Datatype in_type, MPI_Comm comm),
           (data, count, type, in, counts, places, in_type, comm))
COLLECTIVE(Gather,
           (const void* data, int count, MPI_Datatype type, void* in, int in_count,
            MPI_Datatype in_type, int root, MPI_Comm comm),
           (data, count, type, in, in_count, in_type, root, comm))
COLLECTIVE(Gatherv,
           (const void* data, int count, MPI_Datatype type, void* in, const int counts[],
            const int places[], MPI_Datatype in_type, int root, MPI_Comm comm),
           (data, count, type, in, counts, places, in_type, root, comm))
COLLECTIVE(Alltoall,
           (const void* data, int count, MPI_Datatype type, void* in, int in_count,
            MPI_Datatype in_type, MPI_Comm comm),
           (data, count, type, in, in_count, in_type, comm))
COLLECTIVE(Reduce_scatter_block,
           (const void* data, void* in, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm),
           (data, in, count, type, op, comm))

int MPI_Finalize(void) {
  long long sums[2] = {mine.messages, mine.bytes},
            most[3] = {mine.messages, mine.bytes, mine.collectives};
  int rank = 0;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  PMPI_Allreduce(MPI_IN_PLACE, sums, 2, MPI_LONG_LONG, MPI_SUM, MPI_COMM_WORLD);
  PMPI_Allreduce(MPI_IN_PLACE, most, 3, MPI_LONG_LONG, MPI_MAX, MPI_COMM_WORLD);
  const char* path = getenv("MENSURA_COUNTS");
  FILE* file = rank == 0 && path != NULL ? fopen(path, "w") : NULL;
  if (file != NULL) {
    fprintf(file,
            "{\"messages\": %lld, \"bytes\": %lld, \"most_messages\": %lld, \"most_bytes\": %lld, "
            "\"collectives\": %lld}\n",
            sums[0], sums[1], most[0], most[1], most[2]);
    fclose(file);
  }
  return PMPI_Finalize();
}
