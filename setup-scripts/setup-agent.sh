#!/bin/sh
# setup-agent.sh puts the Hostler agent on this host: it checks the host, configures the server's package
# repository, installs the package, writes the agent's configuration and starts the service.
#
# The server runs it verb by verb over SSH; a person runs "all" once. It is one file because it travels alone, to
# hosts of any age: POSIX sh (dash, bash, busybox ash) and nothing that a minimal installation lacks. Running it
# again changes nothing that is right already, and it leaves no temporary files, also when a signal ends it.
set -eu

LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin
umask 022

usage() {
	cat <<'HELP'
usage: setup-agent.sh VERB [OPTION...]

Verbs:
  detect      print what this host is, as key=value lines
  check       disk space, the server's ports and the clock, before anything is changed
              --server HOST --handshake PORT --secured PORT
  look        detect and check in one go
  repository  configure the server's package repository
              --url https://HOST:PORT/repo/ --ca FILE --key FILE
              [--channel NAME] (of the repository; stable unless given)
              [--mirror URL] [--mirror-key FILE] (packages come from there: of apt what is above dists, of others what
              is above repodata; the key is that of the mirror if it is not the server's)
  install     install the agent's package, or its archive on a host without a package manager
              [--server HOST] [--handshake PORT] [--channel NAME] (for the archive) [--version V] [--epel] [--wait SECONDS]
              [--from DIR] (take the package from there and download nothing)
  configure   write agent.ini; the one-time token is read from standard input
              --server HOST --handshake PORT --secured PORT --ca-pin HEX --hostname NAME
  start       enable the service and start it again
              [--no-start] (enable it only)
  all         check, repository, install, configure and start in one go
              --server HOST --ca-pin HEX [--handshake PORT] [--secured PORT] [--hostname NAME]
              [--ca FILE] [--key FILE] [--token-file FILE] [--version V] [--epel] [--wait SECONDS]
              [--from DIR] (take ca.pem, key.asc and the package from there)
              [--no-start] (for installers of systems: the agent starts when the system does)
  uninstall   stop the agent and remove it, its repository, its configuration and its state
              [--keep-children] (leave child agents, their definitions and logs for an agent that comes after)

Options for every verb:
  --root DIR  work on the system below DIR (detect, repository and configure only)
  --dry-run   print what would be done and change nothing
  --help      print this text

Options and their defaults:
  --handshake 8440, --secured 8441, --wait 300 (seconds to wait for a busy package manager),
  --hostname this host's name, --token-file standard input, --epel off (install epel-release first where the
  distribution has it; a failure is a warning)

Exit codes; the last line on standard error is "hostler: error WORD: cause":
  0   done
  10  not-root                root is needed
  11  unsupported             this operating system, architecture or tool is not supported
  12  disk-full               not enough disk space
  13  server-unreachable      the server does not answer this host
  14  clock-off               the clock is too far off for certificates
  15  package-manager-busy    another process holds the package manager's lock
  16  package-manager-failed  the package manager failed
  17  verification-failed     a signature, checksum or certificate is not the server's
  18  service-failed          the service did not start
  19  bad-usage               a wrong verb, option or value
  20  interrupted             a signal ended the script
  21  cannot-write            a file cannot be written
HELP
}

progress() { printf 'hostler: progress: %s\n' "$*"; }
warn() { printf 'hostler: warning: %s\n' "$*" >&2; }

# fail WORD CAUSE...
fail() {
	word=$1
	shift
	case $word in
	not-root) code=10 ;;
	unsupported) code=11 ;;
	disk-full) code=12 ;;
	server-unreachable) code=13 ;;
	clock-off) code=14 ;;
	package-manager-busy) code=15 ;;
	package-manager-failed) code=16 ;;
	verification-failed) code=17 ;;
	service-failed) code=18 ;;
	bad-usage) code=19 ;;
	interrupted) code=20 ;;
	*) code=21 ;;
	esac
	printf 'hostler: error %s: %s\n' "$word" "$*" >&2
	exit "$code"
}

work=   # directory of this run, made when first needed
halfway= # file that is being written beside its final name

tidy() {
	if [ -n "$work" ]; then rm -rf "$work"; fi
	if [ -n "$halfway" ]; then rm -f "$halfway"; fi
}
trap tidy EXIT
trap 'fail interrupted "ended by a signal"' HUP INT TERM
trap 'exit 20' PIPE

need_work() {
	if [ -z "$work" ]; then
		work=$(mktemp -d "${TMPDIR:-/tmp}/hostler.XXXXXX") || fail cannot-write "cannot make a temporary directory"
		mkdir "$work/none" # stands for "no other certificate authorities"
	fi
}

run() {
	if [ "$dry_run" = yes ]; then
		printf 'hostler: would run: %s\n' "$*"
		return 0
	fi
	"$@"
}

make_dir() {
	[ -d "$1" ] || run mkdir -p "$1" || fail cannot-write "cannot make $1"
}

# write_file FILE MODE COMMAND... puts what the command prints into the file: at once or not at all.
write_file() {
	file=$1 mode=$2
	shift 2
	if [ "$dry_run" = yes ]; then
		printf 'hostler: would write: %s\n' "$file"
		return 0
	fi
	halfway=$file.hostler-$$
	{ (umask 077 && "$@" >"$halfway") && [ -s "$halfway" ] && chmod "$mode" "$halfway" && mv -f "$halfway" "$file"; } ||
		fail cannot-write "cannot write $file"
	halfway=
}

remove() {
	for path in "$@"; do
		if [ -e "$path" ] || [ -L "$path" ]; then
			run rm -rf "$path" || fail cannot-write "cannot remove $path"
		fi
	done
}

have() { command -v "$1" >/dev/null 2>&1; }

# limited SECONDS COMMAND... runs without a limit where there is no timeout command.
limited() {
	seconds=$1
	shift
	if have timeout; then timeout "$seconds" "$@"; else "$@"; fi
}

