# shellcheck shell=bash
# What the job templates share; a template sets `launch` (array), `program`, `output` and `deck` and sources this file.
# Passes Slurm's signals on to the program, waits for its end and acts on its exit code:
#   75                stopped early with a checkpoint: the job is queued again and goes on from there
#   1, 137, 143       a rank was lost (node failure, memory): queued again, three times in a row at most
#   all others        the end

pid=
trap '[ -n "$pid" ] && kill -USR1 "$pid"' USR1
trap '[ -n "$pid" ] && kill -TERM "$pid"' TERM

"${launch[@]}" "$program" --restart auto --progress plain --output "$output" "$deck" &
pid=$!
# A signal ends `wait` early: wait again until the program has really gone.
wait "$pid"
code=$?
while kill -0 "$pid" 2> /dev/null; do
  wait "$pid"
  code=$?
done
[ "$code" -gt 128 ] && { wait "$pid" 2> /dev/null; last=$?; [ "$last" -ne 127 ] && code=$last; }

echo "$program ended with exit code $code"
failures=.$SLURM_JOB_NAME.failures     # killed attempts in a row
case "$code" in
  75) # stopped early: queue again; the next start goes on from the checkpoint
    rm -f "$failures"
    scontrol requeue "$SLURM_JOB_ID"
    ;;
  1 | 137 | 143) # a rank was lost (node failure, memory): restartable, but only three times in a row
    count=$(($(cat "$failures" 2> /dev/null || echo 0) + 1))
    echo "$count" > "$failures"
    [ "$count" -le 3 ] && scontrol requeue "$SLURM_JOB_ID"
    ;;
  *) rm -f "$failures" ;;
esac
exit "$code"
