#!/bin/sh
# Runs "go test -race" and shows what matters: a line per package, every failure whole, and what was skipped
# and why.
#   e2e/gotest.sh ./db/... ./web/...
set -u

log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM

# "make lint" vets everything, with more checks than go test would. Races are looked for in our code and in what runs
# beside it. What only computes is not ours: SQLite, C turned into Go, compression, the hash of passwords. With the
# detector in them the tests of the database and of the repository took three times as long. Who calls them stays watched.
for computes in 'modernc.org/...' 'github.com/ulikunitz/xz/...' 'compress/...' golang.org/x/crypto/argon2; do
    set -- "-gcflags=$computes=-race=false -dwarf=false" "$@"
done
# A process built with -race waits for a second before it ends, and there are hundreds of processes.
export GORACE=atexit_sleep_ms=0
# Memory is there, and collecting less often takes a tenth off the tests' time.
export GOGC=400
# A package may take long where others run beside it; a test that hangs is told all the same.
go test -race -vet=off -timeout 30m -v "$@" >"$log" 2>&1
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
