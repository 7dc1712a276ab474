package repo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"hostler/repo/agentbin"
	"hostler/repo/apt"
	"hostler/repo/pack"
	"hostler/repo/sign"
	"hostler/repo/yum"
)

// layout is part of what a publication is made of: raise it when the layout or the packages change in a way that
// nothing else shows.
const layout = "2"

// Agent is the agent to publish.
type Agent struct {
	// Version is the build's version, such as "1.4.0", "v1.4.0-rc.1" or "dev".
	Version string
	// Binaries maps Go architecture names to static executables. Nil takes those built into the server.
	Binaries map[string][]byte
}

// PublishAgent builds, signs and publishes the agent's packages. When just these are published already it returns
// at once. A second publisher, in this process or another, waits for the first. The error is agentbin.ErrNoAgents
// when the server was built without agents.
func (r *Repository) PublishAgent(ctx context.Context, agent Agent) error {
	version, err := pack.Version(agent.Version)
	if err != nil {
		return err
	}
	if agent.Binaries == nil {
		if agent.Binaries, err = builtIn(); err != nil {
			return err
		}
	}
	agent.Version = version
	inputs, err := r.inputs(agent)
	if err != nil {
		return err
	}
	r.publishing.Lock()
	defer r.publishing.Unlock()
	unlock, err := r.lock()
	if err != nil {
		return fmt.Errorf("cannot lock the package repository: %w", err)
	}
	defer unlock()
	if err := r.reload(); err != nil {
		return fmt.Errorf("cannot open what the repository published last: %w", err)
	}
	current := r.served.Load().current
	if current != nil && current.Inputs == inputs {
		r.log.Debug("package repository is up to date", "version", version)
		return nil
	}
	start := time.Now()
	if err := r.publish(ctx, agent, manifest{Inputs: inputs, Published: r.date(current)}); err != nil {
		return fmt.Errorf("cannot publish the agent's packages: %w", err)
	}
	r.log.Info("package repository published", "version", version,
		"architectures", slices.Sorted(maps.Keys(agent.Binaries)), "took", time.Since(start).Round(time.Millisecond))
	return nil
}

func builtIn() (map[string][]byte, error) {
	archs := agentbin.Archs()
	if len(archs) == 0 {
		return nil, agentbin.ErrNoAgents
	}
	binaries := make(map[string][]byte, len(archs))
	for _, arch := range archs {
		data, err := agentbin.Binary(arch)
		if err != nil {
			return nil, err
		}
		binaries[arch] = data
	}
	return binaries, nil
}

// inputs is a digest of everything a publication depends on.
func (r *Repository) inputs(agent Agent) (string, error) {
	sum := sha256.New()
	sum.Write(fmt.Appendf(nil, "layout %s\nkey %s\nversion %s\n", layout, r.key.Fingerprint(), agent.Version))
	if err := pack.WriteInputs(sum); err != nil {
		return "", err
	}
	for _, arch := range slices.Sorted(maps.Keys(agent.Binaries)) {
		sum.Write(fmt.Appendf(nil, "%s %x\n", arch, sha256.Sum256(agent.Binaries[arch])))
	}
	return hexSum(sum), nil
}

// date is when the new generation says it was published. Clients refuse an index from their future and ignore one
// that is older than what they have, so it lies a little back and never goes back.
func (r *Repository) date(current *generation) time.Time {
	date := r.now().Add(-sign.Backdate).UTC().Truncate(time.Second)
	if current != nil && !date.After(current.Published) {
		date = current.Published.Add(time.Second)
	}
	return date
}

func (r *Repository) lock() (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(r.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { _ = file.Close() }, nil // closing gives the lock up
}

func (r *Repository) publish(ctx context.Context, agent Agent, made manifest) error {
	if err := r.prune(); err != nil {
		return err
	}
	stage, err := os.MkdirTemp(filepath.Join(r.dir, generationsDir), unfinished)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(stage) }() // nothing is left there once the generation has its name
	if err := r.build(ctx, stage, agent, made); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.commit(stage); err != nil {
		return err
	}
	if err := r.reload(); err != nil {
		return err
	}
	return r.prune()
}

