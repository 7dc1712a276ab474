package bootstrap

import (
	"maps"
	"slices"
	"strings"

	"hostler/server/operation"
)

// Codes of failures. Those that begin with "key_" and the ones beside them also come from Credentials.Check.
const (
	codeNameUnresolved       = "name_unresolved"
	codeNoRoute              = "no_route"
	codePortClosed           = "port_closed"
	codeNotSSH               = "not_ssh"
	codeConnectTimeout       = "connect_timeout"
	codeConnectSilent        = "connect_silent"
	codeConnectDropped       = "connect_dropped"
	codeConnectFailed        = "connect_failed"
	codeNoCommonAlgorithm    = "no_common_algorithm"
	codeHostKeyChanged       = "host_key_changed"
	codeKeyRefused           = "key_refused"
	codePasswordRefused      = "password_refused"
	codeMethodRefused        = "method_refused"
	codeShellRefused         = "shell_refused"
	codeConnectionLost       = "connection_lost"
	codeNotRoot              = "not_root"
	codeSudoMissing          = "sudo_missing"
	codeSudoPasswordNeeded   = "sudo_password_needed"
	codeSudoRefused          = "sudo_refused"
	codeBecomeMissing        = "become_missing"
	codeBecomePasswordNeeded = "become_password_needed"
	codeBecomeRefused        = "become_refused"
	codeBecomeNoTerminal     = "become_no_terminal"
	codeBecomeInvalid        = "become_invalid"
	codeOSUnsupported        = "os_unsupported"
	codeArchUnsupported      = "arch_unsupported"
	codeDiskFull             = "disk_full"
	codeServerUnreachable    = "server_unreachable"
	codeClockOff             = "clock_off"
	codeCopyFailed           = "copy_failed"
	codeCannotWrite          = "cannot_write"
	codePackageBusy          = "package_busy"
	codePackageUnpublished   = "package_unpublished"
	codePackageFailed        = "package_failed"
	codeSignatureFailed      = "signature_failed"
	codeServiceFailed        = "service_failed"
	codeInterrupted          = "interrupted"
	codeScriptFailed         = "script_failed"
	codeAgentMissing         = "agent_missing"
	codeRegisterTimeout      = "register_timeout"
	codeHeartbeatTimeout     = "heartbeat_timeout"
	codeUserInvalid          = "user_invalid"
	codePortInvalid          = "port_invalid"
	codeKeyNeeded            = "key_needed"
	codeKeyTooLarge          = "key_too_large"
	codeKeyPublic            = "key_public"
	codeKeyCertificate       = "key_certificate"
	codeKeyPutty             = "key_putty"
	codeKeyInvalid           = "key_invalid"
	codeKeyUnsupported       = "key_unsupported"
	codeKeyEncrypted         = "key_encrypted"
	codeWrongPassphrase      = "wrong_passphrase"
	codeCredentialsMissing   = "credentials_missing"
	codeFamilyLeftOut        = "family_left_out"
	codeFamilyUnknown        = "family_unknown"
	codeChannelInvalid       = "channel_invalid"
	codeChannelOfMirror      = "channel_of_mirror"
	codeMirrorInvalid        = "mirror_invalid"
	codeMirrorOfArchives     = "mirror_of_archives"
	codeMirrorKeyInvalid     = "mirror_key_invalid"
	codeMirrorKeyAlone       = "mirror_key_alone"
)

// text is what a person is told; "{name}" stands for an argument.
type text struct{ cause, hint string }

// texts holds the English texts of every failure of this package.
var texts = joined(hostTexts, jumpTexts)