need_root() {
	if [ "$dry_run" = no ] && [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
		fail not-root "the verb $verb needs root: run it as root or through sudo"
	fi
}

unquoted() {
	value=$1
	value=${value#[\"\']}
	value=${value%[\"\']}
}

read_os() {
	os_id='' os_version='' os_name='' os_like=''
	release=$root/etc/os-release
	[ -r "$release" ] || release=$root/usr/lib/os-release
	[ -r "$release" ] || return 0
	while IFS='=' read -r key value || [ -n "$key" ]; do
		unquoted "$value"
		case $key in
		ID) os_id=$value ;;
		VERSION_ID) os_version=$value ;;
		PRETTY_NAME) os_name=$value ;;
		ID_LIKE) os_like=$value ;;
		esac
		value=
	done <"$release"
}

# need_linux comes before anything that only Linux has, and says so in plain words.
need_linux() {
	read_kernel
	if [ "$system" != Linux ]; then fail unsupported "this host runs $system, and the agent needs Linux"; fi
}

# read_kernel asks for everything at once: hundreds of hosts on one machine may be looked at together.
read_kernel() {
	read -r system _ kernel machine <<END
$(uname -snrm)
END
}

read_arch() {
	if [ -z "${machine-}" ]; then read_kernel; fi
	case $machine in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	armv*) arch=arm ;;
	i?86) arch=386 ;;
	*) arch=$machine ;;
	esac
}

read_init() {
	if [ -d "$root/run/systemd/system" ]; then
		init=systemd
	elif [ -x "$root/sbin/openrc-run" ]; then
		init=openrc
	elif [ -d "$root/etc/init.d" ]; then
		init=sysv
	else
		init=none
	fi
}

# The distribution's own package manager goes first: others may be installed beside it.
read_pkg() {
	case " $os_id $os_like " in
	*' suse '* | *' opensuse'* | *' sles '* | *' sled '*) order='zypper dnf yum apt-get' ;;
	*' rhel '* | *' fedora '* | *' centos '* | *' rocky '* | *' almalinux '* | *' ol '* | *' amzn '* | *' openeuler '* | *' anolis '*)
		order='dnf yum zypper apt-get'
		;;
	*) order='apt-get dnf yum zypper' ;;
	esac
	pkg=none
	for manager in $order; do
		if [ -x "$root/usr/bin/$manager" ] || { [ -z "$root" ] && have "$manager"; }; then
			pkg=${manager%-get}
			return 0
		fi
	done
}

read_host() {
	read_os
	read_arch
	read_init
	read_pkg
}

installed_version() {
	if [ -n "$root" ] || ! [ -x /usr/bin/hostler-agent ]; then return 0; fi
	said=$(limited 10 /usr/bin/hostler-agent --version 2>/dev/null </dev/null) || return 0
	said=${said#hostler-agent }
	printf '%s\n' "${said%% *}"
}

free_kb() { # free_kb DIRECTORY
	df -kP "$root$1" 2>/dev/null | {
		read -r _ && read -r _ _ _ free _ && echo "$free"
	} || echo 0
}

# read_space sets free_root, free_var, free_usr and free_tmp, in kilobytes.
read_space() {
	if {
		read -r _ && read -r _ _ _ free_root _ && read -r _ _ _ free_var _ && read -r _ _ _ free_usr _ && read -r _ _ _ free_tmp _
	} <<END
$(df -kP "$root/" "$root/var" "$root/usr" "$root/tmp" 2>/dev/null)
END
	then
		return 0
	fi
	# One of them is not there.
	free_root=$(free_kb /) free_var=$(free_kb /var) free_usr=$(free_kb /usr) free_tmp=$(free_kb /tmp)
}

host_name() {
	name=$(limited 5 hostname -f 2>/dev/null) || name=
	case $name in '' | localhost | localhost.*) name=$(uname -n) ;; esac
	lower "$name"
}

lower() { # lower TEXT
	case $1 in
	*[A-Z]*) printf '%s\n' "$1" | tr '[:upper:]' '[:lower:]' ;;
	*) printf '%s\n' "$1" ;;
	esac
}

verb_detect() {
	need_linux
	read_host
	mem_kb=0
	if [ -r /proc/meminfo ]; then # a container may hide it
		while read -r key value _; do
			if [ "$key" = MemTotal: ]; then mem_kb=$value; fi
		done </proc/meminfo
	fi
	sudo=no
	if have sudo; then sudo=yes; fi
	read_space
	printf '%s\n' "os_id=$os_id" "os_version=$os_version" "os_name=$os_name" "os_like=$os_like" "arch=$arch" \
		"kernel=$kernel" "init=$init" "pkg=$pkg" "uid=$(id -u)" "sudo=$sudo" "time=$(date +%s)" \
		"free_root_kb=$free_root" "free_var_kb=$free_var" "free_usr_kb=$free_usr" "free_tmp_kb=$free_tmp" "mem_kb=$mem_kb" \
		"hostname=$(host_name)" "agent=$(installed_version)"
}

check_space() {
	if [ -z "${free_usr-}" ]; then read_space; fi
	need_space /usr "$free_usr" 40 # megabytes: the agent
	need_space /var "$free_var" 60 # its state; package lists, cache and log
	need_space /tmp "$free_tmp" 2
}

need_space() { # need_space DIRECTORY KILOBYTES MEGABYTES
	if [ "$2" -lt $(($3 * 1024)) ]; then
		fail disk-full "$1 has $(($2 / 1024)) MB free and needs $3 MB"
	fi
}

# bracketed HOST is how a URL names it: an IPv6 address needs brackets there.
bracketed() {
	case $1 in
	*:*) printf '[%s]\n' "$1" ;;
	*) printf '%s\n' "$1" ;;
	esac
}

