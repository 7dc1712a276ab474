#!/bin/sh
# install.sh brings this host to one Hostler server. The server made it for one enrolment token, which is not in it: the
# token comes by standard input. It downloads the server's CA certificate and trusts nothing, and runs nothing, before
# that certificate proved to have the pin below. Then it runs the server's setup-agent.sh, which it downloads from whoever
# holds that certificate's key.
#
#   printf '%s\n' TOKEN | sh install.sh
#   sh install.sh --dry-run     tell what would be done, and change nothing
#   sh install.sh --no-start    for installers of systems: the agent starts when the system does
#
# Every step says what it does; "sh -x install.sh" shows how.
set -eu

server='@SERVER@'
address='@ADDRESS@' # the same, as it stands in URLs
handshake='@HANDSHAKE@'
secured='@SECURED@'
pin='@PIN@'

say() { printf 'hostler: progress: %s\n' "$*"; }

# fail CODE WORD CAUSE...; the codes and words are those of setup-agent.sh.
fail() {
	code=$1 word=$2
	shift 2
	printf 'hostler: error %s: %s\n' "$word" "$*" >&2
	exit "$code"
}

dry_run=no start=yes
for option; do
	case $option in
	--dry-run) dry_run=yes ;;
	--no-start) start=no ;;
	--help)
		sed -n '2,/^$/p' "$0"
		exit 0
		;;
	*) fail 19 bad-usage "there is no option $option" ;;
	esac
done

base=https://$address:$handshake
work=$(mktemp -d)
mkdir "$work/none" # stands for "no other certificate authorities"
trap 'rm -rf "$work"' EXIT
trap 'exit 20' INT TERM HUP

# unverified PATH FILE downloads what is not trusted yet.
unverified() {
	if command -v curl >/dev/null; then
		curl -fsSk --noproxy '*' -o "$2" "$base$1"
	else
		wget -q --no-proxy --no-check-certificate -O "$2" "$base$1"
	fi
}

# verified PATH FILE downloads from the holder of the certificate that has the pin, and from nobody else.
verified() {
	if command -v curl >/dev/null; then
		curl -fsS --noproxy '*' --cacert "$work/ca.pem" --capath "$work/none" -o "$2" "$base$1"
	else
		wget -q --no-proxy --ca-certificate="$work/ca.pem" --ca-directory="$work/none" -O "$2" "$base$1"
	fi || fail 17 verification-failed "cannot download $1 from $base with the server's certificate"
}

say "asking $base for its CA certificate"
unverified /ca.pem "$work/ca.pem" || fail 13 server-unreachable "$base does not answer"
found=$(grep -v -- ----- "$work/ca.pem" | base64 -d 2>/dev/null | sha256sum | cut -d' ' -f1)
if [ "$found" != "$pin" ]; then
	fail 17 verification-failed "the CA certificate of $base has the pin $found, not $pin: another machine answers there, or the" \
		"server has a new CA. Nothing was run."
fi
say "it has the pin $pin"
verified /setup-agent.sh "$work/setup-agent.sh"

# What follows runs on the host. The token is on standard input.
setup() {
	sh "$work/setup-agent.sh" all --server "$server" --handshake "$handshake" --secured "$secured" --ca-pin "$pin" --ca "$work/ca.pem" "$@"
}

if [ "$dry_run" = yes ]; then
	say "it would run, with the token on standard input: setup-agent.sh all"
	printf 'dry-run\n' | setup --dry-run
elif [ "$start" = no ]; then
	setup --no-start
else
	setup
fi
