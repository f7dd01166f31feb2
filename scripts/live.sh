#!/bin/sh
# Runs a command with its output in a log; a terminal shows how long it has taken, and the log's
# last line. Usage: live.sh WHAT LOG COMMAND ...
what=$1 log=$2
shift 2
mkdir -p "$(dirname "$log")"
"$@" >"$log" 2>&1 &
job=$!
trap 'kill $job 2>/dev/null; exit 130' INT TERM
[ -t 1 ] || echo "$what ..."
began=$(date +%s)
while [ -t 1 ] && kill -0 $job 2>/dev/null; do
    latest=$(tail -n 1 "$log" | tr -cd '[:print:]' | cut -c -40)
    printf '\r\033[K%s ... %s s  %s' "$what" "$(($(date +%s) - began))" "$latest"
    sleep 1
done
wait $job
code=$?
[ ! -t 1 ] || printf '\r\033[K'
if [ $code -ne 0 ]; then
    cat "$log" >&2
    echo "$what failed." >&2
else
    echo "$what: done in $(($(date +%s) - began)) s"
fi
exit $code
