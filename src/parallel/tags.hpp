// SPDX-License-Identifier: BSD-3-Clause
#pragma once

namespace mensura::parallel::tags {

// Point-to-point tags of this layer. MPI guarantees tags up to 32767; code that sends on a
// Communicator's handle by itself stays below `first`.
constexpr int first = 16384;
constexpr int dense_exchange = first;
constexpr int watchdog = first + 1;
constexpr int triangular_forward = first + 2;
constexpr int triangular_backward = first + 3;
constexpr int ring = first + 4;
constexpr int sparse_exchange = first + 16;  ///< eight tags per channel

}  // namespace mensura::parallel::tags
