package repo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"hostler/repo/agentbin"
	"hostler/repo/pack"
	"hostler/repo/sign"
)

// Agent is the agent to publish.
type Agent struct {
	// Version is the build's version, such as "1.4.0", "v1.4.0-rc.1" or "dev".
	Version string
	// Binaries maps Go architecture names to static executables. Nil takes those built into the server.
	Binaries map[string][]byte
}

// PublishAgent builds the agent's packages and puts them into the server's own repositories in place of those that
// are there. Where just these are published already it does nothing. The error is agentbin.ErrNoAgents when the
// server was built without agents.
func (s *Store) PublishAgent(ctx context.Context, agent Agent) error {
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
	inputs, err := s.inputs(agent)
	if err != nil {
		return err
	}
	if s.agentPublished(inputs) {
		s.log.Debug("the agent's packages are up to date", "version", version)
		return nil
	}
	start := time.Now()
	if err := s.publishAgent(ctx, agent, inputs); err != nil {
		return fmt.Errorf("cannot publish the agent's packages: %w", err)
	}
	s.log.Info("agent's packages published", "version", version,
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

// inputs is a digest of everything that the agent's packages depend on.
func (s *Store) inputs(agent Agent) (string, error) {
	sum := sha256.New()
	sum.Write(fmt.Appendf(nil, "layout %s\nkey %s\nversion %s\n", layout, s.KeyFingerprint(), agent.Version))
	if err := pack.WriteInputs(sum); err != nil {
		return "", err
	}
	for _, arch := range slices.Sorted(maps.Keys(agent.Binaries)) {
		sum.Write(fmt.Appendf(nil, "%s %x\n", arch, sha256.Sum256(agent.Binaries[arch])))
	}
	return hexSum(sum), nil
}

func hexSum(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }

// agentPublished says whether each of the server's own repositories serves what was made of inputs.
func (s *Store) agentPublished(inputs string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name := range own {
		r := s.repositories[name]
		if r == nil || r.channels[Stable] == nil || r.snapshots[r.channels[Stable].current().Snapshot].Inputs != inputs {
			return false
		}
	}
	return true
}

// IsAgent tells the packages that the server makes itself: those of the agent.
func (p *Package) IsAgent() bool { return p.By == agentMaker && p.Name == pack.Name }

// agentMaker is who the server says has uploaded its agent; no person's name has a space.
const agentMaker = "this server"

func (s *Store) publishAgent(ctx context.Context, agent Agent, inputs string) error {
	build, err := os.MkdirTemp(filepath.Join(s.dir, incomingDir), "build-*")
	if err != nil {
		return explain(err)
	}
	defer func() { _ = os.RemoveAll(build) }() // the next start empties the directory in any case
	made, err := s.buildAgent(ctx, build, agent)
	if err != nil {
		return explain(err)
	}
	for _, name := range []string{AgentStatic, AgentYum, AgentApt} {
		if err := s.replaceAgent(ctx, name, made[name], Snapshot{By: agentMaker, Inputs: inputs}, agent.Version); err != nil {
			return err
		}
	}
	return nil
}

// replaceAgent puts files into one of the server's own repositories in place of the agents in it.
func (s *Store) replaceAgent(ctx context.Context, name string, files []string, made Snapshot, version string) error {
	var all []*Received
	defer func() {
		for _, got := range all {
			s.Discard(got)
		}
	}()
	for _, file := range files {
		got, err := s.receiveFile(ctx, name, file, version)
		if err != nil {
			return err
		}
		if got.Refused != "" {
			return fmt.Errorf("%s: %s", got.Name, got.Refused)
		}
		all = append(all, got)
	}
	r, done, err := s.change(name)
	if errors.Is(err, ErrNotFound) {
		return s.createOwn(name, all, made)
	}
	if err != nil {
		return err
	}
	defer done()
	c, err := s.channel(r, Stable)
	if err != nil {
		return err
	}
	_, err = s.commit(ctx, r, c, all, made, (*Package).IsAgent)
	return err
}

// createOwn makes one of the server's own repositories. It is there with its first packages, or not at all: a host
// must not find it empty.
func (s *Store) createOwn(name string, all []*Received, first Snapshot) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	for _, got := range all {
		if err := s.settle(got); err != nil {
			return explain(err)
		}
		first.Packages = append(first.Packages, got.pkg.Digest)
	}
	slices.Sort(first.Packages)
	d := Definition{Name: name, Kind: own[name], Description: "The agent, and what else all hosts may have", By: agentMaker}
	return s.create(d, nil, first)
}

func (s *Store) receiveFile(ctx context.Context, name, file, version string) (*Received, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	up := Upload{Name: filepath.Base(file), Content: f, By: agentMaker, Version: version}
	up.program = name == AgentStatic && filepath.Ext(file) == ""
	return s.receive(ctx, own[name], name, up)
}

// buildAgent builds every architecture's packages side by side, and says which repository gets which files.
func (s *Store) buildAgent(ctx context.Context, dir string, agent Agent) (map[string][]string, error) {
	archs := slices.Sorted(maps.Keys(agent.Binaries))
	made := make([]pack.Files, len(archs))
	failed := make([]error, len(archs))
	date := s.now().Add(-sign.Backdate).UTC().Truncate(time.Second)
	var builders sync.WaitGroup
	for i, arch := range archs {
		builders.Go(func() {
			dir := filepath.Join(dir, arch)
			if failed[i] = os.Mkdir(dir, 0o750); failed[i] != nil {
				return
			}
			made[i], failed[i] = pack.Build(ctx, dir, pack.Agent{
				Version: agent.Version, Arch: arch, Binary: agent.Binaries[arch], Date: date, Sign: s.signer().Detached,
			})
		})
	}
	builders.Wait()
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	files := map[string][]string{}
	for i, arch := range archs {
		program := filepath.Join(dir, executableName(arch))
		if err := os.WriteFile(program, agent.Binaries[arch], 0o600); err != nil {
			return nil, err
		}
		files[AgentApt] = append(files[AgentApt], made[i].Deb)
		files[AgentYum] = append(files[AgentYum], made[i].RPM)
		files[AgentStatic] = append(files[AgentStatic], made[i].Archive, program)
	}
	return files, nil
}

func executableName(arch string) string { return pack.Name + "-linux-" + arch }

// Executable is a published agent without a package around it: what an agent that upgrades itself fetches.
type Executable struct {
	Path     string // below wire.PathRepo
	Checksum string // hex SHA-256
	Version  string // as package managers call it
}

// Executable finds the agent that is published for a Go architecture name. Its path holds its digest: who was told
// one and fetches it a moment later gets that very file. The error says which there are.
func (s *Store) Executable(arch string) (Executable, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := s.repositories[AgentStatic]
	if r == nil || r.channels[Stable] == nil {
		return Executable{}, fmt.Errorf("cannot find an agent for %s: nothing is published yet", arch)
	}
	files := r.channels[Stable].current().files
	if digest, found := files[executableName(arch)]; found {
		p := s.packages[digest]
		return Executable{Path: AgentStatic + "/" + p.Path(), Checksum: digest, Version: p.Version}, nil
	}
	var there []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if arch, found := strings.CutPrefix(name, executableName("")); found && !strings.Contains(arch, ".") {
			there = append(there, arch)
		}
	}
	if len(there) == 0 {
		return Executable{}, fmt.Errorf("cannot find an agent for %s: nothing is published yet", arch)
	}
	return Executable{}, fmt.Errorf("cannot find an agent for %s: there are those for %s", arch, strings.Join(there, ", "))
}
