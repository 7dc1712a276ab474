package apt

import (
	"archive/tar"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
	"github.com/ulikunitz/xz/lzma"
)

// Bounds of what a deb may hold.
const (
	maxMembers  = 32
	maxControl  = 1 << 20   // bytes of the control file
	maxUnpacked = 64 << 30  // bytes of an archive in it, unpacked
	maxFiles    = 500_000   // entries of an archive in it
	maxNames    = 32 << 20  // bytes of their names
	maxWindow   = 128 << 20 // bytes that unpacking may look back: zstd's most, and twice that of xz -9
	arHeader    = 60
)

// read reads a deb to its end: an ar archive (deb(5)) of debian-binary, control.tar.* and data.tar.*.
func read(deb io.Reader) (Package, error) {
	var p Package
	magic := make([]byte, 8)
	if _, err := io.ReadFull(deb, magic); err != nil || string(magic) != "!<arch>\n" {
		return p, errors.New("it is not a deb")
	}
	found := map[string]bool{}
	for range maxMembers {
		name, size, err := nextMember(deb)
		if errors.Is(err, io.EOF) {
			return p, complete(found)
		}
		if err != nil {
			return p, err
		}
		kind, packing, _ := strings.Cut(name, ".tar")
		if found[kind] && (kind == "control" || kind == "data") {
			return p, fmt.Errorf("it has two members called %s", kind)
		}
		found[kind] = true
		member := io.LimitReader(deb, size)
		switch {
		case kind == "control":
			p.Control, err = readControl(member, packing)
		case kind == "data":
			p.Files, err = readFiles(member, packing)
		case name == "debian-binary":
			err = readFormat(member)
		}
		if err != nil {
			return p, fmt.Errorf("%s: %w", name, err)
		}
		if err := skipRest(deb, member, size); err != nil {
			return p, err
		}
		if kind == "control" {
			if err := p.check(); err != nil {
				return p, err
			}
		}
	}
	return p, fmt.Errorf("it is refused: it has more than %d members", maxMembers)
}

func complete(found map[string]bool) error {
	for _, name := range []string{"debian-binary", "control", "data"} {
		if !found[name] {
			return fmt.Errorf("it is cut off or no deb: it has no %s", name)
		}
	}
	return nil
}

// nextMember reads a member's header; io.EOF at the archive's end.
func nextMember(deb io.Reader) (name string, size int64, err error) {
	header := make([]byte, arHeader)
	if _, err := io.ReadFull(deb, header); errors.Is(err, io.EOF) {
		return "", 0, io.EOF
	} else if err != nil {
		return "", 0, cut(err)
	}
	name = strings.TrimRight(string(header[:16]), " /")
	size, err = strconv.ParseInt(strings.TrimSpace(string(header[48:58])), 10, 64)
	if err != nil || size < 0 || string(header[58:]) != "`\n" {
		return "", 0, errors.New("it is damaged: a member has no size")
	}
	return name, size, nil
}

// skipRest reads what is left of a member, and the byte that fills it up to an even size.
func skipRest(deb, member io.Reader, size int64) error {
	left := member.(*io.LimitedReader)
	if _, err := io.Copy(io.Discard, member); err != nil {
		return err
	}
	if left.N > 0 {
		return cut(io.ErrUnexpectedEOF)
	}
	if size%2 == 1 {
		// The last member of some debs lacks it, and dpkg takes them.
		if _, err := io.CopyN(io.Discard, deb, 1); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

func readFormat(member io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(member, 64))
	if err != nil {
		return cut(err)
	}
	if !strings.HasPrefix(string(text), "2.") {
		return fmt.Errorf("it is of the format %.20q, which nobody knows", strings.TrimSpace(string(text)))
	}
	return nil
}

// unpacked unpacks an archive by the ending of its name; close frees what unpacking took.
func unpacked(r io.Reader, packing string) (out io.Reader, closing func(), err error) {
	closing = func() {}
	switch packing {
	case "":
		out = r
	case ".gz":
		out, err = gzip.NewReader(r)
	case ".xz":
		out, err = xz.NewReader(r, maxWindow)
	case ".zst":
		var d *zstd.Decoder
		d, err = zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err == nil {
			out, closing = d, d.Close
		}
	case ".bz2":
		out = bzip2.NewReader(r)
	case ".lzma":
		out, err = lzma.ReaderConfig{DictCap: maxWindow}.NewReader(r)
	default:
		err = fmt.Errorf("nobody knows how to unpack %q", packing)
	}
	if err != nil {
		return nil, closing, cut(err)
	}
	return io.LimitReader(out, maxUnpacked), closing, nil
}

// readControl finds the control file, and reads the archive to its end.
func readControl(member io.Reader, packing string) (string, error) {
	var control string
	err := eachEntry(member, packing, func(h *tar.Header, content io.Reader) error {
		if path.Clean(h.Name) != "control" || h.Typeflag != tar.TypeReg {
			return nil
		}
		text, err := io.ReadAll(io.LimitReader(content, maxControl+1))
		if err != nil {
			return err
		}
		if len(text) > maxControl {
			return fmt.Errorf("it is refused: the control file has more than %d bytes", maxControl)
		}
		control, err = paragraph(string(text))
		return err
	})
	if err == nil && control == "" {
		err = errors.New("it has no control file")
	}
	return control, err
}

// readFiles lists the paths that a package brings, without its directories.
func readFiles(member io.Reader, packing string) ([]string, error) {
	var files []string
	err := eachEntry(member, packing, func(h *tar.Header, _ io.Reader) error {
		if h.Typeflag != tar.TypeDir {
			files = append(files, path.Clean("/"+h.Name))
		}
		return nil
	})
	return files, err
}

// eachEntry walks a tar archive and then reads what is behind it: only there compression has its checksums.
func eachEntry(member io.Reader, packing string, do func(*tar.Header, io.Reader) error) error {
	content, closing, err := unpacked(member, packing)
	if err != nil {
		return err
	}
	defer closing()
	entries := tar.NewReader(content)
	names := 0
	for n := 0; ; n++ {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			names += len(header.Name)
			err = bounded(n, names)
		}
		if err == nil {
			err = do(header, entries)
		}
		if err != nil {
			return cut(err)
		}
	}
	_, err = io.Copy(io.Discard, content)
	return cut(err)
}

// bounded refuses an archive by how many entries there are before one, and by the bytes of all names up to it.
func bounded(entries, names int) error {
	switch {
	case entries >= maxFiles:
		return fmt.Errorf("it is refused: it has more than %d entries", maxFiles)
	case names > maxNames:
		return fmt.Errorf("it is refused: the names of its files have more than %d bytes together", maxNames)
	}
	return nil
}

// cut says in the package's words what unpacking it ended with.
func cut(err error) error {
	var window *lzma.ErrDictSize
	if errors.Is(err, xz.ErrMemlimit) || errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.As(err, &window) {
		return fmt.Errorf("it is refused: unpacking it takes more than %d bytes of memory", maxWindow)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut off")
	}
	return err
}