func joined(parts ...map[string]text) map[string]text {
	all := map[string]text{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// hostTexts are those of hosts and of what a person gives.
var hostTexts = map[string]text{
	codeFamilyLeftOut: {
		"{host} runs {os}; systems of its family ({family}) are not among those chosen for this installation.",
		"Choose the family under Select version, or take the host out.",
	},
	codeFamilyUnknown: {
		"There is no family of systems called {family}.",
		"There are rhel, suse, debian and other.",
	},
	codeChannelInvalid: {
		"This is no name of a channel.",
		"Use letters, digits and . _ -, 63 at most.",
	},
	codeChannelOfMirror: {
		"A mirror of rpms is one channel: its address says which.",
		"Leave the channel empty.",
	},
	codeMirrorInvalid: {
		"This is no address of a mirror.",
		"It begins with http:// or https:// and has no name, password or question mark in it.",
	},
	codeMirrorOfArchives: {
		"Hosts without a package manager get the archive from this server only.",
		"Leave the address empty.",
	},
	codeMirrorKeyInvalid: {
		"This is no public OpenPGP key.",
		"Paste it as text: it begins with -----BEGIN PGP PUBLIC KEY BLOCK-----.",
	},
	codeMirrorKeyAlone: {
		"A key is for a mirror; what this server has is signed with its own.",
		"Give the mirror's address, or leave the key empty.",
	},
	codeNameUnresolved: {
		"The name {host} does not resolve to an address: {error}.",
		"Check the spelling, add the name to the DNS, or give the host's IP address.",
	},
	codeNoRoute: {
		"There is no route from the server to {host}: {error}.",
		"Check that the host is up and that the server's network reaches it.",
	},
	codePortClosed: {
		"{host} refuses connections to port {port}.",
		"Start the SSH server on the host, give its port, or open the port in the host's firewall.",
	},
	codeNotSSH: {
		"What listens on {host} port {port} is not an SSH server; it says {banner}.",
		"Give the port on which the host's SSH server listens.",
	},
	codeConnectTimeout: {
		"{host} does not answer on port {port} within {seconds} s.",
		"Check that the host is up and that no firewall drops the packets.",
	},
	codeConnectSilent: {
		"{host} accepts connections to port {port} but says nothing within {seconds} s.",
		"Check that an SSH server listens on this port and that the host is not overloaded.",
	},
	codeConnectDropped: {
		"{host} closes connections to port {port} at once.",
		"Look at the SSH server's log on the host; it may limit connections (MaxStartups) or refuse this server's address.",
	},
	codeConnectFailed: {
		"The SSH connection to {host} cannot be set up: {error}.",
		"Look at the SSH server's log on the host.",
	},
	codeNoCommonAlgorithm: {
		"The SSH server on {host} offers only methods of encryption that are no longer safe: {error}.",
		"Update the SSH server on the host.",
	},
	codeHostKeyChanged: {
		"{host} shows another host key than before: {now} instead of {known}.",
		"If the host was installed anew, trust its new key and retry. If not, something else may answer under its name.",
	},
	codeKeyRefused: {
		"{host} refuses the SSH key {fingerprint} for the user {user}.",
		"Add the public half of the key to the user's authorized_keys on the host, or give another key or user.",
	},
	codePasswordRefused: {
		"{host} refuses the password for the user {user}.",
		"Check the user's name and password, and that the SSH server lets this user log in by password.",
	},
	codeMethodRefused: {
		"{host} lets the user {user} log in by {offered} only, not by {given}.",
		"Give what the host asks for, or change its SSH server's settings.",
	},
	codeShellRefused: {
		"The user {user} can log in on {host} but cannot run commands: {output}",
		"Give a user with a POSIX shell whose password has not expired.",
	},
	codeConnectionLost: {
		"The connection to {host} was lost: {error}.",
		"Check the host and the network, then retry; the work goes on from this step.",
	},
	codeNotRoot: {
		"The setup script does not run as root: {cause}.",
		"Log in as root, or as a user who may run everything with sudo.",
	},
	codeSudoMissing: {
		"The user {user} is not root, and there is no sudo on {host}.",
		"Log in as root, or install sudo on the host.",
	},
	codeSudoPasswordNeeded: {
		"sudo on {host} asks for the password of the user {user}.",
		"Give the sudo password, or allow the user to use sudo without one.",
	},
	codeSudoRefused: {
		"sudo on {host} refuses the user {user}: {output}",
		"Check the sudo password, and that the user may run all commands as root.",
	},
	codeBecomeMissing: {
		"The user {user} is not root, and there is no {method} on {host}.",
		"Install {method} on the host, choose another way to become root, or log in as root.",
	},
	codeBecomePasswordNeeded: {
		"{method} on {host} asks for a password.",
		"Give it: su asks for the password of root, doas for the user's.",
	},
	codeBecomeRefused: {
		"{method} on {host} refuses the user {user}: {output}",
		"Check the password (of root for su, of the user for doas), and that the user may use {method}.",
	},
	codeBecomeNoTerminal: {
		"{method} asks for its password on a terminal, and {host} gives the user {user} none.",
		"Allow terminals in the SSH server's settings (PermitTTY), or choose another way to become root.",
	},
	codeBecomeInvalid: {"There is no such way to become root.", "Give sudo, su or doas."},
	codeOSUnsupported: {
		"The operating system is not supported: {cause}.",
		"Use a Linux distribution of the Debian, Red Hat or SUSE families, or any with systemd, OpenRC or SysV init.",
	},
	codeArchUnsupported: {
		"The processor architecture {arch} is not supported.",
		"Agents exist for amd64 (x86_64) and arm64 (aarch64).",
	},
	codeDiskFull: {
		"There is not enough free disk space on the host: {cause}.",
		"Free some space, then retry.",
	},
	codeServerUnreachable: {
		"The host cannot reach the server {server}: {cause}.",
		"Let the host connect to the server's ports {handshake} and {secured}, and check that the server's name resolves on the host.",
	},
	codeClockOff: {
		"The host's clock is too far off for certificates: {cause}.",
		"Set the host's clock, for example by NTP, then retry.",
	},
	codeCopyFailed: {
		"The setup files cannot be copied to {host}: {error}.",
		"Check that the user can write below /tmp or /var/tmp and that there is space left.",
	},
	codeCannotWrite: {
		"The setup script cannot write on the host: {cause}.",
		"Check for a read-only file system or a full disk.",
	},
	codePackageBusy: {
		"The package manager is busy: {cause}.",
		"Wait until the other installation has finished, then retry.",
	},
	codePackageUnpublished: {
		"The server cannot offer the agent's packages: {error}.",
		"Mend the cause on the server, for example free some disk space below its data directory, then retry.",
	},
	codePackageFailed: {
		"The package manager failed: {cause}.",
		"Read its last lines in the log, mend the host's package manager, then retry.",
	},
	codeSignatureFailed: {
		"The signature or checksum of what was downloaded is wrong: {cause}.",
		"Check that no proxy changes downloads between the host and the server, then retry.",
	},
	codeServiceFailed: {
		"The agent's service does not start: {cause}.",
		"Look at the log lines above; on the host, ask the init system about hostler-agent.",
	},
	codeInterrupted: {"The setup script was interrupted: {cause}.", "Retry."},
	codeScriptFailed: {
		"The setup script ended with {status}: {cause}.",
		"Read the last lines of the log, then retry.",
	},
	codeAgentMissing: {
		"This server was built without agents.",
		"Build it with `make build` and start it again.",
	},
	codeRegisterTimeout: {
		"The agent was started but did not register within {seconds} s.",
		"The agent's own last lines are in the log above. The host must reach ports {handshake} and {secured} of {server}.",
	},
	codeHeartbeatTimeout: {
		"The agent registered but sent no heartbeat within {seconds} s.",
		"The agent's own last lines are in the log above. The host must reach port {secured} of {server}.",
	},
	codeUserInvalid:    {"This is not a user name.", "Give the name of a user who may log in by SSH, for example root."},
	codePortInvalid:    {"A port is a number from 1 to 65535.", "SSH servers listen on port 22 unless told otherwise."},
	codeKeyNeeded:      {"Give a private key or a password.", "A private key is usually in ~/.ssh/id_ed25519 or ~/.ssh/id_rsa."},
	codeKeyTooLarge:    {"The file has {size} bytes; no private key is larger than {limit}.", "Choose the private key file, usually ~/.ssh/id_ed25519 or ~/.ssh/id_rsa."},
	codeKeyPublic:      {"This is a public key; the private key is needed.", "It is the file of the same name without .pub."},
	codeKeyCertificate: {"This is a certificate; the private key is needed.", "Choose the private key that belongs to it."},
	codeKeyPutty:       {"This is a PuTTY key (.ppk), which only PuTTY reads.", "Convert it: puttygen key.ppk -O private-openssh -o key"},
	codeKeyInvalid:     {"This is not a private key: {error}.", "Paste the whole file, from the BEGIN line to the END line."},
	codeKeyUnsupported: {"This kind of key cannot be used: {error}.", "Use an Ed25519, ECDSA or RSA key; ssh-keygen -t ed25519 makes one."},
	codeKeyEncrypted:   {"The private key is protected by a passphrase.", "Give the passphrase."},
	codeCredentialsMissing: {
		"The list names the credentials {name} for this host, and they were not given.",
		"Give credentials of this name, or take the name out of the list.",
	},
	codeWrongPassphrase: {
		"The passphrase does not open the private key.",
		"Check the passphrase; capital letters count.",
	},
}

// Codes lists the codes of all failures that this package can give, sorted. Every language needs a cause and a
// hint for each.
func Codes() []string { return slices.Sorted(maps.Keys(texts)) }

// fail makes a failure from the table; args are names and values in turn.
func fail(code string, err error, args ...string) *operation.Failure {
	t := texts[code]
	f := &operation.Failure{Code: code, Err: err, Args: map[string]string{}}
	pairs := make([]string, 0, 2*len(args))
	for i := 0; i+1 < len(args); i += 2 {
		f.Args[args[i]] = args[i+1]
		pairs = append(pairs, "{"+args[i]+"}", args[i+1])
	}
	replacer := strings.NewReplacer(pairs...)
	f.Cause, f.Hint = replacer.Replace(t.cause), replacer.Replace(t.hint)
	return f
}
