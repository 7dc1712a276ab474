#!/bin/sh
# Runs "go test -race" and shows what matters: a line per package, every failure whole, and what was skipped
# and why.
#   e2e/gotest.sh ./db/... ./web/...
set -u

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

# "make lint" vets everything, with more checks than go test would. SQLite, C turned into Go, is not ours to look for
# races in: with the detector in it tests of the database take three times as long. Its driver and all that calls it
# stay watched.
go test -race -gcflags=modernc.org/...=-race=false -vet=off -v "$@" >"$log" 2>&1
status=$?
if [ $status -eq 0 ]; then
    grep -E '^ok[[:space:]]' "$log"
else
    grep -vE '^=== (RUN|PAUSE|CONT|NAME)|^ *--- (PASS|SKIP)|no test files' "$log"
fi
echo "skipped:"
awk '/^=== (RUN|NAME|CONT)/ { test = $3; next }
     /^ *--- SKIP/ { print "  " $3 ": " said[$3]; found = 1; next }
     { said[test] = $0; sub(/^ +[^ ]+: /, "", said[test]) }
     END { if (!found) print "  nothing" }' "$log"
exit $status
