package bootstrap

// Codes of failures of a jump host, and of hosts as the jump host sees them.
const (
	codeJumpNameUnresolved    = "jump_name_unresolved"
	codeJumpNoRoute           = "jump_no_route"
	codeJumpPortClosed        = "jump_port_closed"
	codeJumpNotSSH            = "jump_not_ssh"
	codeJumpConnectTimeout    = "jump_connect_timeout"
	codeJumpConnectSilent     = "jump_connect_silent"
	codeJumpConnectDropped    = "jump_connect_dropped"
	codeJumpConnectFailed     = "jump_connect_failed"
	codeJumpNoCommonAlgorithm = "jump_no_common_algorithm"
	codeJumpHostKeyChanged    = "jump_host_key_changed"
	codeJumpKeyRefused        = "jump_key_refused"
	codeJumpPasswordRefused   = "jump_password_refused"
	codeJumpMethodRefused     = "jump_method_refused"
	codeJumpLost              = "jump_lost"
	codeJumpForwardRefused    = "jump_forward_refused"
	codeJumpBusy              = "jump_busy"
	codeJumpInvalid           = "jump_invalid"
	codeBehindNoRoute         = "behind_no_route"
	codeBehindNameUnresolved  = "behind_name_unresolved"
	codeBehindConnectFailed   = "behind_connect_failed"
)

// jumpTexts are those of jump hosts.
var jumpTexts = map[string]text{
	codeJumpNameUnresolved: {
		"The name {host} of the jump host does not resolve to an address: {error}.",
		"Check the spelling, add the name to the DNS, or give the jump host's IP address.",
	},
	codeJumpNoRoute: {
		"There is no route from the server to the jump host {host}: {error}.",
		"Check that the jump host is up and that the server's network reaches it.",
	},
	codeJumpPortClosed: {
		"The jump host {host} refuses connections to port {port}.",
		"Give the port of its SSH server, or open the port in its firewall.",
	},
	codeJumpNotSSH: {
		"What listens on port {port} of the jump host {host} is not an SSH server; it says {banner}.",
		"Give the port on which the jump host's SSH server listens.",
	},
	codeJumpConnectTimeout: {
		"The jump host {host} does not answer on port {port} within {seconds} s.",
		"Check that the jump host is up and that no firewall drops the packets.",
	},
	codeJumpConnectSilent: {
		"The jump host {host} accepts connections to port {port} but says nothing within {seconds} s.",
		"Check that an SSH server listens on this port and that the jump host is not overloaded.",
	},
	codeJumpConnectDropped: {
		"The jump host {host} closes connections to port {port} at once.",
		"Look at its SSH server's log; it may limit connections (MaxStartups) or refuse this server's address.",
	},
	codeJumpConnectFailed: {
		"The SSH connection to the jump host {host} cannot be set up: {error}.",
		"Look at the SSH server's log on the jump host.",
	},
	codeJumpNoCommonAlgorithm: {
		"The SSH server on the jump host {host} offers only methods of encryption that are no longer safe: {error}.",
		"Update the SSH server on the jump host.",
	},
	codeJumpHostKeyChanged: {
		"The jump host {host} shows another host key than before: {now} instead of {known}.",
		"If it was installed anew, trust its new key and retry. If not, something else may answer under its name.",
	},
	codeJumpKeyRefused: {
		"The jump host {host} refuses the SSH key {fingerprint} for the user {user}.",
		"Add the public half of the key to the user's authorized_keys on the jump host, or give another key or user for it.",
	},
	codeJumpPasswordRefused: {
		"The jump host {host} refuses the password for the user {user}.",
		"Check the user's name and password there, and that its SSH server lets this user log in by password.",
	},
	codeJumpMethodRefused: {
		"The jump host {host} lets the user {user} log in by {offered} only, not by {given}.",
		"Give what the jump host asks for, or change its SSH server's settings.",
	},
	codeJumpLost: {
		"The connection to the jump host {jump} was lost: {error}.",
		"Check the jump host and the network, then retry; the work goes on from this step.",
	},
	codeJumpForwardRefused: {
		"The jump host {jump} does not let the server connect to {host} port {port}: {error}.",
		"Allow it in the jump host's SSH server (AllowTcpForwarding, PermitOpen, DisableForwarding; restrict in authorized_keys).",
	},
	codeJumpBusy: {
		"The jump host {jump} opens no more connections: {error}.",
		"Work on fewer hosts at a time, or raise the limits of the jump host's SSH server.",
	},
	codeJumpInvalid: {
		"This is not one jump host.",
		"Give a name or an address, with a user and a port if need be: admin@bastion.example:2222.",
	},
	codeBehindNoRoute: {
		"There is no route from the jump host {jump} to {host}: {error}.",
		"Check that the host is up and that the jump host's network reaches it.",
	},
	codeBehindNameUnresolved: {
		"The jump host {jump} does not find an address for the name {host}: {error}.",
		"Check the spelling, make the jump host resolve the name, or give the host's IP address.",
	},
	codeBehindConnectFailed: {
		"The jump host {jump} cannot connect to {host} port {port}: {error}.",
		"Look at the SSH server's log on the jump host.",
	},
}
