// Package archive unpacks tar.gz and zip archives that may be hostile, and packs directories.
//
// An archive is read to its end and checked before the first byte of it is written, and checked again while it is
// written, by the rules of internal/archive.
package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"hostler/agent/space"
	"hostler/agent/state"
	checked "hostler/internal/archive"
)

// Unpack unpacks the archive f into dir, which must exist and be empty. After an error dir may hold part of it;
// where internal/archive.ErrRefused is the reason it holds nothing, unless the archive changed meanwhile.
func Unpack(ctx context.Context, f *os.File, dir string) error {
	return unpack(ctx, f, dir, checked.DefaultBounds)
}

func unpack(ctx context.Context, f *os.File, dir string, bounds checked.Bounds) error {
	bytes, err := checked.Walk(ctx, f, bounds, func(*checked.Entry) error { return nil })
	if err != nil {
		return err
	}
	if err := space.Enough(dir, bytes); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	defer func() { _ = root.Close() }() // what was written through it has been forced to the disk
	var directories []string
	_, err = checked.Walk(ctx, f, bounds, func(e *checked.Entry) error {
		if e.Kind == checked.Directory {
			directories = append(directories, e.Name)
		}
		return write(root, e)
	})
	if err != nil {
		return err
	}
	return syncAll(dir, directories)
}

// write writes one entry below root. A mode keeps its permissions and loses what would give rights away.
func write(root *os.Root, e *checked.Entry) error {
	if above := path.Dir(e.Name); above != "." {
		if err := root.MkdirAll(above, 0o755); err != nil {
			return fmt.Errorf("cannot unpack the archive: %w", err)
		}
	}
	var err error
	switch e.Kind {
	case checked.Directory:
		if e.Name != "." {
			err = root.MkdirAll(e.Name, 0o755)
		}
	case checked.File:
		return writeFile(root, e)
	case checked.Symlink:
		err = root.Symlink(e.Target, e.Name)
	case checked.Hardlink:
		err = root.Link(e.Target, e.Name)
	}
	if err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	return nil
}

func writeFile(root *os.Root, e *checked.Entry) error {
	f, err := root.OpenFile(e.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	_, err = io.Copy(f, e.Content)
	if err == nil {
		err = f.Chmod(e.Mode&0o755 | 0o400)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot unpack the archive: %w", err)
	}
	return nil
}

// syncAll makes the names in the directories durable.
func syncAll(dir string, directories []string) error {
	for _, name := range append(directories, ".") {
		if err := state.SyncDir(path.Join(dir, name)); err != nil {
			return fmt.Errorf("cannot unpack the archive: %w", err)
		}
	}
	return nil
}