# The agent talks to the server directly, so every try leaves proxies aside.
# ping_server sets reached (yes, no, unknown), why, and answer (the body, where a tool could get it). Nothing secret
# goes over this connection and nothing of it is trusted, so the certificate is not looked at yet.
ping_server() {
	reached=unknown why='' answer=''
	url=https://$(bracketed "$server"):$handshake/ping
	need_work
	if have curl; then
		code=0
		answer=$(curl -ksS --noproxy '*' --connect-timeout 5 --max-time 10 "$url" 2>"$work/why") || code=$?
		judge_curl "$code"
		if [ "$code" = 7 ]; then reach_port "$handshake"; fi # says more exactly why
	elif have wget && wget_has_tls; then
		reached=yes
		answer=$(limited 15 wget -q -O - --no-check-certificate -T 10 "$url" 2>"$work/why") || reached=no
		if [ "$reached" = no ]; then
			said=$(reason "$work/why")
			reach_port "$handshake"
			if [ "$reached" = unknown ]; then reached=no why=$said; fi
		fi
	elif have openssl; then
		answer=$(http_by_openssl /ping -quiet 2>"$work/why") || :
		reach_port "$handshake"
	else
		reach_port "$handshake"
	fi
}

wget_has_tls() { ! wget --help 2>&1 | grep -qi busybox || have ssl_client; }

# http_by_openssl PATH OPTION... prints the body of an HTTP answer.
http_by_openssl() {
	path=$1
	shift
	printf 'GET %s HTTP/1.0\r\nHost: %s\r\n\r\n' "$path" "$server" |
		limited 60 openssl s_client -connect "$(bracketed "$server"):$handshake" "$@" 2>/dev/null |
		sed '1,/^\r*$/d'
}

# reason FILE is the last line of what a tool complained about, without the tool's name.
reason() { grep . "$1" 2>/dev/null | tail -n 1 | sed 's/^[a-z]*: *//;s/^([0-9]*) *//'; }

# judge_curl CODE: anything that got as far as TLS has reached the port.
judge_curl() {
	case $1 in
	5 | 6 | 7 | 28)
		reached=no
		why=$(reason "$work/why")
		;;
	*) reached=yes ;;
	esac
}

# reach_port PORT sets reached and why by a bare connection.
reach_port() {
	reached=yes
	need_work
	if have bash; then
		limited 5 bash -c "exec 3<>/dev/tcp/\$0/\$1" "$server" "$1" 2>"$work/why" || reached=no
	elif have curl; then
		code=0
		curl -ksS --noproxy '*' --connect-timeout 5 --max-time 10 -o /dev/null \
			"https://$(bracketed "$server"):$1/" 2>"$work/why" || code=$?
		judge_curl "$code"
	elif have nc; then
		limited 5 nc -z -w 5 "$server" "$1" 2>"$work/why" || reached=no
	elif have openssl; then
		limited 5 openssl s_client -connect "$(bracketed "$server"):$1" </dev/null >"$work/said" 2>"$work/why" || :
		grep -q '^CONNECTED' "$work/said" || reached=no
	else
		reached=unknown
	fi
	if [ "$reached" = no ]; then
		why=$(reason "$work/why")
		why=${why##*: }
		why=${why:-no answer in 5 seconds}
	fi
}

judge_port() { # judge_port PORT
	case $reached in
	no) fail server-unreachable "cannot reach $server port $1 from this host: ${why:-no answer}" ;;
	unknown) warn "cannot check $server port $1: this host has none of curl, wget, openssl, bash and nc" ;;
	esac
}

check_clock() {
	server_time=''
	case $answer in *'"time":'*)
		server_time=${answer#*'"time":'}
		server_time=${server_time# }
		server_time=${server_time%%[!0-9]*}
		;;
	esac
	if [ -z "$server_time" ]; then
		if [ "$reached" = yes ]; then warn "cannot compare the clocks: no tool here could read the server's time"; fi
		return 0
	fi
	ahead=$(($(date +%s) - server_time))
	if [ "$ahead" -gt 300 ]; then
		fail clock-off "this host's clock is $ahead seconds ahead of the server's"
	elif [ "$ahead" -lt -300 ]; then
		fail clock-off "this host's clock is $((-ahead)) seconds behind the server's"
	fi
}

verb_check() {
	need_option server "$server"
	progress "checking disk space"
	check_space
	progress "checking the way to $server, ports $handshake and $secured"
	ping_server
	judge_port "$handshake"
	check_clock
	reach_port "$secured"
	judge_port "$secured"
}

verb_look() {
	verb_detect
	verb_check
}

# --- changing a host: what follows is left out of what the server sends to look at one ---

base64_decoded() {
	if have base64; then base64 -d; else openssl base64 -d; fi
}

sha256_of() { # sha256_of FILE
	if have sha256sum; then
		sum=$(sha256sum <"$1")
	else
		sum=$(openssl dgst -sha256 -r <"$1") || fail unsupported "this host has neither sha256sum nor openssl"
	fi
	printf '%s\n' "${sum%% *}"
}

# check_pin holds the CA certificate against the pin that came by another way.
check_pin() {
	need_work
	grep -v -- ----- "$ca_file" | base64_decoded >"$work/ca.der" 2>/dev/null || :
	sum=$(sha256_of "$work/ca.der")
	if [ "$sum" != "$ca_pin" ]; then
		fail verification-failed "the CA certificate is not the one that --ca-pin names: somebody may be in between"
	fi
}

# fetch PATH FILE gets a file from the handshake port; only the server's CA vouches for the connection.
fetch() {
	url=https://$(bracketed "$server"):$handshake$1
	need_work
	if have curl; then
		curl -fsS --noproxy '*' --connect-timeout 10 --cacert "$ca_file" --capath "$work/none" -o "$2" "$url" 2>"$work/why"
	elif have wget && ! wget --help 2>&1 | grep -qi busybox; then
		wget -q --no-proxy -T 30 --ca-certificate="$ca_file" --ca-directory="$work/none" -O "$2" "$url" 2>"$work/why"
	elif have openssl; then
		case $server in
		*:* | *[0-9].*[0-9].*[0-9].*[0-9]) name_check=-verify_ip ;;
		*) name_check=-verify_hostname ;;
		esac
		http_by_openssl "$1" -quiet -verify_return_error -CAfile "$ca_file" -no-CApath "$name_check" "$server" \
			>"$2" 2>"$work/why"
		[ -s "$2" ]
	else
		fail unsupported "this host has no tool that fetches over verified TLS: install curl, wget or openssl"
	fi || fail verification-failed "cannot fetch $url: $(reason "$work/why")"
}

