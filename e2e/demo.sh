#!/bin/sh
# Boots four lab hosts, serves in their network and forwards the pages to the machine's own browser. Ends
# with Ctrl-C; nothing of the lab remains. "make demo" builds what it needs and calls it as root.
#   e2e/demo.sh 127.0.0.1:8080
set -eu

listen=${1:-127.0.0.1:8080}
lab=demo
cd "$(dirname "$0")/.."

# The hosts are new each time, and so are their SSH keys: what an earlier demo knew of them would be wrong.
data=$(mktemp -d)
server=
forward=
end() {
    trap '' INT TERM
    # TERM lets the server write what it holds; the lab takes everything else with it.
    for p in $server $forward; do kill "$p" 2>/dev/null || :; done
    for p in $server $forward; do wait "$p" 2>/dev/null || :; done
    bin/labctl stop "$lab"
    rm -rf "$data"
}
trap end EXIT
trap 'exit 0' INT TERM

echo "Booting four hosts (the first time makes their system: about half a minute, from a Debian mirror) …"
bin/labctl start --name "$lab" --hosts 4

bin/labctl forward "$lab" "$listen" &
forward=$!
cat <<EOF

Paste  node[1-4].lab.test  into the wizard and choose the key
  $(pwd)/.cache/lab/run/$lab/id_ed25519
Ctrl-C ends the server and the hosts and removes both.

EOF
bin/labctl exec "$lab" -- "$(pwd)/bin/hostler" serve --data "$data" --listen "$listen" --advertise server.lab.test --log-level warn &
server=$!
wait "$server"
