package archive

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"hostler/agent/space"
)

// broken makes an error of a reader a refusal, unless it is one already, the disk's, or the end of ctx.
func broken(ctx context.Context, err error) error {
	var disk *fs.PathError
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err == nil || errors.Is(err, ErrRefused) || errors.As(err, &disk) || space.IsFull(err) {
		return err
	}
	return refuse("it cannot be read: %v", err)
}

func walkTar(ctx context.Context, f *os.File, visit func(*entry) error) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("cannot read the archive: %w", err)
	}
	unzipped, err := gzip.NewReader(&interruptible{ctx, f})
	if err != nil {
		return broken(ctx, err)
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return broken(ctx, err)
		}
		e, err := tarEntry(header, archive)
		if err != nil {
			return err
		}
		if e == nil {
			continue
		}
		if err := visit(e); err != nil {
			return broken(ctx, err)
		}
	}
}

// tarEntry returns nil for what only describes others.
func tarEntry(header *tar.Header, content io.Reader) (*entry, error) {
	e := &entry{name: header.Name, mode: fs.FileMode(header.Mode) & fs.ModePerm, target: header.Linkname}
	switch header.Typeflag {
	case tar.TypeReg:
		e.kind, e.content = file, content
	case tar.TypeDir:
		e.kind = directory
	case tar.TypeSymlink:
		e.kind = symlink
	case tar.TypeLink:
		e.kind = hardlink
	case tar.TypeXGlobalHeader:
		return nil, nil
	default:
		return nil, refuse("%.80q is neither file, directory nor link", header.Name)
	}
	return e, nil
}

func walkZip(ctx context.Context, f *os.File, visit func(*entry) error) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot read the archive: %w", err)
	}
	archive, err := zip.NewReader(f, info.Size())
	if err != nil {
		return broken(ctx, err)
	}
	for _, member := range archive.File {
		if err := visitMember(ctx, member, visit); err != nil {
			return broken(ctx, err)
		}
	}
	return nil
}

func visitMember(ctx context.Context, member *zip.File, visit func(*entry) error) error {
	if member.Flags&1 != 0 {
		return refuse("%.80q is encrypted", member.Name)
	}
	e := &entry{name: member.Name, mode: member.Mode() & fs.ModePerm}
	content, err := member.Open()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // only read
	switch kind := member.Mode().Type(); {
	case kind.IsDir() || strings.HasSuffix(member.Name, "/"):
		e.kind = directory
	case kind == fs.ModeSymlink:
		target, err := io.ReadAll(io.LimitReader(content, maxName+1))
		if err != nil {
			return err
		}
		e.kind, e.target = symlink, string(target)
	case kind.IsRegular():
		e.kind, e.content = file, &interruptible{ctx, content}
	default:
		return refuse("%.80q is neither file, directory nor link", member.Name)
	}
	return visit(e)
}

// interruptible ends with its context.
type interruptible struct {
	ctx  context.Context //nolint:containedctx // a reader's method has no place for one
	from io.Reader
}

func (r *interruptible) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(p)
}