# fetch_ca gets the CA certificate without trusting the connection; the pin decides.
fetch_ca() {
	need_work
	ca_file=$work/ca.pem
	url=https://$(bracketed "$server"):$handshake/ca.pem
	if have curl; then
		curl -kfsS --noproxy '*' --connect-timeout 10 -o "$ca_file" "$url" 2>"$work/why" || :
	elif have wget && wget_has_tls; then
		wget -q --no-check-certificate -T 30 -O "$ca_file" "$url" 2>"$work/why" || :
	elif have openssl; then
		http_by_openssl /ca.pem -quiet >"$ca_file" 2>"$work/why" || :
	else
		fail unsupported "this host has no tool to fetch the CA certificate: pass it by --ca, or install curl"
	fi
	[ -s "$ca_file" ] || fail server-unreachable "cannot fetch $url: $(reason "$work/why")"
}

conf=/etc/hostler-agent # its names below are the files that the package managers read

verb_repository() {
	need_option url "$repo_url"
	need_option ca "$ca_file"
	need_option key "$key_file"
	grep -q -- '-----BEGIN CERTIFICATE-----' "$ca_file" 2>/dev/null || fail bad-usage "--ca: $ca_file holds no PEM certificate"
	grep -q -- '-----BEGIN PGP PUBLIC KEY BLOCK-----' "$key_file" 2>/dev/null ||
		fail bad-usage "--key: $key_file holds no armored OpenPGP key"
	if [ -n "$mirror_key" ]; then
		grep -q -- '-----BEGIN PGP PUBLIC KEY BLOCK-----' "$mirror_key" 2>/dev/null ||
			fail bad-usage "--mirror-key: $mirror_key holds no armored OpenPGP key"
	fi
	need_root
	if [ -n "$ca_pin" ]; then check_pin; fi
	read_host
	if [ "$pkg" = none ]; then
		progress "no package manager here: the static archive will be used"
	else
		progress "configuring the package repository for $pkg${mirror:+, on the mirror $mirror}"
	fi
	make_dir "$root$conf"
	write_file "$root$conf/ca.pem" 644 cat "$ca_file"
	case $pkg in
	apt) repository_apt ;;
	dnf | yum) repository_yum ;;
	zypper) repository_zypper ;;
	esac
}

# lacks CAUSE: what keeps a host from the server's repository keeps it from nothing when its package was carried to it.
lacks() {
	if [ -z "$from" ]; then fail unsupported "$1"; fi
	warn "the server's repository is not configured: $1"
}

# source_url KIND prints where the packages are. Of rpms and archives each channel has an address of its own.
source_url() {
	case $mirror:$1:$channel in
	?*:*:*) echo "$mirror" ;;
	:apt:* | :*:stable) echo "$repo_url$1" ;;
	*) echo "$repo_url$1/$channel" ;;
	esac
}

# trusted ENDING WRITER puts down the keys that vouch for packages. The agent keeps those of the server up to date, and never
# touches that of a mirror; signed_by is the file that counts.
trusted() {
	write_file "$root$conf/repository.$1" 644 "$2" "$key_file"
	signed_by=$conf/repository.$1
	if [ -n "$mirror_key" ]; then
		signed_by=$conf/mirror.$1
		write_file "$root$signed_by" 644 "$2" "$mirror_key"
	else
		remove "$root$conf/mirror.$1"
	fi
}

