#!/bin/sh
# Drives a real browser through a real server that installs real hosts. "make browser" builds what it needs and calls
# it as root.
#   e2e/browser/run.sh                 the tests; screenshots of every page and the server's log stay in e2e/browser/out
#   e2e/browser/run.sh --screenshots   the README's pictures, into docs/images
set -eu

cd "$(dirname "$0")/../.."
lab=browser
hosts=node1,node2,node3,node4,node5
domain=lab.test
script="--test --test-reporter=spec e2e/browser/run.test.mjs"
case ${1-} in
'') ;;
--screenshots)
    lab=pictures
    hosts=web1,web2,web3,db1,db2,cache1,build1,mail1
    domain=dc1.example
    script=e2e/browser/screenshots.mjs
    ;;
*)
    echo "usage: $0 [--screenshots]" >&2
    exit 2
    ;;
esac

dir=$(mktemp -d)
end() {
    status=$?
    trap '' INT TERM
    # The tests stop their server; one that outlived them would hold its ports for ever.
    if [ -s "$dir/server.pid" ]; then kill -9 "$(cat "$dir/server.pid")" 2>/dev/null || :; fi
    bin/labctl stop "$lab" || status=1
    rm -rf "$dir"
    exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

rm -rf e2e/browser/out
mkdir -p e2e/browser/out
bin/labctl stop "$lab"
bin/labctl start --name "$lab" --hosts "$hosts" --domain "$domain"

# Server, browser and tests run in the lab's network; labctl works from there, too.
# shellcheck disable=SC2086 # a list of words
HOSTLER_E2E_LAB=$lab HOSTLER_E2E_DIR=$dir bin/labctl exec "$lab" -- node $script
