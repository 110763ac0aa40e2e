// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/hosts.hpp"

#include <array>
#include <set>
#include <span>

namespace mensura::parallel {

std::vector<std::string> host_names(const Communicator& comm) {
  using Name = std::array<char, MPI_MAX_PROCESSOR_NAME>;
  Name mine{};
  int length = 0;
  check_mpi(MPI_Get_processor_name(mine.data(), &length), "MPI_Get_processor_name");
  // One leader per node reports, so that the gathered list is as short as the list of nodes.
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(
      MPI_Comm_split_type(comm.handle(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, &node),
      "MPI_Comm_split_type");
  int rank_on_node = 0;
  check_mpi(MPI_Comm_rank(node, &rank_on_node), "MPI_Comm_rank");
  check_mpi(MPI_Comm_free(&node), "MPI_Comm_free");
  const auto leaders = comm.split(rank_on_node == 0 ? 0 : 1, comm.rank());
  std::set<std::string> names;
  std::string text;
  if (rank_on_node == 0) {
    for (const auto& name : leaders.all_gather(std::span<const Name>(&mine, 1))) {
      names.emplace(name.data());
    }
  }
  // Rank 0 of the communicator is rank 0 of its node and so a leader: it tells the rest.
  for (const auto& name : names) text += name + '\n';
  comm.broadcast(text);
  std::vector<std::string> result;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin);
    result.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

}  // namespace mensura::parallel