repository_apt() {
	packages=$(source_url apt)
	case $packages in
	https:*)
		if [ -z "$root" ] && ! [ -x /usr/lib/apt/methods/https ]; then
			lacks "this apt cannot fetch over https: install apt-transport-https first"
			return 0
		fi
		;;
	esac
	trusted gpg dearmored
	host=${repo_url#https://}
	host=${host%%/*}
	host=${host%:*}
	host=${host#\[}
	host=${host%\]}
	make_dir "$root/etc/apt/apt.conf.d"
	make_dir "$root/etc/apt/sources.list.d"
	if [ -n "$mirror" ]; then
		remove "$root/etc/apt/apt.conf.d/90hostler"
	else
		write_file "$root/etc/apt/apt.conf.d/90hostler" 644 apt_settings
	fi
	deb_arch=$(dpkg --print-architecture 2>/dev/null) || deb_arch=$arch
	if apt_is_old; then
		remove "$root/etc/apt/sources.list.d/hostler.sources"
		write_file "$root/etc/apt/sources.list.d/hostler.list" 644 apt_source_line
	else
		remove "$root/etc/apt/sources.list.d/hostler.list"
		write_file "$root/etc/apt/sources.list.d/hostler.sources" 644 apt_source
	fi
}

# dearmored FILE prints OpenPGP keys in binary: apt reads armored keys only from version 1.4 on, and later ones only the
# first. The armor of each is base64 between a header, which ends with an empty line, and a checksum.
dearmored() {
	block='' part=none
	while IFS= read -r line || [ -n "$line" ]; do
		case $part:$line in
		*:-----BEGIN*) block='' part=header ;;
		*:-----END*) printf '%s' "$block" | base64_decoded || return 1 ;;
		header:) part=body ;;
		body:=*) ;;
		body:*) block="$block$line
" ;;
		esac
	done <"$1"
}

apt_settings() {
	cat <<END
Acquire::https::$host::CaInfo "$conf/ca.pem";
Acquire::https::Proxy::$host "DIRECT";
END
}

apt_source() {
	cat <<END
Types: deb
URIs: $packages
Suites: $channel
Components: main
Architectures: $deb_arch
Signed-By: $signed_by
END
}

apt_source_line() {
	echo "deb [arch=$deb_arch signed-by=$signed_by] $packages $channel main"
}

# apt_is_old: paragraphs in .sources files came with apt 1.1.
apt_is_old() {
	case $(apt-get --version 2>/dev/null) in
	'apt 0.'* | 'apt 1.0'*) return 0 ;;
	esac
	return 1
}

repository_yum() {
	packages=$(source_url yum)
	trusted asc cat
	make_dir "$root/etc/yum.repos.d"
	write_file "$root/etc/yum.repos.d/hostler.repo" 644 yum_source
}

# A server that is down must not break the host's other repositories, hence skip_if_unavailable.
yum_source() {
	cat <<END
[hostler]
name=Hostler
baseurl=$packages
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file://$signed_by
metadata_expire=300
skip_if_unavailable=1
END
	if [ -n "$mirror" ]; then return 0; fi
	cat <<END
sslverify=1
sslcacert=$conf/ca.pem
proxy=_none_
END
}

# libzypp takes no CA file for one repository, but a directory of certificates named by their hash.
repository_zypper() {
	packages=$(source_url yum)
	trusted asc cat
	make_dir "$root/etc/zypp/repos.d"
	if [ -n "$mirror" ]; then
		write_file "$root/etc/zypp/repos.d/hostler.repo" 644 zypper_source
		return 0
	fi
	packages="$packages?ssl_capath=$conf/ca.d"
	if ! have openssl; then
		lacks "zypper needs openssl to trust the server's certificate: install openssl first"
		return 0
	fi
	hash=$(openssl x509 -hash -noout -in "$ca_file") || fail verification-failed "the CA certificate cannot be read"
	make_dir "$root$conf/ca.d"
	write_file "$root$conf/ca.d/$hash.0" 644 cat "$ca_file"
	write_file "$root/etc/zypp/repos.d/hostler.repo" 644 zypper_source
}

zypper_source() {
	cat <<END
[hostler]
name=Hostler
enabled=1
autorefresh=1
type=rpm-md
baseurl=$packages
gpgcheck=1
repo_gpgcheck=1
pkg_gpgcheck=1
gpgkey=file://$signed_by
END
}

# streamed COMMAND... shows the command's output, keeps it in $work/log and sets code.
streamed() {
	need_work
	{
		code=0
		"$@" 2>&1 </dev/null || code=$?
		echo "$code" >"$work/code"
	} | tee "$work/log"
	read -r code <"$work/code"
}

busy='Could not get lock|Unable to (lock|acquire)|frontend lock|status database is locked|Waiting for process with pid|holding the yum lock'
busy="$busy|transaction lock|System management is locked|is another process using it"
unverified='signatures? (could not|couldn.t) be verified|NO_PUBKEY|BADSIG|is not signed|Hash Sum mismatch|GPG check FAILED'
unverified="$unverified|signature verification (error|failed)|Signature verification failed|Bad GPG signature|checksum doesn.t match"
unverified="$unverified|certificate (verification failed|problem)|Certificate verification failed|Public key for .* is not installed"
unverified="$unverified|Error: GPG|NOSPLIT|Curl error \\(60\\)|No trust anchor|Package header is not signed|digest mismatch"

# managed WHAT COMMAND... runs a package manager, waits while another one holds its lock, and stops the script with
# the cause when it fails.
managed() {
	what=$1
	shift
	if [ "$dry_run" = yes ]; then
		run "$@"
		return 0
	fi
	waited=0
	while :; do
		streamed "$@"
		if [ "$code" = 0 ]; then return 0; fi
		if ! is_busy; then break; fi
		if [ "$waited" -ge "$wait_limit" ]; then
			fail package-manager-busy "the package manager is still busy after $waited seconds: $(holder)"
		fi
		progress "waiting for the package manager, $(holder) ($waited of $wait_limit s)"
		sleep 2
		waited=$((waited + 2))
	done
	explain "$what" "$(grep -E '^(E:|Error|error:|dpkg: error)' "$work/log" | head -n 1)"
}

# dnf and yum exit with 200 and zypper with 7 when they find the lock taken.
is_busy() {
	case $pkg:$code in dnf:200 | yum:200 | zypper:7) return 0 ;; esac
	grep -Eq "$busy" "$work/log"
}

explain() { # explain WHAT FIRST-COMPLAINT
	if grep -Eq 'No space left|enough free space|needs .* more space|At least .* space needed' "$work/log"; then
		fail disk-full "$1 ran out of disk space"
	fi
	tail -n 15 "$work/log" >&2
	if grep -Eq "$unverified" "$work/log"; then
		fail verification-failed "$1 could not be verified: ${2:-see the lines above}"
	fi
	fail package-manager-failed "$1 failed with exit code $code: ${2:-see the lines above}"
}

# holder names the process that holds the lock: by what the package manager said, else by the kernel's list.
holder() {
	pid=$(sed -n 's/.*\(process\|with pid\|PID\)[ =:]*\([0-9][0-9]*\).*/\2/p' "$work/log" 2>/dev/null | head -n 1)
	if [ -z "$pid" ]; then
		for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock; do
			[ -e "$lock" ] || continue
			inode=$(ls -di "$lock")
			inode=${inode%% *}
			pid=$(sed -n "s/^[0-9]*: [A-Z]* *[A-Z]* *[A-Z]* *\\([0-9]*\\) [0-9a-f:]*:$inode .*/\\1/p" /proc/locks 2>/dev/null | head -n 1)
			[ -z "$pid" ] || break
		done
	fi
	name=
	if [ -n "$pid" ] && [ -r "/proc/$pid/comm" ]; then read -r name <"/proc/$pid/comm" || :; fi
	if [ -n "$name" ]; then
		echo "held by $name (process $pid)"
	elif [ -n "$pid" ]; then
		echo "held by process $pid"
	else
		echo "held by another process"
	fi
}

verb_install() {
	need_root
	need_linux
	read_host
	case $arch in
	amd64 | arm64) ;;
	*) fail unsupported "there is no agent for this architecture ($arch)" ;;
	esac
	if [ "$epel" = yes ]; then install_epel; fi
	if [ "$pkg" = none ]; then progress "installing the static archive"; else progress "installing hostler-agent with $pkg"; fi
	case $pkg:$from in
	none:*) install_static ;;
	*:?*) install_carried ;;
	apt:) install_apt ;;
	dnf: | yum:) install_yum ;;
	zypper:) install_zypper ;;
	esac
	if [ "$dry_run" = yes ]; then return 0; fi
	[ -x /usr/bin/hostler-agent ] || fail package-manager-failed "$pkg reports success, but /usr/bin/hostler-agent is missing"
	progress "hostler-agent $(installed_version) is installed"
}

