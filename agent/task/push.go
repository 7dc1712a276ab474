package task

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hostler/agent/download"
	"hostler/agent/link"
	"hostler/agent/owner"
	"hostler/agent/space"
	"hostler/agent/wire"
)

// defaultMode is that of a file that replaces none.
const defaultMode = 0o644

// push puts a file on the host: the old one or the new one is there at every instant, whole. A link at the path is
// refused, because what would be replaced is not what was named; links above it are followed. It may be done again
// after a crash: a file that is there already is not backed up as the old one.
func push(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		placing, err := newPlacing(work)
		if err != nil {
			return wire.JobResult{}, err
		}
		defer placing.close()
		if placing.isThere() {
			return wire.JobResult{Message: "success; the file was there already"}, placing.dress()
		}
		if err := placing.receive(ctx, parts); err != nil {
			return wire.JobResult{}, err
		}
		kept, err := placing.replace()
		if err != nil {
			return wire.JobResult{}, err
		}
		if kept != "" {
			return wire.JobResult{Message: "success; the old file is " + kept}, nil
		}
		return wire.JobResult{}, nil
	}
}

// placing is a file on its way to its place. Everything happens in the directory that was opened first, whatever
// becomes of the path meanwhile.
type placing struct {
	work *Work
	push *wire.Push
	sum  []byte
	root *os.Root
	base string
	temp string // name of the new file until it is in place

	old      fs.FileInfo // nil: there is none
	mode     fs.FileMode
	uid, gid int
}

func newPlacing(work *Work) (*placing, error) {
	p := &placing{work: work, push: work.Job.Push}
	if p.push == nil {
		return nil, badJob("push is missing")
	}
	path := p.push.Path
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" || strings.ContainsRune(path, 0) {
		return nil, badJob("the path must be absolute and without . and ..: %.200q", path)
	}
	if p.push.Size < 0 {
		return nil, badJob("the size is negative")
	}
	var err error
	if p.sum, err = download.ParseChecksum(work.Job.Checksum); err != nil {
		return nil, badJob("%w", err)
	}
	dir := filepath.Dir(path)
	p.base, p.temp = filepath.Base(path), ".hostler-"+work.Job.ID
	if p.root, err = os.OpenRoot(dir); err != nil {
		return nil, badJob("the directory must exist: %w", err)
	}
	if err := p.inspect(); err != nil {
		return nil, errors.Join(err, p.root.Close())
	}
	return p, nil
}

func (p *placing) close() { _ = p.root.Close() } // nothing is written through it any more

// inspect looks at what is to be replaced and finds out what the new file is to be like.
func (p *placing) inspect() error {
	info, err := p.root.Lstat(p.base)
	p.mode = defaultMode
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("cannot look at %s: %w", p.push.Path, err)
	case info.Mode()&fs.ModeSymlink != 0:
		return badJob("%s is a link, and what it points to is not replaced", p.push.Path)
	case !info.Mode().IsRegular():
		return badJob("%s is no file", p.push.Path)
	default:
		p.old = info
		p.mode = info.Mode() & (fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky)
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			p.uid, p.gid = int(stat.Uid), int(stat.Gid)
		}
	}
	if p.push.Mode != "" {
		bits, err := strconv.ParseUint(p.push.Mode, 8, 12)
		if err != nil {
			return badJob("the mode must be octal, up to 7777, not %.40q", p.push.Mode)
		}
		p.mode = modeOf(uint32(bits))
	}
	return p.findOwner()
}

// modeOf turns the bits of chmod(2) into Go's.
func modeOf(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	for bit, is := range map[uint32]fs.FileMode{syscall.S_ISUID: fs.ModeSetuid, syscall.S_ISGID: fs.ModeSetgid, syscall.S_ISVTX: fs.ModeSticky} {
		if bits&bit != 0 {
			mode |= is
		}
	}
	return mode
}

func (p *placing) findOwner() error {
	if p.push.Owner == "" && p.push.Group == "" {
		return nil
	}
	who, err := owner.Find(p.push.Owner, p.push.Group)
	if err != nil {
		return failed(wire.ErrCodeUser, "%w", err)
	}
	if p.push.Owner != "" {
		p.uid = int(who.UID)
	}
	if p.push.Group != "" {
		p.gid = int(who.GID)
	}
	return nil
}

