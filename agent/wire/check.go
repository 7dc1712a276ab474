package wire

// Check is what a host is to look at beside itself.
type Check struct {
	// Names are hosts that this one is to resolve. The list is the same for all hosts of an operation.
	Names []CheckName `json:"names,omitempty"`
}

// CheckName is a host's name and where the server sees that host.
type CheckName struct {
	Name    string `json:"name"`
	Address string `json:"address,omitempty"` // "" when any will do
}

// Findings are what a check found, without a verdict: that is the server's. What a host does not have or does not tell
// is left out. Sizes are bytes. Lists are short: 1,000 hosts together tell less than 5 MB.
type Findings struct {
	Took   int64  `json:"took"`             // milliseconds
	Offset *int64 `json:"offset,omitempty"` // milliseconds by which the host's clock is ahead of the server's; ± 1 s

	Mounts       []CheckMount     `json:"mounts,omitempty"`
	Memory       uint64           `json:"memory,omitempty"`
	Available    uint64           `json:"available,omitempty"` // memory that programs can have without swapping
	Swap         uint64           `json:"swap,omitempty"`
	SwapFree     uint64           `json:"swap_free,omitempty"`
	Swappiness   *int             `json:"swappiness,omitempty"`
	HugePages    string           `json:"huge_pages,omitempty"` // transparent ones: always, madvise or never
	Cores        int              `json:"cores,omitempty"`
	Load         float64          `json:"load,omitempty"`       // of five minutes
	OpenFiles    int64            `json:"open_files,omitempty"` // most that a service may have; -1: no limit
	Processes    int64            `json:"processes,omitempty"`  // likewise of the user
	Umask        string           `json:"umask,omitempty"`      // of logins, octal
	Clock        CheckClock       `json:"clock"`
	Firewalls    []CheckFirewall  `json:"firewalls,omitempty"`
	SELinux      string           `json:"selinux,omitempty"`  // enforcing or permissive
	AppArmor     int              `json:"apparmor,omitempty"` // profiles that are enforced
	Hostname     string           `json:"hostname,omitempty"`
	OwnAddresses []string         `json:"own_addresses,omitempty"` // what the host's name resolves to on itself
	Resolved     CheckResolved    `json:"resolved"`
	Reverse      []string         `json:"reverse,omitempty"`    // names of the address by which it reaches the server
	ReverseMS    int64            `json:"reverse_ms,omitempty"` // how long the answer took
	Address      string           `json:"address,omitempty"`    // the address by which it reaches the server
	MachineID    string           `json:"machine_id,omitempty"`
	Interfaces   []CheckInterface `json:"interfaces,omitempty"`
	Packages     CheckPackages    `json:"packages"`
	Kernel       string           `json:"kernel,omitempty"`
	Glibc        string           `json:"glibc,omitempty"`     // "" of a host with another library
	Reboot       bool             `json:"reboot,omitempty"`    // a package asks for one
	Entropy      *int             `json:"entropy,omitempty"`   // bits
	Java         []string         `json:"java,omitempty"`      // homes
	Leftovers    []string         `json:"leftovers,omitempty"` // of other managers: paths, and "user name"
}

// CheckMount is a mounted file system that holds data.
type CheckMount struct {
	Mount    string `json:"mount"`
	Type     string `json:"type"`
	Size     uint64 `json:"size"`
	Free     uint64 `json:"free"`             // for everybody
	Inodes   int    `json:"inodes,omitempty"` // per cent in use
	ReadOnly bool   `json:"ro,omitempty"`
}

// CheckClock is how the clock is kept.
type CheckClock struct {
	Synchronised bool   `json:"synchronised,omitempty"`
	Service      string `json:"service,omitempty"` // the program that does it
}

// CheckFirewall is a firewall that lets in only some of what comes.
type CheckFirewall struct {
	Tool   string `json:"tool"`             // nftables, iptables, firewalld or ufw
	Blocks bool   `json:"blocks,omitempty"` // whatever no rule lets in
	Open   string `json:"open,omitempty"`   // services and ports that it says it lets in
}

// CheckResolved is how the names of Check were resolved.
type CheckResolved struct {
	Names   int      `json:"names,omitempty"`   // that were tried
	Failed  int      `json:"failed,omitempty"`  // that have no address
	Differ  int      `json:"differ,omitempty"`  // that have others than the one that the server sees
	Untried int      `json:"untried,omitempty"` // for want of time
	Wrong   []string `json:"wrong,omitempty"`   // some of those: "name" or "name=address"
	Slowest int64    `json:"slowest,omitempty"` // milliseconds
}

// CheckInterface is a network interface that is up.
type CheckInterface struct {
	Name      string   `json:"name"`
	MTU       int      `json:"mtu"`
	Addresses []string `json:"addresses,omitempty"`
}

// CheckPackages is how the package manager is.
type CheckPackages struct {
	Manager string `json:"manager,omitempty"` // dpkg or rpm
	Broken  string `json:"broken,omitempty"`  // the beginning of what it complains of
}
