package lab

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Flavours of hosts.
const (
	Debian = "debian" // Debian 12 as it is: apt and dpkg
	DNF    = "dnf"    // the same root with a real dnf and rpm instead of apt, calling itself Rocky Linux 9
	Zypper = "zypper" // and with a real zypper and rpm, calling itself openSUSE Leap 15
)

// Flavours lists the known flavours.
var Flavours = []string{Debian, DNF, Zypper}

const suite = "bookworm"

var (
	//go:embed recipe/debian.sh
	debianHook string
	//go:embed recipe/dnf.sh
	dnfHook string
	//go:embed recipe/zypper.sh
	zypperHook string
	//go:embed recipe/rpm.sh
	rpmHook string
)

// recipe says how a base is made; its hash names the result, so a changed recipe makes a new base.
type recipe struct {
	packages []string
	hooks    []string // scripts, run in order with the new root as their argument
}

// recipeOf returns the recipe of a flavour, or an error that lists the flavours there are.
func recipeOf(flavour string) (recipe, error) {
	r := recipe{
		packages: []string{
			"apt-utils", "ca-certificates", "curl", "dbus", "gpgv", "iproute2", "iputils-ping",
			"openssh-server", "openssh-sftp-server", "procps", "sudo", "systemd", "systemd-sysv",
		},
		hooks: []string{debianHook},
	}
	switch flavour {
	case Debian:
	case DNF:
		r.packages = append(r.packages, "dnf", "rpm")
		r.hooks = append(r.hooks, dnfHook, rpmHook)
	case Zypper:
		r.packages = append(r.packages, "openssl", "rpm", "zypper")
		r.hooks = append(r.hooks, zypperHook, rpmHook)
	default:
		return recipe{}, fmt.Errorf("cannot make hosts of flavour %q: known are %s", flavour, strings.Join(Flavours, ", "))
	}
	return r, nil
}

func (r recipe) hash() string {
	sum := sha256.Sum256([]byte(suite + "\x00" + strings.Join(r.packages, ",") + "\x00" + strings.Join(r.hooks, "\x00")))
	return hex.EncodeToString(sum[:6])
}

// Base returns the root directory that all hosts of a flavour share, and makes it first if the cache does not
// hold it. Making it takes about 20 s and needs a Debian mirror (HOSTLER_LAB_MIRROR, or Debian's own); 250 MB stay in
// the cache. Processes that ask at the same time wait for the one that makes it. The base is never written to.
func Base(ctx context.Context, cache, flavour string) (string, error) {
	r, err := recipeOf(flavour)
	if err != nil {
		return "", err
	}
	if err := Check(); err != nil {
		return "", err
	}
	base := filepath.Join(cache, "base-"+flavour+"-"+r.hash())
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("cannot make the lab's cache: %w", err)
	}
	unlock, err := lock(ctx, base+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(base); err == nil {
		return base, nil
	}
	if err := r.build(ctx, base); err != nil {
		return "", fmt.Errorf("cannot make the lab's base: %w", err)
	}
	return base, nil
}

// build makes the root beside its final place and moves it there once it is whole. The caller holds the lock.
func (r recipe) build(ctx context.Context, base string) error {
	work := base + ".new"
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	root := filepath.Join(work, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	args := []string{
		"--quiet", "--mode=root", "--variant=minbase", "--components=main",
		"--include=" + strings.Join(r.packages, ","),
		"--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*",
	}
	for i, hook := range r.hooks {
		path := filepath.Join(work, fmt.Sprintf("hook%d", i))
		if err := os.WriteFile(path, []byte(hook), 0o755); err != nil {
			return err
		}
		args = append(args, "--customize-hook="+path)
	}
	args = append(args, suite, root)
	if mirror := os.Getenv("HOSTLER_LAB_MIRROR"); mirror != "" { // without one mmdebstrap knows Debian's own
		args = append(args, mirror)
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	// Interrupted, mmdebstrap takes its mounts away; killed, it would leave them.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 20 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mmdebstrap: %w\n%s", err, lastLines(out, 15))
	}
	return os.Rename(root, base)
}

// tools maps each program that a lab needs to the Debian package that has it.
var tools = map[string]string{
	"ip":             "iproute2",
	"mmdebstrap":     "mmdebstrap",
	"mount":          "mount",
	"nsenter":        "util-linux",
	"systemctl":      "systemd",
	"systemd-nspawn": "systemd-container",
	"unshare":        "util-linux",
}

const archiveKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Check tells whether this machine can run a lab: the error says what to do otherwise.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("cannot run lab hosts without root: use sudo")
	}
	var missing []string
	for tool, pkg := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, pkg)
		}
	}
	if _, err := os.Stat(archiveKeyring); err != nil {
		missing = append(missing, "debian-archive-keyring")
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("cannot run lab hosts: install the missing packages with: apt-get install %s",
		strings.Join(slices.Compact(missing), " "))
}

// lastLines returns the last n lines of a program's output, where the cause usually is.
func lastLines(out []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
