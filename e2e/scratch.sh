#!/bin/sh
# Prints the directory for the temporary files of tests: in memory where there is room. Thousands of small writes of
# tests wait for the disk otherwise, each for the sake of a server that does not outlive its test.
set -u

least=12 # GiB: what Go builds, the databases, data directories and hosts of all tests at once
memory=/dev/shm
room=$(df --output=avail --block-size=1G "$memory" 2>/dev/null | tail -n 1)
if [ "${room:-0}" -ge "$least" ] && [ -w "$memory" ] && ! findmnt --noheadings --output OPTIONS "$memory" | grep -qw noexec; then
    echo "$memory"
else
    echo "${TMPDIR:-/tmp}"
fi
