// Package space holds back some room on the file system of the agent's state, gives it up when the disk is full so
// that results and events can still be written, and tells when the disk fills and when there is room again.
//
// It deletes nothing but its own file.
package space

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"hostler/agent/wire"
)

const (
	// reserved is what is held back, in bytes: some hundred results.
	reserved = 512 << 10
	// fullBelow and freedAbove are the bytes left at which a disk counts as full, and as no longer full. They are
	// apart so that a disk at the edge is not told of every few seconds.
	fullBelow  = 1 << 20
	freedAbove = 8 << 20
)

// Room is the room in one directory. Its methods may be called from any goroutine.
type Room struct {
	dir  string
	emit func(wire.Event)

	mu   sync.Mutex
	held bool
	full bool
}

// Open holds room back in dir. Where there is none, the disk is full from the start; Check tells so.
func Open(dir string) *Room {
	r := &Room{dir: dir, emit: func(wire.Event) {}}
	r.hold()
	return r
}

// Emit sets where events go. It is to be called before the Room is shared.
func (r *Room) Emit(emit func(wire.Event)) { r.emit = emit }

// Full says whether the disk is full.
func (r *Room) Full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full
}

// Use calls write, which writes something small that must not be lost, and once more with the room that was held
// back if the disk is full.
func (r *Room) Use(write func() error) error {
	err := write()
	if !IsFull(err) {
		return err
	}
	r.mu.Lock()
	if r.held {
		_ = os.Remove(r.path())
		r.held = false
	}
	r.mu.Unlock()
	return write()
}

// Check looks at the disk, tells of a change, and holds room back again once there is some.
func (r *Room) Check() {
	var stat unix.Statfs_t
	if unix.Statfs(r.dir, &stat) != nil {
		return
	}
	free := stat.Bavail * uint64(stat.Bsize)
	r.mu.Lock()
	before := r.full
	switch {
	case free < fullBelow:
		r.full = true
	case free > freedAbove:
		r.full = false
	}
	after := r.full
	if !after && !r.held {
		r.hold()
	}
	r.mu.Unlock()
	params := map[string]string{"path": r.dir}
	switch {
	case after && !before:
		r.emit(wire.Event{Kind: wire.EventDiskFull, Severity: wire.SeverityError, Params: params})
	case before && !after:
		r.emit(wire.Event{Kind: wire.EventDiskFreed, Severity: wire.SeverityInfo, Params: params})
	}
}

// IsFull says whether an error comes from a full disk or a used-up quota.
func IsFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Enough returns an error that IsFull where the file system of dir has less than size bytes left besides what
// counts as full.
func Enough(dir string, size int64) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return fmt.Errorf("cannot see how much room %s has: %w", dir, err)
	}
	free := int64(stat.Bavail) * stat.Bsize
	if free < size+fullBelow {
		return fmt.Errorf("%s has %d bytes left and %d are needed: %w", dir, free, size+fullBelow, syscall.ENOSPC)
	}
	return nil
}

func (r *Room) path() string { return filepath.Join(r.dir, "reserve") }

// hold takes the room, really: a file with a hole in it would hold nothing.
func (r *Room) hold() {
	err := os.WriteFile(r.path(), make([]byte, reserved), 0o600)
	if err != nil {
		_ = os.Remove(r.path())
	}
	r.held = err == nil
}
