#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Failures that no rank can agree on: never a hang over 30 s, always a code that is not success.
. "$(dirname "$0")/support.sh"
deck "steps: 20" "seconds: 0.01"

# All at once, since each waits for a time limit. The survivors have the launcher's usual time.
export OMPI_MCA_odls_base_sigkill_timeout=1
MENSURA_TEST_FAULT="throw:rank=1:step=5" start throw 2 deck.yaml --output throw
throw=$launcher
MENSURA_TEST_FAULT="memory:rank=0:step=5" start memory 2 deck.yaml --output memory
memory=$launcher
MENSURA_TEST_FAULT="freeze:rank=1:step=5" start freeze 2 deck.yaml --output freeze
freeze=$launcher
SECONDS=0
launcher=$throw && finish
expect_code 70 "an exception on one rank"
expect_text throw.out "fault on purpose"
launcher=$memory && finish
expect_code 7 "out of memory on one rank"
expect_text memory.out "out of memory"
launcher=$freeze && finish
[ "$code" -ne 0 ] && [ "$code" -ne 75 ] || fail "a frozen rank gave exit code $code"
expect_text freeze.out "no sign of life"
[ "$SECONDS" -le 32 ] || fail "the last of them hung for $SECONDS s"

# All three are restartable: here without any checkpoint.
run again 2 deck.yaml --output throw --restart auto
expect_code 0 "restart after an internal error"
echo passed
