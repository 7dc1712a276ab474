package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"hostler/agent/state"
	"hostler/internal/archive"
)

// Format is what an installation's file is.
type Format string

// The formats.
const (
	Deb     Format = "deb"
	RPM     Format = "rpm"
	Archive Format = "archive"
)

// Detect tells formats apart by their first bytes. What is none is refused as archive.ErrRefused.
func Detect(f *os.File) (Format, error) {
	first := make([]byte, 32)
	n, err := f.ReadAt(first, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("cannot read the package: %w", err)
	}
	switch text := string(first[:n]); {
	case strings.HasPrefix(text, "!<arch>\ndebian-binary"):
		return Deb, nil
	case strings.HasPrefix(text, "\xed\xab\xee\xdb"):
		return RPM, nil
	case strings.HasPrefix(text, "\x1f\x8b"), strings.HasPrefix(text, "PK"):
		return Archive, nil
	}
	return "", fmt.Errorf("%w: it is none of deb, rpm, tar.gz and zip", archive.ErrRefused)
}

// Package is a package that a child agent came in.
type Package struct {
	Format  Format `json:"format"`
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Manager is the host's package manager.
type Manager struct {
	Root string // "" is the host's; another is a directory with a system in it, for dpkg, rpm and zypper alone
	RPMs string // the program that installs rpms; "": the best one that the host has, and rpm itself in another root
}

// inspectTimeout bounds a look into a package.
const inspectTimeout = time.Minute

// Inspect reads what a package says of itself; a broken one is refused as archive.ErrRefused.
func (m *Manager) Inspect(ctx context.Context, format Format, path string) (*Package, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	look := exec.CommandContext(ctx, "dpkg-deb", "--show", "--showformat=${Package}\n${Version}\n", path)
	if format == RPM {
		look = exec.CommandContext(ctx, "rpm", "--query", "--package", "--nosignature", "--queryformat", "%{NAME}\n%{EVR}\n", path)
	}
	var stderr bytes.Buffer
	look.Stderr = &stderr
	output, err := look.Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("this host does not install %s packages: %w", format, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %.500s", archive.ErrRefused, err, bytes.TrimSpace(stderr.Bytes()))
	}
	words := strings.Fields(string(output))
	if len(words) != 2 {
		return nil, fmt.Errorf("%w: it names neither itself nor its version", archive.ErrRefused)
	}
	if format == Deb { // its contents are packed apart from its name
		if err := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", path).Run(); err != nil {
			return nil, fmt.Errorf("%w: its contents cannot be read: %w", archive.ErrRefused, err)
		}
	}
	return &Package{Format: format, Name: words[0], Version: words[1]}, nil
}

// Installed is what the host has of a package, in its package manager's words; "" is nothing. A package that is half
// installed differs from a whole one.
func (m *Manager) Installed(ctx context.Context, format Format, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	query := exec.CommandContext(ctx, "dpkg-query", "--admindir="+m.Root+"/var/lib/dpkg", "--show", "--showformat=${db:Status-Status} ${Version}", name)
	if format == RPM {
		query = exec.CommandContext(ctx, "rpm", "--root", "/"+m.Root, "--query", "--queryformat", "%{EVR}", name)
	}
	output, err := query.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot ask whether %s is installed: %w", name, err)
	}
	words := string(output)
	if strings.HasPrefix(words, "not-installed") || strings.HasPrefix(words, "config-files") {
		return "", nil
	}
	return words, nil
}

// Env is what package managers need to ask nobody and to wait for each other.
func (m *Manager) Env() map[string]string {
	return map[string]string{"DEBIAN_FRONTEND": "noninteractive", "ZYPP_LOCK_TIMEOUT": "300", "LC_ALL": "C.UTF-8"}
}

// apt is apt-get as it is called here: it waits for other package managers, keeps changed configuration files and
// writes no progress bars.
const apt = "apt-get --yes --quiet --option DPkg::Lock::Timeout=300 --option Dpkg::Use-Pty=0" +
	" --option Dpkg::Options::=--force-confdef --option Dpkg::Options::=--force-confold"

