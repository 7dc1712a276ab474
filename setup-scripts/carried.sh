#!/bin/sh
# install.sh brings this host to one Hostler server with what lies beside it: the server's certificate, its setup-agent.sh,
# the agent's packages, the settings and an enrolment token. Nothing is downloaded, so that the host needs neither curl nor
# wget nor the internet. It only has to reach the server's two ports for agents.
#
#   sh install.sh               as root
#   sh install.sh --dry-run     tell what would be done, and change nothing
#   sh install.sh --no-start    for installers of systems: the agent starts when the system does
#
# Whoever has the archive that this came in has the token. Every step says what it does; "sh -x install.sh" shows how.
set -eu

server='@SERVER@'
handshake='@HANDSHAKE@'
secured='@SECURED@'
pin='@PIN@'

# fail CODE WORD CAUSE...; the codes and words are those of setup-agent.sh.
fail() {
	code=$1 word=$2
	shift 2
	printf 'hostler: error %s: %s\n' "$word" "$*" >&2
	exit "$code"
}

option=
for word; do
	case $word in
	--dry-run | --no-start) option=$word ;;
	--help)
		sed -n '2,/^$/p' "$0"
		exit 0
		;;
	*) fail 19 bad-usage "there is no option $word" ;;
	esac
done

cd "$(dirname "$0")"
damaged() { fail 17 verification-failed "a file of the archive was damaged on its way: carry it again"; }

# What the archive brings is compared before any of it runs. A host that cannot compare could not know the server either.
if command -v sha256sum >/dev/null; then
	sha256sum -c SHA256SUMS >/dev/null 2>&1 || damaged
elif command -v openssl >/dev/null; then
	while read -r sum name; do
		found=$(openssl dgst -sha256 -r "$name" 2>/dev/null) || damaged
		[ "${found%% *}" = "$sum" ] || damaged
	done <SHA256SUMS
else
	fail 11 unsupported "this host has neither sha256sum nor openssl: whether the archive is whole, and whether the server is the right one, cannot be checked"
fi
exec sh ./setup-agent.sh all --server "$server" --handshake "$handshake" --secured "$secured" --ca-pin "$pin" --from . --token-file token \
	${option:+"$option"}