func (r *Repository) build(ctx context.Context, stage string, agent Agent, made manifest) error {
	archs := slices.Sorted(maps.Keys(agent.Binaries))
	placed, err := r.packages(ctx, stage, agent, made.Published)
	if err != nil {
		return err
	}
	suite := apt.Suite{Name: "stable", Architectures: archs, Date: made.Published} // Go's and Debian's names agree here
	if err := apt.Write(filepath.Join(stage, "apt"), suite, placed.debs, r.key); err != nil {
		return err
	}
	if err := yum.Write(filepath.Join(stage, "yum"), made.Published, placed.rpms, r.key); err != nil {
		return err
	}
	if made.Agents, err = executables(stage, agent); err != nil {
		return err
	}
	record, err := json.Marshal(made)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"static/SHA256SUMS": []byte(strings.Join(placed.sums, "")),
		"key.asc":           r.key.PublicArmored(),
		"key.gpg":           r.key.PublicBinary(),
		manifestFile:        record,
	} {
		if err := os.WriteFile(filepath.Join(stage, filepath.FromSlash(name)), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// placement is what lies in a generation's pools.
type placement struct {
	debs []apt.Package
	rpms []yum.Package
	sums []string // lines of SHA256SUMS
}

// packages builds every architecture's packages side by side and moves them to their places.
func (r *Repository) packages(ctx context.Context, stage string, agent Agent, date time.Time) (placement, error) {
	archs := slices.Sorted(maps.Keys(agent.Binaries))
	made := make([]pack.Files, len(archs))
	failed := make([]error, len(archs))
	var builders sync.WaitGroup
	for i, arch := range archs {
		builders.Go(func() {
			dir := filepath.Join(stage, "build-"+arch)
			if failed[i] = os.Mkdir(dir, 0o750); failed[i] != nil {
				return
			}
			made[i], failed[i] = pack.Build(ctx, dir, pack.Agent{
				Version: agent.Version, Arch: arch, Binary: agent.Binaries[arch], Date: date, Sign: r.key.Detached,
			})
		})
	}
	builders.Wait()
	var all placement
	if err := errors.Join(failed...); err != nil {
		return all, err
	}
	for i, arch := range archs {
		if err := all.add(stage, made[i]); err != nil {
			return all, err
		}
		if err := os.Remove(filepath.Join(stage, "build-"+arch)); err != nil {
			return all, err
		}
	}
	return all, nil
}

// add moves one architecture's files to where they are served. Pool paths hold the file's digest: the same
// version built twice never changes what a path means.
func (p *placement) add(stage string, made pack.Files) error {
	deb, err := place(made.Deb, filepath.Join(stage, "apt"), "pool/main/h/"+pack.Name)
	if err != nil {
		return err
	}
	rpm, err := place(made.RPM, filepath.Join(stage, "yum"), "packages")
	if err != nil {
		return err
	}
	debPackage, err := apt.Read(filepath.Join(stage, "apt", deb), deb)
	if err != nil {
		return err
	}
	rpmPackage, err := yum.Read(filepath.Join(stage, "yum", rpm), rpm)
	if err != nil {
		return err
	}
	archive := filepath.Base(made.Archive)
	sum, err := digest(made.Archive)
	if err != nil {
		return err
	}
	if err := move(made.Archive, filepath.Join(stage, "static", archive)); err != nil {
		return err
	}
	p.debs, p.rpms = append(p.debs, debPackage), append(p.rpms, rpmPackage)
	p.sums = append(p.sums, sum+"  "+archive+"\n")
	return nil
}

// place moves file below root/pool and returns its path below root.
func place(file, root, pool string) (string, error) {
	sum, err := digest(file)
	if err != nil {
		return "", err
	}
	path := pool + "/" + sum[:16] + "/" + filepath.Base(file)
	return path, move(file, filepath.Join(root, filepath.FromSlash(path)))
}

func move(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func digest(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, file)
	return hexSum(sum), errors.Join(err, file.Close())
}

func hexSum(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }
