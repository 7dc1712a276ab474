package facts

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
)

// tree makes a root directory with the given files.
func tree(t *testing.T, files map[string]string) host {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return host{Files{Root: root}}
}

// command returns what a program prints, for comparison.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	output, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Skipf("no %s to compare with: %v", name, err)
	}
	return strings.TrimSpace(string(output))
}

func TestThisMachine(t *testing.T) {
	facts := Collect(t.Context(), "/")
	if want := command(t, "uname", "-r"); facts.Kernel != want {
		t.Errorf("kernel %q, want %q", facts.Kernel, want)
	}
	if facts.Arch != runtime.GOARCH || facts.CPU.Cores < 1 || facts.Memory < 1<<20 || facts.OS.ID == "" {
		t.Errorf("got %+v", facts)
	}
	if age := time.Since(time.Unix(facts.BootTime, 0)); age < 0 || age > 10*365*24*time.Hour {
		t.Errorf("booted %v ago", age)
	}
	if len(facts.Disks) == 0 {
		t.Fatal("no disks")
	}
	for _, disk := range facts.Disks {
		if disk.Size == 0 || disk.Free > disk.Size || disk.Type == "proc" || disk.Type == "tmpfs" && disk.Mount != "/" {
			t.Errorf("got %+v", disk)
		}
	}
	for _, one := range facts.Interfaces {
		if one.Name == "lo" || len(one.Addresses) == 0 {
			t.Errorf("got %+v", one)
		}
	}
}

func TestABareHostHasFewFactsAndNoFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // nor does it have a name server
	facts := Collect(ctx, t.TempDir())
	if facts.OS != (wire.OS{Family: "other"}) || facts.Memory != 0 || len(facts.Disks) != 0 || facts.Virtualisation != "none" || facts.CPU.Cores < 1 {
		t.Errorf("got %+v", facts)
	}
}

func TestOSRelease(t *testing.T) {
	got := tree(t, map[string]string{"etc/os-release": "# x\nNAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n" +
		"VERSION_ID='12'\nID=debian\nBROKEN\n"}).os()
	if want := (wire.OS{ID: "debian", Version: "12", Name: "Debian GNU/Linux 12 (bookworm)", Family: "debian", Major: "12"}); got != want {
		t.Errorf("got %+v", got)
	}
	if got := tree(t, map[string]string{"usr/lib/os-release": "ID=alpine\n"}).os(); got.ID != "alpine" {
		t.Errorf("got %+v", got)
	}
	if got := tree(t, map[string]string{"etc/redhat-release": "CentOS release 6.10 (Final)\n"}).os(); got.ID != "centos" || got.Family != "rhel" || got.Major != "6" {
		t.Errorf("got %+v", got)
	}
}

func TestCPUAndMemory(t *testing.T) {
	x86 := tree(t, map[string]string{
		"proc/cpuinfo": "processor\t: 0\nmodel name\t: Xeon\n\nprocessor\t: 1\nmodel name\t: Xeon\n",
		"proc/meminfo": "MemTotal:       2048 kB\nMemFree: 1 kB\nSwapTotal:      1 kB\n",
	})
	if cpu := x86.cpu(); cpu != (wire.CPU{Model: "Xeon", Cores: 2}) {
		t.Errorf("got %+v", cpu)
	}
	if memory, swap := x86.Memory()["MemTotal"], x86.Memory()["SwapTotal"]; memory != 2<<20 || swap != 1<<10 {
		t.Errorf("memory %d, swap %d", memory, swap)
	}
	arm := tree(t, map[string]string{
		"proc/cpuinfo":                       "processor\t: 0\nBogoMIPS\t: 50\n",
		"sys/firmware/devicetree/base/model": "Raspberry Pi 5\x00",
	})
	if cpu := arm.cpu(); cpu != (wire.CPU{Model: "Raspberry Pi 5", Cores: 1}) {
		t.Errorf("got %+v", cpu)
	}
}

func TestDisks(t *testing.T) {
	h := tree(t, map[string]string{
		"proc/self/mounts": "rootfs / rootfs rw 0 0\noverlay / overlay rw 0 0\nproc /proc proc rw 0 0\n" +
			"/dev/sdb1 /with\\040blank ext4 rw 0 0\n/dev/sdb1 /again ext4 rw 0 0\nnas:/x /nfs nfs4 rw 0 0\n" +
			"/dev/loop0 /snap squashfs ro 0 0\n/dev/sdc1 /gone xfs rw 0 0\nshort\n",
		"with blank/x": "", "again/x": "", "nfs/x": "", "snap/x": "",
	})
	var mounts []string
	for _, disk := range h.disks() {
		mounts = append(mounts, disk.Mount)
	}
	if got := strings.Join(mounts, ","); got != "/,/with blank" {
		t.Errorf("got %s", got)
	}
}

func TestVirtualisation(t *testing.T) {
	const dmi, clocks = "sys/class/dmi/id/", "sys/devices/system/clocksource/clocksource0/available_clocksource"
	for want, files := range map[string]map[string]string{
		"none":           {dmi + "sys_vendor": "Dell Inc.\n", "proc/cpuinfo": "flags\t: fpu vme\n"},
		"systemd-nspawn": {"run/systemd/container": "systemd-nspawn\n", dmi + "sys_vendor": "QEMU\n"},
		"lxc":            {"proc/1/environ": "PATH=/bin\x00container=lxc\x00"},
		"docker":         {".dockerenv": ""},
		"podman":         {"run/.containerenv": ""},
		"wsl":            {"proc/sys/kernel/osrelease": "5.15.90.1-microsoft-standard-WSL2\n"},
		"kvm":            {dmi + "sys_vendor": "QEMU\n", clocks: "kvm-clock tsc acpi_pm\n"},
		"qemu":           {dmi + "sys_vendor": "QEMU\n", clocks: "tsc acpi_pm\n"},
		"vmware":         {dmi + "product_name": "VMware Virtual Platform\n"},
		"xen":            {"sys/hypervisor/type": "xen\n"},
		"vm-other":       {"proc/cpuinfo": "flags\t: fpu hypervisor\n"},
	} {
		if got := tree(t, files).virtualisation(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestFQDN(t *testing.T) {
	h := tree(t, map[string]string{"etc/hosts": "127.0.0.1 localhost\n# 10.0.0.9 wrong.example node1\n" +
		"10.0.0.1\tNode1.lab.test node1 # me\n10.0.0.2 node2 node2.lab.test\n"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for hostname, want := range map[string]string{"node1": "node1.lab.test", "a.B.c": "a.b.c", "node2": "node2", "": ""} {
		if got := h.fqdn(ctx, hostname); got != want {
			t.Errorf("%s: got %q, want %q", hostname, got, want)
		}
	}
}
