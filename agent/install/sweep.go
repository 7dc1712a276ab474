package install

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Sweep removes what a package manager that was killed has left of a package's files under names of its own: the next one
// replaces such a file only if its package has it, too, and rpm gives it another name each time.
func (m *Manager) Sweep(ctx context.Context, format Format, path string) error {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	files, err := m.files(ctx, format, path)
	if err != nil {
		return fmt.Errorf("cannot list a package's files: %w", err)
	}
	pattern := ".dpkg-new"
	if format == RPM {
		pattern = ";" + strings.Repeat("[0-9a-f]", 8)
	}
	for _, file := range files {
		left, _ := filepath.Glob(escape(filepath.Join("/", m.Root, filepath.Clean("/"+file))) + pattern) // the pattern is sound
		for _, name := range left {
			if info, statErr := os.Lstat(name); statErr == nil && info.Mode().IsDir() {
				continue
			}
			if removeErr := os.Remove(name); removeErr != nil && !errors.Is(removeErr, fs.ErrNotExist) {
				err = errors.Join(err, fmt.Errorf("cannot remove half a file: %w", removeErr))
			}
		}
	}
	return err
}

// files are those that a package has.
func (m *Manager) files(ctx context.Context, format Format, path string) ([]string, error) {
	if format == RPM {
		output, err := exec.CommandContext(ctx, "rpm", "--query", "--package", "--nosignature", "--queryformat", "[%{FILENAMES}\n]", path).Output()
		return strings.FieldsFunc(string(output), func(r rune) bool { return r == '\n' }), err
	}
	list := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", path)
	content, err := list.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := list.Start(); err != nil {
		return nil, err
	}
	var names []string
	reader := tar.NewReader(content)
	for {
		header, err := reader.Next()
		if err != nil {
			_, copyErr := io.Copy(io.Discard, content) // it must not wait for a reader
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return names, errors.Join(err, copyErr, list.Wait())
		}
		names = append(names, header.Name)
	}
}
