#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs a command with MENSURA_TEST_SMALL_DISK (4 MiB, writable) and MENSURA_TEST_READ_ONLY_DISK,
# both in a mount namespace of its own. Mode bits would not do: they do not stop root.
folder=$(mktemp -d) || exit 1
mkdir "$folder/small" "$folder/read_only"
if ! unshare -m mount -t tmpfs -o size=4m none "$folder/small" 2>/dev/null; then
  rm -r "$folder"
  echo "skipped: this user may not mount file systems"
  exit 77
fi
export MENSURA_TEST_SMALL_DISK="$folder/small" MENSURA_TEST_READ_ONLY_DISK="$folder/read_only"
unshare -m sh -c '
  mount -t tmpfs -o size=4m none "$MENSURA_TEST_SMALL_DISK" &&
  mount -t tmpfs -o size=1m,ro none "$MENSURA_TEST_READ_ONLY_DISK" &&
  exec "$@"' sh "$@"
status=$?
rm -r "$folder"
exit $status