install_epel() {
	case " $os_id $os_like " in
	*' fedora '*' fedora '*) return 0 ;;
	*' rhel '* | *' centos '*) ;;
	*) return 0 ;;
	esac
	if rpm -q epel-release >/dev/null 2>&1; then return 0; fi
	progress "installing epel-release"
	run limited 120 "$pkg" -y --setopt=timeout=10 --setopt=retries=1 install epel-release </dev/null >/dev/null 2>&1 ||
		warn "epel-release cannot be installed: going on without it"
}

# Only the server's own source is read, so mirrors that an isolated host cannot reach cost nothing, and no cache is
# built of the distribution's lists, which would take longer than the installation.
install_apt() {
	DEBIAN_FRONTEND=noninteractive
	NEEDRESTART_SUSPEND=1
	APT_LISTCHANGES_FRONTEND=none
	export DEBIAN_FRONTEND NEEDRESTART_SUSPEND APT_LISTCHANGES_FRONTEND
	source_list=/etc/apt/sources.list.d/hostler.sources
	if apt_is_old; then source_list=/etc/apt/sources.list.d/hostler.list; fi
	apt_get "the package list" update
	apt_get "the installation" -y --no-install-recommends \
		-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install "hostler-agent${version:+=$version}"
}

apt_get() {
	what=$1
	shift
	managed "$what" apt-get -q -o Dir::Etc::sourcelist="$source_list" -o Dir::Etc::sourceparts=/dev/null \
		-o APT::Get::List-Cleanup=0 -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Acquire::Languages=none \
		-o Acquire::Retries=2 -o APT::Update::Error-Mode=any -o Dpkg::Use-Pty=0 "$@"
}

install_yum() {
	managed "the installation" "$pkg" -y --disablerepo=* --enablerepo=hostler --setopt=plugins=0 \
		--setopt=exit_on_lock=1 --setopt=hostler.skip_if_unavailable=0 --setopt=hostler.metadata_expire=1 \
		install "hostler-agent${version:+-$version}"
}

install_zypper() {
	managed "the package list" zypper --non-interactive --gpg-auto-import-keys refresh hostler
	managed "the installation" zypper --non-interactive install --repo hostler --no-recommends \
		"hostler-agent${version:+=$version}"
}

# carried PATTERN... finds the file in $from that was made for this host, and holds it against the checksum there.
carried() {
	for file in "$@"; do
		[ -r "$file" ] || fail unsupported "nothing that was carried here is for this host: ${1##*/} is missing in $from"
		grep -q "^$(sha256_of "$file")  ${file##*/}\$" "$from/SHA256SUMS" ||
			fail verification-failed "the checksum of $file is not the one in SHA256SUMS"
	done
}

# install_carried has the package manager install a file. The tool below it does: it asks no network for anything.
install_carried() {
	case $pkg in
	apt)
		DEBIAN_FRONTEND=noninteractive
		export DEBIAN_FRONTEND
		carried "$from"/hostler-agent_*_"$arch".deb
		managed "the installation" dpkg --force-confdef --force-confold --install "$file"
		;;
	*)
		case $arch in amd64) rpm_arch=x86_64 ;; *) rpm_arch=aarch64 ;; esac
		carried "$from"/hostler-agent-*."$rpm_arch".rpm
		run rpm --import "$from/key.asc" || fail verification-failed "rpm does not take the key in $from/key.asc"
		managed "the installation" rpm --upgrade --replacepkgs --oldpackage "$file"
		;;
	esac
}

install_static() {
	archive=hostler-agent-linux-$arch.tar.gz
	if [ -n "$from" ]; then
		carried "$from/$archive"
	else
		need_option server "$server"
		ca_file=$root$conf/ca.pem
		[ -r "$ca_file" ] || fail bad-usage "$ca_file is missing: run the verb repository first"
	fi
	if [ "$dry_run" = yes ]; then
		printf 'hostler: would install: %s\n' "$archive"
		return 0
	fi
	need_work
	if [ -n "$from" ]; then
		cat "$file" >"$work/$archive"
	else
		fetch_archive || fetch_archive || # a second time: the server may just have published another version
			fail verification-failed "the checksum of $archive is not the one in SHA256SUMS"
	fi
	mkdir "$work/agent"
	tar -xzf "$work/$archive" -C "$work/agent" || fail cannot-write "cannot unpack $archive"
	write_file /usr/bin/hostler-agent 755 cat "$work/agent/hostler-agent"
	make_dir /usr/share/hostler-agent
	for kind in sysv openrc; do
		write_file "/usr/share/hostler-agent/hostler-agent.$kind" 755 cat "$work/agent/hostler-agent.$kind"
	done
	if [ "$init" = systemd ]; then
		write_file /etc/systemd/system/hostler-agent.service 644 cat "$work/agent/hostler-agent.service"
		systemctl daemon-reload
	fi
}

fetch_archive() {
	from_channel=/repo/static
	if [ "$channel" != stable ]; then from_channel=/repo/static/$channel; fi
	fetch "$from_channel/SHA256SUMS" "$work/SHA256SUMS"
	fetch "$from_channel/$archive" "$work/$archive"
	grep -q "^$(sha256_of "$work/$archive")  $archive\$" "$work/SHA256SUMS"
}

read_token() {
	if [ -n "$token_file" ]; then
		[ -r "$token_file" ] || fail bad-usage "--token-file: cannot read $token_file"
		IFS= read -r token <"$token_file" || [ -n "$token" ] || :
	else
		IFS= read -r token || [ -n "$token" ] || :
	fi
	case $token in
	'') fail bad-usage "no token: it is read from standard input" ;;
	*[!A-Za-z0-9._~+/=-]*) fail bad-usage "the token has characters that no token has" ;;
	esac
}

verb_configure() {
	need_option server "$server"
	need_option ca-pin "$ca_pin"
	need_option hostname "$hostname"
	need_root
	if [ -z "$token" ]; then read_token; fi
	progress "writing $conf/agent.ini"
	make_dir "$root$conf"
	write_file "$root$conf/agent.ini" 600 agent_ini
}