// isThere says whether the file in place has the content that is meant.
func (p *placing) isThere() bool {
	if p.old == nil || p.old.Size() != p.push.Size {
		return false
	}
	f, err := p.root.Open(p.base)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }() // only read
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return err == nil && string(sum.Sum(nil)) == string(p.sum)
}

// dress gives a file that stays its owner and mode.
func (p *placing) dress() error {
	f, err := p.root.OpenFile(p.base, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", p.push.Path, err)
	}
	return errors.Join(p.own(f), f.Close())
}

// own sets the mode last: a change of the owner takes the setuid bit away.
func (p *placing) own(f *os.File) error {
	if err := f.Chown(p.uid, p.gid); err != nil {
		return fmt.Errorf("cannot give %s to its owner: %w", p.push.Path, err)
	}
	if err := f.Chmod(p.mode); err != nil {
		return fmt.Errorf("cannot set the mode of %s: %w", p.push.Path, err)
	}
	return nil
}

// receive writes the content beside its place. After an error nothing of it is left.
func (p *placing) receive(ctx context.Context, parts *Parts) (err error) {
	if err := space.Enough(filepath.Dir(p.push.Path), p.push.Size); err != nil {
		return err
	}
	_ = p.root.Remove(p.temp) // of an attempt that a crash cut short
	f, err := p.root.OpenFile(p.temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot write beside %s: %w", p.push.Path, err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = p.root.Remove(p.temp)
		}
	}()
	if err := p.content(ctx, parts, f); err != nil {
		return err
	}
	if err := p.own(f); err != nil {
		return err
	}
	return f.Sync()
}

func (p *placing) content(ctx context.Context, parts *Parts, f *os.File) error {
	var size int64
	var err error
	if p.work.Job.URL != "" {
		source := download.Source{URL: p.work.Job.URL, Checksum: p.work.Job.Checksum, Most: p.push.Size}
		size, err = parts.Downloader.Get(ctx, source, f)
	} else {
		size, err = p.fromServer(ctx, parts, f)
	}
	if err == nil && size != p.push.Size {
		err = failed(wire.ErrCodeChecksum, "it has %d bytes, not %d", size, p.push.Size)
	}
	return err
}

// fromServer reads the content that the server keeps for the job.
func (p *placing) fromServer(ctx context.Context, parts *Parts, f *os.File) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client, url, err := parts.jobFile(p.work.Job.ID)
	if err != nil {
		return 0, err
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, failed(wire.ErrCodeDownload, "cannot read the file from the server: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	if response.StatusCode != http.StatusOK {
		return 0, failed(wire.ErrCodeDownload, "cannot read the file from the server: it answers %s", response.Status)
	}
	return download.Copy(ctx, cancel, f, response.Body, p.sum, p.push.Size, time.Minute)
}

// replace puts the new file in its place and returns the path of the old one, if that is kept.
func (p *placing) replace() (kept string, err error) {
	if p.push.Backup && p.old != nil {
		if kept, err = p.backUp(); err != nil {
			return "", errors.Join(err, p.root.Remove(p.temp))
		}
	}
	if err := p.root.Rename(p.temp, p.base); err != nil {
		return "", errors.Join(fmt.Errorf("cannot replace %s: %w", p.push.Path, err), p.root.Remove(p.temp))
	}
	dir, err := p.root.Open(".")
	if err != nil {
		return kept, fmt.Errorf("the file is in place, but a power loss may undo that: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return kept, fmt.Errorf("the file is in place, but a power loss may undo that: %w", err)
	}
	return kept, nil
}

// backUp gives the old file a second name, which is all it needs to stay.
func (p *placing) backUp() (string, error) {
	name := p.base + "." + time.Now().UTC().Format("20060102T150405.000Z")
	if err := p.root.Link(p.base, name); err != nil {
		return "", fmt.Errorf("cannot keep the old file: %w", err)
	}
	return filepath.Join(filepath.Dir(p.push.Path), name), nil
}

// jobFile returns where the server keeps a job's file, and a client for it.
func (p *Parts) jobFile(id string) (*http.Client, string, error) {
	address, config, _ := p.Session.Get()
	if address == "" {
		return nil, "", failed(wire.ErrCodeDownload, "no server answers")
	}
	return link.Transfer(config), "https://" + address + wire.PathJobFile + id, nil
}
