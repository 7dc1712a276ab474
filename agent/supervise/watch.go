package supervise

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// rest is how long nothing must happen to the definitions before they are read: an editor puts the old file aside before
	// the new one is there.
	rest = 100 * time.Millisecond
	// restMost bounds the wait for that.
	restMost = time.Second
	// watched are the changes that the kernel is to tell, by inotify(7). What is written counts once nobody writes it any more.
	watched = unix.IN_CREATE | unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_ONLYDIR
)

// watcher learns from the kernel what happens to the files of a directory. It costs nothing while nothing does.
type watcher struct {
	dir     string
	changes *os.File
}

func watch(dir string) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	w := &watcher{dir: dir, changes: os.NewFile(uintptr(fd), "inotify")}
	w.arm()
	return w, nil
}

// arm has the kernel watch the directory, and the one above it, in which it may come, go and be another. One that is
// watched already stays so. What cannot be watched is read at heartbeats.
func (w *watcher) arm() {
	connection, err := w.changes.SyscallConn()
	if err != nil {
		return // it is closed
	}
	_ = connection.Control(func(fd uintptr) { // likewise
		for _, dir := range []string{filepath.Dir(w.dir), w.dir} {
			_, _ = unix.InotifyAddWatch(int(fd), dir, watched)
		}
	})
}

// run reads the definitions anew whenever they have changed, until ctx ends.
func (w *watcher) run(ctx context.Context, s *Supervisor) {
	stop := context.AfterFunc(ctx, func() { _ = w.changes.Close() }) // and with it the read that is under way
	defer stop()
	for {
		err := w.await(s)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.Log.Error("changed definitions are noticed at heartbeats only", "error", err)
			s.forgetWriters()
			return
		}
		s.Reload()
	}
}

// await returns once definitions have changed and are at rest.
func (w *watcher) await(s *Supervisor) error {
	buffer := make([]byte, 4096)
	var most time.Time
	for {
		n, err := w.changes.Read(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return w.changes.SetReadDeadline(time.Time{})
		}
		if err != nil {
			return err
		}
		w.arm()
		if !s.heed(buffer[:n]) {
			continue
		}
		now := time.Now()
		if most.IsZero() {
			most = now.Add(restMost)
		}
		end := now.Add(rest)
		if most.Before(end) {
			end = most
		}
		if err := w.changes.SetReadDeadline(end); err != nil {
			return err
		}
	}
}

// heed takes note of what the kernel tells and says whether definitions are to be read.
func (s *Supervisor) heed(events []byte) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(events) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(events[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		name := strings.TrimRight(string(events[unix.SizeofInotifyEvent:end]), "\x00")
		events = events[end:]
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			clear(s.writing) // who has ended may be among what was lost
			changed = true
		case name == filepath.Base(s.Dir):
			changed = true
		case filepath.Ext(name) == ".ini":
			changed = s.heedFile(filepath.Join(s.Dir, name), mask) || changed
		}
	}
	return changed
}

// heedFile keeps account of the files that somebody writes; s.mu is held.
func (s *Supervisor) heedFile(path string, mask uint32) (changed bool) {
	if mask&unix.IN_MODIFY != 0 || mask&unix.IN_CREATE != 0 && !linked(path) {
		s.writing[path] = true
		return false
	}
	delete(s.writing, path)
	return true
}

// linked says whether a file that has come is whole, because it is another name of one.
func linked(path string) bool {
	var is unix.Stat_t
	return unix.Lstat(path, &is) == nil && (is.Mode&unix.S_IFMT != unix.S_IFREG || is.Nlink > 1)
}

// forgetWriters has every file be read as it is.
func (s *Supervisor) forgetWriters() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.writing)
}