# printf is part of the shell: the token appears in no process's arguments, and in no temporary file of a here
# document either.
agent_ini() {
	printf '%s\n' "[server]" "host = $server" "handshake_port = $handshake" "secured_port = $secured" "ca_pin = $ca_pin" \
		"" "[agent]" "hostname = $hostname" "token = $token"
}

verb_start() {
	need_root
	if [ "$dry_run" = no ] && [ ! -e $conf/agent.ini ]; then
		fail service-failed "$conf/agent.ini is missing: run the verb configure first"
	fi
	read_host
	# A system that is being installed does not run its own systemd yet.
	if [ "$start" = no ] && have systemctl; then init=systemd; fi
	case $init in
	systemd)
		systemctl is-enabled --quiet hostler-agent.service 2>/dev/null || run systemctl enable --quiet hostler-agent.service ||
			fail service-failed "systemd cannot enable hostler-agent.service"
		;;
	openrc)
		add_init_script openrc
		run rc-update --quiet add hostler-agent default || fail service-failed "rc-update cannot enable the service"
		;;
	sysv)
		add_init_script sysv
		enable_sysv
		;;
	*) fail service-failed "this host has no service manager that is known: systemd, OpenRC or System V init" ;;
	esac
	if [ "$start" = no ]; then
		progress "hostler-agent starts with the system, as a service of $init"
		return 0
	fi
	case $init in
	systemd) start_systemd ;;
	openrc) run rc-service hostler-agent restart || fail service-failed "OpenRC could not start the service" ;;
	sysv) run /etc/init.d/hostler-agent restart || fail service-failed "the init script could not start the agent" ;;
	esac
	progress "hostler-agent runs as a service of $init"
}

start_systemd() {
	unit=hostler-agent.service
	if run systemctl restart $unit && { [ "$dry_run" = yes ] || systemctl is-active --quiet $unit; }; then return 0; fi
	systemctl status --no-pager --lines=10 $unit 2>&1 | tail -n 15 >&2 || :
	state=$(systemctl is-active $unit) || :
	fail service-failed "$unit did not start: it is $state, $(systemctl show --property=Result $unit)"
}

add_init_script() { # add_init_script sysv|openrc
	script=/usr/share/hostler-agent/hostler-agent.$1
	if [ "$dry_run" = no ] && [ ! -r "$script" ]; then
		fail service-failed "$script is missing: run the verb install first"
	fi
	make_dir /etc/init.d
	write_file /etc/init.d/hostler-agent 755 cat "$script"
}

enable_sysv() {
	if have update-rc.d; then
		run update-rc.d hostler-agent defaults >/dev/null
	elif have chkconfig; then
		run chkconfig --add hostler-agent
	else
		warn "neither update-rc.d nor chkconfig is here: the agent will not start when the host does"
	fi
}

verb_all() {
	need_option server "$server"
	need_option ca-pin "$ca_pin"
	need_root
	need_linux
	read_token
	hostname=${hostname:-$(host_name)}
	if [ -n "$from" ]; then
		ca_file=${ca_file:-$from/ca.pem}
		key_file=${key_file:-$from/key.asc}
	fi
	verb_check
	if [ "$dry_run" = yes ]; then
		printf 'hostler: would configure the package repository, install hostler-agent, write %s and start it\n' "$conf/agent.ini"
		return 0
	fi
	if [ -z "$ca_file" ]; then fetch_ca; fi
	check_pin
	if [ -z "$key_file" ]; then
		need_work
		key_file=$work/key.asc
		fetch /repo/key.asc "$key_file"
	fi
	repo_url=${repo_url:-https://$(bracketed "$server"):$handshake/repo/}
	verb_repository
	verb_install
	verb_configure
	verb_start
}

remove_rpm() {
	case $pkg in
	dnf | yum) managed "the removal" "$pkg" -y --disablerepo=* --setopt=plugins=0 --setopt=exit_on_lock=1 remove hostler-agent ;;
	zypper) managed "the removal" zypper --non-interactive --no-refresh remove hostler-agent ;;
	esac
	# A key that stays would vouch for packages of a repository that is gone.
	rpm -q gpg-pubkey --qf '%{name}-%{version}-%{release} %{summary}\n' 2>/dev/null | while read -r imported summary; do
		case $summary in *'Hostler repository '*) run rpm -e "$imported" || : ;; esac
	done
}