// zypper installs "$1", into the root "$2" if that is set. Its status is also other than 0 when the package is installed and the host is to
// be started again (102), or zypper (103), or when repositories could not be read (106), as those on the internet cannot
// from an isolated site.
const zypper = `zypper ${2:+--root "$2"} --non-interactive --no-gpg-checks install --oldpackage --force --allow-unsigned-rpm --no-recommends "$1" ||
	case $? in 102 | 103 | 106) ;; *) exit 1 ;; esac`

// Install is the command that installs a package's file. An older version than the one that is installed is
// wanted as well. What an interrupted installation has left is put in order first.
func (m *Manager) Install(format Format, path string) []string {
	switch {
	case format == Deb && m.Root != "":
		return []string{"dpkg", "--root=" + m.Root, "--force-not-root", "--force-confold", "--install", path}
	case format == Deb && have("apt-get"):
		return shell("dpkg --configure --pending --force-confold || :; exec "+apt+" --allow-downgrades --reinstall --no-install-recommends install \"$1\"", path)
	case format == Deb:
		return shell("dpkg --configure --pending --force-confold || :; exec dpkg --force-confold --install \"$1\"", path)
	case m.RPMs == "zypper" || m.RPMs == "" && m.Root == "" && have("zypper"):
		return shell(zypper, path, m.Root)
	case m.Root != "":
		return []string{"rpm", "--root", m.Root, "--upgrade", "--oldpackage", "--replacepkgs", "--nodeps", path}
	}
	for _, manager := range []string{"dnf", "yum"} {
		if have(manager) {
			// It knows how to fetch what the package needs, and not how to go back to an older one.
			return shell(manager+" -y --nogpgcheck install \"$1\" && rpm --query \"$(rpm --query --package --nosignature \"$1\")\" "+
				"|| exec rpm --upgrade --oldpackage --replacepkgs --nosignature \"$1\"", path)
		}
	}
	return []string{"rpm", "--upgrade", "--oldpackage", "--replacepkgs", "--nosignature", path}
}

// Remove is the command that removes a package.
func (m *Manager) Remove(p *Package) []string {
	switch {
	case p.Format == Deb && m.Root != "":
		return []string{"dpkg", "--root=" + m.Root, "--force-not-root", "--purge", p.Name}
	case p.Format == Deb && have("apt-get"):
		return shell("exec "+apt+" purge \"$1\"", p.Name)
	case p.Format == Deb:
		return []string{"dpkg", "--purge", p.Name}
	case m.Root != "":
		return []string{"rpm", "--root", m.Root, "--erase", "--nodeps", p.Name}
	}
	return []string{"rpm", "--erase", p.Name}
}

func shell(script string, arguments ...string) []string {
	return append([]string{"/bin/sh", "-c", script, "sh"}, arguments...)
}

func have(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// Package returns which package a child agent came in, nil for none, and the path of its file, "" where that is
// not kept.
func (p *Place) Package(name string) (*Package, string, error) {
	var came Package
	if err := p.read(name, packageFile, &came); err != nil || came.Name == "" {
		return nil, "", err
	}
	path := p.packagePath(name, came.Format)
	if _, err := os.Stat(path); err != nil {
		path = ""
	}
	return &came, path, nil
}

// KeepPackage keeps a package's file, for the way back from the next one.
func (p *Place) KeepPackage(name string, came *Package, path string) error {
	if err := p.write(name, packageFile, came); err != nil {
		return err
	}
	if err := os.Rename(path, p.packagePath(name, came.Format)); err != nil {
		return fmt.Errorf("cannot keep the package: %w", err)
	}
	return state.SyncDir(p.dir(name))
}

func (p *Place) packagePath(name string, format Format) string {
	return filepath.Join(p.dir(name), "package."+string(format))
}
