package facts

import (
	"bytes"
	"slices"
	"strings"
)

// virtualisation names what the host runs in by the words of systemd-detect-virt(1), containers first; "none"
// is a machine of its own and "vm-other" one that shows only that it is none.
func (h host) virtualisation() string {
	if container := h.container(); container != "" {
		return container
	}
	if machine := h.machine(); machine != "" {
		return machine
	}
	return "none"
}

// container looks where container managers leave their name; see systemd's Container Interface.
func (h host) container() string {
	for _, file := range []string{"run/host/container-manager", "run/systemd/container"} {
		if name := h.Line(file); name != "" {
			return name
		}
	}
	for variable := range bytes.SplitSeq(h.Read("proc/1/environ"), []byte{0}) {
		if name, found := bytes.CutPrefix(variable, []byte("container=")); found && len(name) > 0 {
			return string(name)
		}
	}
	switch {
	case h.Exists("run/.containerenv"):
		return "podman"
	case h.Exists(".dockerenv"):
		return "docker"
	case strings.Contains(h.Line("proc/sys/kernel/osrelease"), "Microsoft"), strings.Contains(h.Line("proc/sys/kernel/osrelease"), "WSL"):
		return "wsl"
	case h.Exists("proc/vz") && !h.Exists("proc/bc"):
		return "openvz"
	}
	return ""
}

// firmware maps what DMI tables begin with to a hypervisor.
var firmware = []struct{ prefix, name string }{
	{"KVM", "kvm"},
	{"OpenStack", "kvm"},
	{"KubeVirt", "kvm"},
	{"Amazon EC2", "amazon"},
	{"QEMU", "qemu"},
	{"VMware", "vmware"},
	{"VMW", "vmware"},
	{"innotek GmbH", "oracle"},
	{"VirtualBox", "oracle"},
	{"Xen", "xen"},
	{"Bochs", "bochs"},
	{"Parallels", "parallels"},
	{"BHYVE", "bhyve"},
	{"Hyper-V", "microsoft"},
	{"Google Compute Engine", "google"},
	{"Apple Virtualization", "apple"},
}

func (h host) machine() string {
	// A guest's clock source tells KVM and Hyper-V even where the DMI table shows the emulator's name.
	clocks := h.Line("sys/devices/system/clocksource/clocksource0/available_clocksource")
	switch {
	case strings.Contains(clocks, "kvm-clock"):
		return "kvm"
	case strings.Contains(clocks, "hyperv_clocksource"):
		return "microsoft"
	}
	for _, file := range []string{"product_name", "sys_vendor", "board_vendor", "bios_vendor", "product_version"} {
		text := h.Line("sys/class/dmi/id/" + file)
		for _, known := range firmware {
			if strings.HasPrefix(text, known.prefix) {
				return known.name
			}
		}
	}
	if kind := h.Line("sys/hypervisor/type"); kind != "" {
		return kind
	}
	if strings.Contains(h.Line("proc/device-tree/hypervisor/compatible"), "linux,kvm") {
		return "kvm"
	}
	other := ""
	fields(h.Read("proc/cpuinfo"), ":", func(key, value string) bool {
		if key == "flags" && slices.Contains(strings.Fields(value), "hypervisor") {
			other = "vm-other"
		}
		return key != "flags"
	})
	return other
}
