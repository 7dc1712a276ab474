package process

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// ReadFile returns what a file of /proc or of a control group says now. os.ReadFile would offer the file to the runtime's poller
// first, which refuses those after six calls of the kernel; looks at processes are all that an idle agent does.
func ReadFile(path string) (content []byte, err error) {
	fd, err := again(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }() // only read
	content = make([]byte, 0, 1024)
	for {
		n, err := again(func() (int, error) { return unix.Read(fd, content[len(content):cap(content)]) })
		if err != nil {
			return nil, &os.PathError{Op: "read", Path: path, Err: err}
		}
		if n == 0 {
			return content, nil
		}
		if content = content[:len(content)+n]; len(content) == cap(content) {
			content = append(make([]byte, 0, 4*cap(content)), content...)
		}
	}
}

// entries names what is in a directory of /proc; nothing when it is gone.
func entries(path string) (names []string) {
	fd, err := again(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }() // only read
	buffer := make([]byte, 4096)
	for {
		n, err := again(func() (int, error) { return unix.Getdents(fd, buffer) })
		if err != nil || n == 0 {
			return names
		}
		_, _, names = unix.ParseDirent(buffer[:n], -1, names)
	}
}

// again calls until no signal cuts the call short.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

func path(pid int, file string) string { return filepath.Join("/proc", strconv.Itoa(pid), file) }
