#!/bin/sh
# For "go test -exec": runs a test program on SQLite, and one of a package that may have a database again on the MariaDB of
# HOSTLER_TEST_MYSQL.
#   e2e/mariadb.sh go test -exec "$PWD/e2e/both-databases.sh" ./...
set -u

: "${HOSTLER_TEST_MYSQL:?names no server: run this in e2e/mariadb.sh}"
checkout=$(cd "$(dirname "$0")/.." && pwd)
case $PWD/ in
"$checkout"/db/* | "$checkout"/server/* | "$checkout"/web/*) ;;
*) exec "$@" ;;
esac
(unset HOSTLER_TEST_MYSQL && exec "$@")
status=$?
echo "$PWD again, on MariaDB"
"$@" || status=$?
exit "$status"
