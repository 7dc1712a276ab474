package repo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hostler/repo/pack"
)

// Executable is a published agent without a package around it: what an agent that upgrades itself fetches.
type Executable struct {
	Path     string `json:"path"`     // below wire.PathRepo
	Checksum string `json:"checksum"` // hex SHA-256
	Version  string `json:"version"`  // as package managers call it
}

// Executable finds the agent that is published for a Go architecture name. The error says which there are.
func (r *Repository) Executable(arch string) (Executable, error) {
	current := r.served.Load().current
	if current == nil {
		return Executable{}, fmt.Errorf("cannot find an agent for %s: nothing is published yet", arch)
	}
	found, ok := current.Agents[arch]
	if !ok {
		return Executable{}, fmt.Errorf("cannot find an agent for %s: there are those for %s",
			arch, strings.Join(slices.Sorted(maps.Keys(current.Agents)), ", "))
	}
	return found, nil
}

// executables puts the bare agents into a generation. Their paths hold their digests: who was told one and fetches it a
// moment later gets that very file.
func executables(stage string, agent Agent) (map[string]Executable, error) {
	placed := map[string]Executable{}
	for arch, data := range agent.Binaries {
		sum := sha256.Sum256(data)
		digest := hex.EncodeToString(sum[:])
		e := Executable{Path: "agent/" + digest[:16] + "/" + pack.Name + "-linux-" + arch, Checksum: digest, Version: agent.Version}
		file := filepath.Join(stage, filepath.FromSlash(e.Path))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return nil, err
		}
		if err := os.WriteFile(file+".sha256", []byte(digest+"  "+filepath.Base(file)+"\n"), 0o600); err != nil {
			return nil, err
		}
		placed[arch] = e
	}
	return placed, nil
}
