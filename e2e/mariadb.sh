#!/bin/sh
# Runs a command with HOSTLER_TEST_MYSQL pointing at a MariaDB server of its own: fresh, on a socket in a
# temporary directory, without a network port, gone afterwards.
#   e2e/mariadb.sh go test ./db/...
set -eu

[ $# -gt 0 ] || { echo "usage: $0 COMMAND…" >&2; exit 2; }
PATH=$PATH:/usr/sbin
command -v mariadbd >/dev/null || { echo "$0: mariadbd is missing: run 'make packages'" >&2; exit 1; }

dir=$(mktemp -d)
server=
end() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || :
        wait "$server" 2>/dev/null || :
    fi
    rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT TERM

user=$(id -un)
mariadb-install-db --no-defaults --auth-root-authentication-method=normal --user="$user" \
    --datadir="$dir/data" --skip-test-db >"$dir/install.log" 2>&1 || { cat "$dir/install.log" >&2; exit 1; }
# Durability is not what these tests are about; everything else is as it ships.
mariadbd --no-defaults --user="$user" --datadir="$dir/data" --socket="$dir/sock" --skip-networking \
    --pid-file="$dir/pid" --innodb-flush-log-at-trx-commit=0 --max-connections=500 >"$dir/server.log" 2>&1 &
server=$!
tries=0
until mariadb-admin --no-defaults --socket="$dir/sock" ping >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$server" 2>/dev/null; then
        cat "$dir/server.log" >&2
        exit 1
    fi
    sleep 0.1
done
HOSTLER_TEST_MYSQL="mysql://root@unix($dir/sock)/" "$@"
