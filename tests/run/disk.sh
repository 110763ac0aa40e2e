#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A read-only and a full file system. Mode bits do not stop root, so both are made with a mount
# namespace; exit 77 (skipped) where that is not allowed.
self=$(realpath "$0")
. "$(dirname "$0")/support.sh"
if [ "${MENSURA_IN_NAMESPACE:-}" != 1 ]; then
  if ! unshare -m true 2>/dev/null; then
    echo "SKIPPED: mount namespaces are not allowed here (unshare -m)"
    exit 77
  fi
  MENSURA_IN_NAMESPACE=1 exec unshare -m "$BASH" "$self" "$@"
fi
deck "steps: 20" "seconds: 0.05"

mkdir readonly full
mount -t tmpfs -o size=4m tmpfs full || { echo "SKIPPED: cannot mount a tmpfs"; exit 77; }
mount --bind readonly readonly && mount -o remount,bind,ro readonly ||
  { echo "SKIPPED: cannot mount read-only"; exit 77; }

run readonly 2 deck.yaml --output readonly/run
expect_code 6 "read-only file system"
expect_text readonly.out "[Rr]ead-only file system"
[ "$(grep -c 'ead-only file system' readonly.out)" -eq 1 ] || fail "more than one rank complains"

# Room for the first checkpoint (1.6 MB), not for the second; the older ones stay sound.
MENSURA_TEST_FAULT="usr2:rank=0:step=3;usr2:rank=0:step=15" \
  start full 2 deck.yaml --output full/run --set toy.numbers=200000
wait_for full/run/log.txt "checkpoint after step 3"
dd if=/dev/zero of=full/ballast bs=64k status=none 2>/dev/null
finish
expect_code 6 "full file system"
[ -n "$(find full/run/checkpoint -name COMPLETE)" ] || fail "no checkpoint is left"
rm full/ballast
run again 3 deck.yaml --output full/run --set toy.numbers=200000 --restart auto
expect_code 0 "restart when there is room again"
expect_text again.out "3 steps were done before"
echo passed
