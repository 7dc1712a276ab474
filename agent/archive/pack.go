package archive

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// ErrChanged says that a file was written to or went away while it was read.
var ErrChanged = errors.New("the file changed while it was read")

// Pack writes the directory to w as tar.gz, below its base name. Links stay links; what is neither file,
// directory nor link is left out and counted.
func Pack(ctx context.Context, dir string, w io.Writer) (left int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, fmt.Errorf("cannot read the directory: %w", err)
	}
	defer func() { _ = root.Close() }() // only read
	zipped := gzip.NewWriter(w)
	archive := tar.NewWriter(zipped)
	base := path.Base(path.Clean(dir))
	err = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return vanished(name, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		packed, err := pack(archive, root, name, base)
		if !packed {
			left++
		}
		return err
	})
	if err != nil {
		return left, err
	}
	return left, errors.Join(archive.Close(), zipped.Close())
}

// pack writes one entry, or says that it is nothing that can be packed.
func pack(archive *tar.Writer, root *os.Root, name, base string) (packed bool, err error) {
	info, err := root.Lstat(name)
	if err != nil {
		return true, vanished(name, err)
	}
	target := ""
	switch {
	case info.Mode().IsRegular():
		return true, packFile(archive, root, name, base)
	case info.Mode()&fs.ModeSymlink != 0:
		if target, err = root.Readlink(name); err != nil {
			return true, vanished(name, err)
		}
	case !info.IsDir():
		return false, nil
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return true, fmt.Errorf("cannot pack %s: %w", name, err)
	}
	header.Name = path.Join(base, name)
	if info.IsDir() {
		header.Name += "/"
	}
	return true, archive.WriteHeader(header)
}

func packFile(archive *tar.Writer, root *os.Root, name, base string) error {
	// A pipe that has taken the file's place must not make the agent wait.
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return vanished(name, err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w", name, ErrChanged)
	}
	header, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return fmt.Errorf("cannot pack %s: %w", name, err)
	}
	header.Name = path.Join(base, name)
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	return CopyWhole(archive, f, info)
}

// CopyWhole copies a file as info knows it, and returns ErrChanged if it is not the same any more.
func CopyWhole(w io.Writer, f *os.File, info fs.FileInfo) error {
	n, err := io.Copy(w, io.LimitReader(f, info.Size()))
	if err != nil {
		return err
	}
	now, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", f.Name(), err)
	}
	if n != info.Size() || now.Size() != info.Size() || !now.ModTime().Equal(info.ModTime()) {
		return fmt.Errorf("%s: %w", f.Name(), ErrChanged)
	}
	return nil
}

func vanished(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is gone: %w", name, ErrChanged)
	}
	return fmt.Errorf("cannot pack %s: %w", name, err)
}
