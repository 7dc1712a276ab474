package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hostler/agent/archive"
	"hostler/agent/state"
)

// treesDir holds a child agent's trees, named by version and checksum.
const treesDir = "trees"

// Unpack unpacks an archive and returns the tree as Change has it; one that is there already is left as it is.
// Where an archive holds nothing but one directory, that is the tree.
func (p *Place) Unpack(ctx context.Context, f *os.File, name, version, sum string) (tree string, err error) {
	if version == "" {
		version = "0"
	}
	trees := filepath.Join(p.dir(name), treesDir)
	if err := os.MkdirAll(trees, 0o711); err != nil { //nolint:gosec // other users' child agents live below it
		return "", fmt.Errorf("cannot make the child agent's directory: %w", err)
	}
	base := version + "-" + sum[:min(len(sum), 12)]
	if _, err := os.Stat(filepath.Join(trees, base)); err == nil {
		return p.inner(name, base)
	}
	fresh := filepath.Join(trees, ".new")
	if err := os.RemoveAll(fresh); err != nil { // of an attempt that a crash cut short
		return "", fmt.Errorf("cannot make room for the archive: %w", err)
	}
	defer func() { _ = os.RemoveAll(fresh) }()     // it is gone when all went well
	if err := os.Mkdir(fresh, 0o755); err != nil { //nolint:gosec // as above
		return "", fmt.Errorf("cannot unpack the archive: %w", err)
	}
	if err := archive.Unpack(ctx, f, fresh); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, filepath.Join(trees, base)); err != nil {
		return "", fmt.Errorf("cannot unpack the archive: %w", err)
	}
	if err := state.SyncDir(trees); err != nil {
		return "", err
	}
	return p.inner(name, base)
}

// inner returns the path of a tree from the child agent's directory.
func (p *Place) inner(name, base string) (string, error) {
	tree := filepath.Join(treesDir, base)
	entries, err := os.ReadDir(filepath.Join(p.dir(name), tree))
	if err != nil {
		return "", fmt.Errorf("cannot read the unpacked archive: %w", err)
	}
	if len(entries) == 1 && entries[0].IsDir() {
		tree = filepath.Join(tree, entries[0].Name())
	}
	return tree, nil
}

// Brought returns the definition that a tree brings as agent.ini, nil where it brings none.
func (p *Place) Brought(name, tree string) (*string, error) {
	path := filepath.Join(p.dir(name), tree, "agent.ini")
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxDefinition {
		return nil, fmt.Errorf("%w: agent.ini in the archive is no file of at most %d bytes", ErrDefinition, maxDefinition)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the archive's definition: %w", err)
	}
	text := string(content)
	return &text, nil
}

// Prune removes the trees that are neither in force nor the one before.
func (p *Place) Prune(name, before string) error {
	entries, err := os.ReadDir(filepath.Join(p.dir(name), treesDir))
	if err != nil {
		return fmt.Errorf("cannot list the child agent's versions: %w", err)
	}
	now := p.target(name)
	for _, entry := range entries {
		tree := filepath.Join(treesDir, entry.Name())
		if within(now, tree) || within(before, tree) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(p.dir(name), tree)); err != nil {
			return fmt.Errorf("cannot remove a former version: %w", err)
		}
	}
	return nil
}

func within(path, tree string) bool { return path == tree || strings.HasPrefix(path, tree+"/") }