# put_children aside|back moves what child agents need. Those that run do not notice: it stays on its file system.
put_children() {
	for path in /etc/hostler-agent/agents.d /var/lib/hostler-agent/agents /var/lib/hostler-agent/children /var/log/hostler-agent/agents; do
		kept=${path%/*}.kept
		if [ "$1" = aside ]; then here=$path there=$kept/${path##*/}; else here=$kept/${path##*/} there=$path; fi
		if [ -d "$here" ] && ! [ -e "$there" ]; then
			make_dir "${there%/*}"
			run mv "$here" "$there" || fail cannot-write "cannot move $here"
		fi
		if [ "$1" = back ] && [ -d "$kept" ]; then run rmdir "$kept" 2>/dev/null || :; fi
	done
}

# apt_lists prints how the names of the lists begin that apt has fetched from the repository (URItoFileName in its source).
apt_lists() {
	for list in /etc/apt/sources.list.d/hostler.sources /etc/apt/sources.list.d/hostler.list; do
		[ -r "$list" ] || continue
		sed -n -e 's/^URIs: //p' -e 's/^deb \[.*\] \([^ ]*\) .*/\1/p' "$list"
	done | sed -e 's,^[a-z]*://,,' -e 's,/*$,,' -e 's,/,_,g'
}

verb_uninstall() {
	need_root
	read_host
	lists=$(apt_lists)
	progress "stopping hostler-agent"
	case $init in
	systemd) run systemctl disable --now --quiet hostler-agent.service 2>/dev/null || : ;;
	openrc)
		run rc-service hostler-agent stop 2>/dev/null || :
		run rc-update --quiet del hostler-agent 2>/dev/null || :
		;;
	sysv) if [ -x /etc/init.d/hostler-agent ]; then run /etc/init.d/hostler-agent stop || :; fi ;;
	esac
	progress "removing hostler-agent"
	if [ "$keep_children" = yes ]; then put_children aside; fi
	case $pkg in
	apt) if dpkg-query -W hostler-agent >/dev/null 2>&1; then managed "the removal" dpkg --purge hostler-agent; fi ;;
	*) if [ -x /usr/bin/hostler-agent ]; then remove_rpm; fi ;;
	esac
	remove /usr/bin/hostler-agent /usr/share/hostler-agent /etc/systemd/system/hostler-agent.service \
		/etc/systemd/system/multi-user.target.wants/hostler-agent.service \
		/etc/init.d/hostler-agent /etc/apt/sources.list.d/hostler.sources /etc/apt/sources.list.d/hostler.list \
		/etc/apt/apt.conf.d/90hostler /etc/yum.repos.d/hostler.repo /etc/zypp/repos.d/hostler.repo \
		/var/lib/apt/lists/*_repo_apt_dists_* "/var/lib/apt/lists/${lists:-no-list}"_dists_* /var/cache/dnf/hostler-* /var/cache/yum/*/*/hostler \
		/var/cache/zypp/*/hostler /etc/hostler-agent /var/lib/hostler-agent /var/log/hostler-agent
	if [ "$keep_children" = yes ]; then put_children back; fi
	if have update-rc.d && [ "$init" = sysv ]; then run update-rc.d hostler-agent remove >/dev/null 2>&1 || :; fi
	if [ "$init" = systemd ]; then run systemctl daemon-reload || :; fi
	progress "hostler-agent is removed"
}

# --- the command line ---

need_option() { # need_option NAME VALUE
	if [ -z "$2" ]; then fail bad-usage "the verb $verb needs --$1"; fi
}

# Values end up in configuration files and commands, so each has to look like what it is.
check_value() { # check_value OPTION VALUE
	bad=
	case $1 in
	--server | --hostname) case $2 in '' | -* | *[!A-Za-z0-9.:_-]*) bad="is no host name or address" ;; esac ;;
	--handshake | --secured)
		case $2 in
		'' | *[!0-9]* | ??????*) bad="is no port" ;;
		*) if [ "$2" -lt 1 ] || [ "$2" -gt 65535 ]; then bad="is no port"; fi ;;
		esac
		;;
	--wait) case $2 in '' | *[!0-9]* | ??????*) bad="is no number of seconds" ;; esac ;;
	--url)
		case $2 in
		https://?*/) case $2 in *[!]A-Za-z0-9.:/_[-]*) bad="is no https address" ;; esac ;;
		*) bad="is no https address that ends with a slash" ;;
		esac
		;;
	--ca-pin)
		case $2 in *[!0-9a-f]*) bad="is no SHA-256 in lower-case hexadecimal" ;; esac
		[ ${#2} = 64 ] || bad="is no SHA-256 in lower-case hexadecimal"
		;;
	--channel) case $2 in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) bad="is no name of a channel" ;; esac ;;
	--mirror)
		case $2 in
		http://?* | https://?*) case $2 in *[!]A-Za-z0-9.:/_~+%[-]*) bad="is no address of a mirror" ;; esac ;;
		*) bad="is no address that begins with http:// or https://" ;;
		esac
		;;
	--version) case $2 in [!0-9]* | *[!A-Za-z0-9.+~]*) bad="is no version" ;; esac ;;
	--root) case $2 in /*) ;; *) bad="is no absolute path" ;; esac ;;
	--from) [ -r "$2/SHA256SUMS" ] || bad="is no directory with packages and their SHA256SUMS" ;;
	*) if [ -z "$2" ]; then bad="is empty"; fi ;;
	esac
	if [ -n "$bad" ]; then fail bad-usage "$1: \"$2\" $bad"; fi
}

server='' handshake=8440 secured=8441 repo_url='' ca_file='' key_file='' ca_pin='' hostname='' token='' token_file=''
channel=stable mirror='' mirror_key=''
version='' from='' epel=no wait_limit=300 root='' dry_run=no start=yes keep_children=no verb=${1-}

case $verb in
detect | check | look | repository | install | configure | start | all | uninstall) shift ;;
--help | -h | help)
	usage
	exit 0
	;;
'') fail bad-usage "no verb: see setup-agent.sh --help" ;;
*) fail bad-usage "unknown verb \"$verb\": see setup-agent.sh --help" ;;
esac

while [ $# -gt 0 ]; do
	case $1 in
	--help | -h)
		usage
		exit 0
		;;
	--dry-run) dry_run=yes ;;
	--epel) epel=yes ;;
	--no-start) start=no ;;
	--keep-children) keep_children=yes ;;
	--server | --handshake | --secured | --url | --ca | --key | --ca-pin | --hostname | --token-file | --version | --from | --wait | --root | \
		--channel | --mirror | --mirror-key)
		if [ $# -lt 2 ]; then fail bad-usage "$1 needs a value"; fi
		check_value "$1" "$2"
		case $1 in
		--server) server=$2 ;;
		--handshake) handshake=$2 ;;
		--secured) secured=$2 ;;
		--url) repo_url=$2 ;;
		--ca) ca_file=$2 ;;
		--key) key_file=$2 ;;
		--ca-pin) ca_pin=$2 ;;
		--hostname) hostname=$(lower "$2") ;;
		--token-file) token_file=$2 ;;
		--version) version=$2 ;;
		--from) from=$2 ;;
		--wait) wait_limit=$2 ;;
		--channel) channel=$2 ;;
		--mirror) mirror=${2%/} ;;
		--mirror-key) mirror_key=$2 ;;
		--root) root=${2%/} ;;
		esac
		shift
		;;
	*) fail bad-usage "unknown option \"$1\": see setup-agent.sh --help" ;;
	esac
	shift
done

case $verb:$root in
detect:* | repository:* | configure:* | *:) ;;
*) fail bad-usage "the verb $verb does not know --root" ;;
esac

"verb_$verb"
