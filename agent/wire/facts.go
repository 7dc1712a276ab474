package wire

// Facts describes a host. Sizes are bytes.
type Facts struct {
	OS             OS          `json:"os"`
	Kernel         string      `json:"kernel"` // "6.1.0-18-amd64"
	Arch           string      `json:"arch"`   // Go's name: amd64, arm64
	CPU            CPU         `json:"cpu"`
	Memory         uint64      `json:"memory"`
	Swap           uint64      `json:"swap"`
	Disks          []Disk      `json:"disks"`
	Interfaces     []Interface `json:"interfaces"`
	Virtualisation string      `json:"virtualisation"` // "none", "kvm", "systemd-nspawn", "docker", …
	FQDN           string      `json:"fqdn"`           // what the host calls itself
	MachineID      string      `json:"machine_id"`
	BootTime       int64       `json:"boot_time"` // Unix seconds
}

// OS is what os-release says, or, of older systems, redhat-release and the like.
type OS struct {
	ID      string `json:"id"`      // "debian"
	Version string `json:"version"` // "12"
	Name    string `json:"name"`    // "Debian GNU/Linux 12 (bookworm)"
	// Family decides how packages are installed: rhel, suse, debian or other; "" of agents that do not tell.
	Family string `json:"family,omitempty"`
	Major  string `json:"major,omitempty"` // of the version; "" where it has none
}

// CPU counts logical cores.
type CPU struct {
	Model string `json:"model"`
	Cores int    `json:"cores"`
}

// Disk is one mounted file system that holds data.
type Disk struct {
	Mount  string `json:"mount"`
	Device string `json:"device"`
	Type   string `json:"type"`
	Size   uint64 `json:"size"`
	Free   uint64 `json:"free"`
}

// Interface is one network interface that is up.
type Interface struct {
	Name      string   `json:"name"`
	MAC       string   `json:"mac"`
	Addresses []string `json:"addresses"` // CIDR notation
}
