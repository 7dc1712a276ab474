// Package pack builds the agent's packages: a deb, a signed rpm, and a static archive for hosts without a package
// manager. It takes the executable as it is given one and needs no tool of the distribution. It neither indexes nor
// publishes anything.
package pack

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"

	setupscripts "hostler/setup-scripts"
)

// Name is the name of the agent's package.
const Name = "hostler-agent"

// The level is a bargain: beyond 5, gzip takes twice the time at first start and saves two hundredths of the size.
const compression = "gzip:5"

//go:embed scripts
var scripts embed.FS

// Agent is what one architecture's packages are made of.
type Agent struct {
	Version string // as Version returned it
	Arch    string // Go's name of the architecture
	Binary  []byte // the static executable
	Date    time.Time
	Sign    func(io.Reader) ([]byte, error) // makes a bare OpenPGP signature; rpm only
}

// Build writes the packages into dir, which must exist and be empty.
func Build(ctx context.Context, dir string, agent Agent) (Files, error) {
	stage := filepath.Join(dir, "stage")
	if err := agent.stage(stage); err != nil {
		return Files{}, fmt.Errorf("cannot prepare the agent's files: %w", err)
	}
	made := Files{
		Deb:     filepath.Join(dir, fmt.Sprintf("%s_%s_%s.deb", Name, agent.Version, agent.Arch)),
		RPM:     filepath.Join(dir, fmt.Sprintf("%s-%s-1.%s.rpm", Name, agent.Version, rpmArch(agent.Arch))),
		Archive: filepath.Join(dir, fmt.Sprintf("%s-linux-%s.tar.gz", Name, agent.Arch)),
	}
	steps := []struct {
		file  string
		write func(stage string, w io.Writer) error
	}{{made.Deb, agent.deb}, {made.RPM, agent.rpm}, {made.Archive, agent.archive}}
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return Files{}, err
		}
		err := writeFile(step.file, func(w io.Writer) error { return step.write(stage, w) })
		if err != nil {
			return Files{}, fmt.Errorf("cannot build %s: %w", filepath.Base(step.file), err)
		}
	}
	if err := os.RemoveAll(stage); err != nil {
		return Files{}, fmt.Errorf("cannot tidy up after building: %w", err)
	}
	return made, nil
}

// Files are the paths of one architecture's packages.
type Files struct {
	Deb, RPM, Archive string
}

// stage lays out what goes into the packages: nfpm reads its input from disk only.
func (a Agent) stage(dir string) error {
	if err := os.Mkdir(dir, 0o750); err != nil {
		return err
	}
	for name, data := range a.contents() {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return os.CopyFS(dir, scripts)
}

func (a Agent) contents() map[string][]byte {
	return map[string][]byte{
		Name:              a.Binary,
		Name + ".service": setupscripts.Unit(),
		Name + ".sysv":    setupscripts.SysV(),
		Name + ".openrc":  setupscripts.OpenRC(),
	}
}

func (a Agent) deb(stage string, w io.Writer) error {
	info := a.info(stage)
	info.Deb.Compression = compression
	info.Scripts = nfpm.Scripts{
		PostInstall: filepath.Join(stage, "scripts/deb.postinst"),
		PreRemove:   filepath.Join(stage, "scripts/deb.prerm"),
		PostRemove:  filepath.Join(stage, "scripts/deb.postrm"),
	}
	return deb.Default.Package(info, w)
}

func (a Agent) rpm(stage string, w io.Writer) error {
	info := a.info(stage)
	info.Arch = rpmArch(a.Arch)
	info.Release = "1"
	info.RPM.Compression = compression
	info.RPM.BuildHost = "hostler"
	info.RPM.Signature.SignFn = a.Sign
	info.Scripts = nfpm.Scripts{
		PostInstall: filepath.Join(stage, "scripts/rpm.post"),
		PreRemove:   filepath.Join(stage, "scripts/rpm.preun"),
		PostRemove:  filepath.Join(stage, "scripts/rpm.postun"),
	}
	return rpm.DefaultRPM.Package(info, w)
}

func (a Agent) info(stage string) *nfpm.Info {
	file := func(name, destination string, mode os.FileMode) *files.Content {
		return &files.Content{
			Source:      filepath.Join(stage, name),
			Destination: destination,
			FileInfo:    &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: a.Date},
		}
	}
	return &nfpm.Info{
		Name:            Name,
		Arch:            a.Arch,
		Platform:        "linux",
		Version:         a.Version,
		Section:         "admin",
		Priority:        "optional",
		Maintainer:      "Hostler <root@localhost>",
		Vendor:          "Hostler",
		License:         "Apache-2.0",
		Description:     "Hostler agent\nReports this host to its Hostler server and does the server's jobs.",
		MTime:           a.Date,
		DisableGlobbing: true,
		Overridables: nfpm.Overridables{Contents: files.Contents{
			file(Name, "/usr/bin/"+Name, 0o755),
			{Destination: "/usr/share/hostler-agent", Type: files.TypeDir},
			file(Name+".service", "/usr/lib/systemd/system/"+Name+".service", 0o644),
			file(Name+".sysv", "/usr/share/hostler-agent/"+Name+".sysv", 0o755),
			file(Name+".openrc", "/usr/share/hostler-agent/"+Name+".openrc", 0o755),
		}},
	}
}

func rpmArch(arch string) string {
	switch arch {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return arch
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// WriteInputs writes whatever else than the executables goes into the packages, so that a caller can tell by a
// digest whether they would come out the same.
func WriteInputs(w io.Writer) error {
	for _, data := range [][]byte{setupscripts.Unit(), setupscripts.SysV(), setupscripts.OpenRC()} {
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return fs.WalkDir(scripts, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := scripts.ReadFile(path)
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\n%s", path, data)
		}
		return err
	})
}
