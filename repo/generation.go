package repo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

const (
	generationsDir = "generations"
	currentLink    = "current"
	manifestFile   = "manifest.json"
	unfinished     = ".new-*" // a generation that has no name yet
)

var generationName = regexp.MustCompile(`^[0-9]{8}$`)

// manifest says what a generation was made of. It is not served.
type manifest struct {
	Inputs    string    `json:"inputs"`    // digest of everything that went in
	Published time.Time `json:"published"` // strictly later than the generation's before, in whole seconds
	// Agents are the bare executables by Go's names of architectures.
	Agents map[string]Executable `json:"agents,omitempty"`
}

// generation is one complete publication.
type generation struct {
	name string
	dir  string
	manifest
}

func (r *Repository) readGeneration(name string) (*generation, error) {
	dir := r.generation(name)
	found, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	return &generation{name: name, dir: dir, manifest: found}, nil
}

func readManifest(dir string) (manifest, error) {
	var found manifest
	data, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if err != nil {
		return found, err
	}
	if err := json.Unmarshal(data, &found); err != nil {
		return found, fmt.Errorf("cannot read %s: %w", manifestFile, err)
	}
	return found, nil
}

func (r *Repository) generation(name string) string {
	return filepath.Join(r.dir, generationsDir, name)
}

// currentName is the name of the generation that the current link points to.
func (r *Repository) currentName() (string, error) {
	target, err := os.Readlink(filepath.Join(r.dir, currentLink))
	if err != nil {
		return "", err
	}
	name := filepath.Base(target)
	if !generationName.MatchString(name) {
		return "", fmt.Errorf("%s points to %q, which is no generation", currentLink, target)
	}
	return name, nil
}

// generationNames lists the finished generations, oldest first.
func (r *Repository) generationNames() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(r.dir, generationsDir))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if generationName.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// commit gives the finished generation in stage its name and makes it the current one.
func (r *Repository) commit(stage string) error {
	if err := syncTree(stage); err != nil {
		return err
	}
	names, err := r.generationNames()
	if err != nil {
		return err
	}
	last := 0
	if len(names) > 0 {
		if last, err = strconv.Atoi(names[len(names)-1]); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("%08d", last+1)
	if err := os.Rename(stage, r.generation(name)); err != nil {
		return err
	}
	if err := syncFile(filepath.Join(r.dir, generationsDir)); err != nil {
		return err
	}
	link := filepath.Join(r.dir, ".current")
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(filepath.Join(generationsDir, name), link); err != nil {
		return err
	}
	if err := os.Rename(link, filepath.Join(r.dir, currentLink)); err != nil {
		return err
	}
	return syncFile(r.dir)
}

// prune removes unfinished generations and all finished ones but the current and the one before.
func (r *Repository) prune() error {
	leftover, err := filepath.Glob(filepath.Join(r.dir, generationsDir, unfinished))
	if err != nil {
		return err
	}
	current, err := r.currentName()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	names, err := r.generationNames()
	if err != nil {
		return err
	}
	kept := slices.Index(names, current)
	for i, name := range names {
		if i < kept-1 || i > kept { // later ones lost their publisher before it moved the link
			leftover = append(leftover, r.generation(name))
		}
	}
	var failed error
	for _, dir := range leftover {
		failed = errors.Join(failed, os.RemoveAll(dir))
	}
	return failed
}

// syncTree makes every file and directory below dir safe against a power loss.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncFile(path)
	})
}

func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
