#!/bin/sh
# An agent in a few lines of shell: it gets a certificate, registers, sends heartbeats until one brings a job, and reports
# that job done. It sends exactly the fields of the BootAgent document. It needs curl and openssl.
#   client.sh HANDSHAKE_URL SECURED_URL CA_FILE TOKEN HOSTNAME
# Its working directory gets host.key and host.pem. It prints the id and the action of the job.
set -eu

[ $# -eq 5 ] || { echo "usage: $0 HANDSHAKE_URL SECURED_URL CA_FILE TOKEN HOSTNAME" >&2; exit 2; }
handshake=$1 secured=$2 ca=$3 token=$4 host=$5

# lines FILE: the file as the inside of a JSON string.
lines() { awk '{ printf "%s\\n", $0 }' "$1"; }
# field NAME: the first text of that name in the JSON on standard input.
field() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p' | head -n 1; }
# send PATH JSON: what the secured port answers.
send() {
    curl --silent --show-error --fail-with-body --max-time 20 --cacert "$ca" --cert host.pem --key host.key \
        --header 'Content-Type: application/json' --data-binary "$2" "$secured$1"
}

# A certificate of its own. The key never leaves this directory.
umask 077
openssl ecparam -name prime256v1 -genkey -noout -out host.key
openssl req -new -key host.key -subj "/CN=$host" -addext "subjectAltName=DNS:$host" -out host.csr
printf '{"hostname":"%s","token":"%s","csr":"%s"}' "$host" "$token" "$(lines host.csr)" >enrol.json
curl --silent --show-error --fail-with-body --max-time 20 --cacert "$ca" --header 'Content-Type: application/json' \
    --data-binary @enrol.json "$handshake/agent/enroll" >enrolled.json
field certificate <enrolled.json | awk '{ gsub(/\\n/, "\n"); print }' >host.pem
sn=$(field agentsn <enrolled.json)

# Registration.
sn=$(send /agent/register "{\"hostname\":\"$host\",\"agentsn\":\"$sn\"}" | field agentsn)
[ -n "$sn" ] || { echo "$0: registration gave no serial number" >&2; exit 1; }

# Heartbeats, at most twenty, until one brings a job.
tries=0 job=
while [ -z "$job" ]; do
    [ $tries -lt 20 ] || { echo "$0: no job came" >&2; exit 1; }
    [ $tries -eq 0 ] || sleep 1
    tries=$((tries + 1))
    reply=$(send /agent/status "{\"hostname\":\"$host\",\"version\":\"shell-1.0\",\"uptime\":$tries,\"timestamp\":$(date +%s),\"step\":600,\"agents\":[{\"name\":\"BasicAgent\",\"version\":\"1.2.3\",\"status\":\"stoped\",\"uptime\":0}]}")
    job=$(printf '%s' "$reply" | sed -n 's/.*"jobs":\[{"id":"\([^"]*\)".*/\1/p')
done
action=$(printf '%s' "$reply" | field action)

# The result, until the server has taken it.
until send /agent/job/result "[{\"id\":\"$job\",\"errcode\":0,\"message\":\"success\"}]" | grep -q '"errcode":0'; do
    sleep 1
done
echo "$job $action"
