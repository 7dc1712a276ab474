package supervise

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"hostler/agent/wire"
)

// rotate keeps the logs within their size. The child holds its files open, so a log is copied and then made empty; what is
// written in the instant between is lost. The agent never reads a line for any other reason.
func (c *child) rotate() {
	for _, stream := range []wire.Stream{wire.Stdout, wire.Stderr} {
		path := c.s.LogPath(c.name, stream)
		info, err := os.Stat(path)
		if err != nil || info.Size() <= c.def.LogSize {
			continue
		}
		if err := rotate(path, c.def.LogCount, c.def.LogSize); err != nil {
			c.s.Log.Error("a child agent's log cannot be rotated", "name", c.name, "error", err)
		}
	}
}

// rotate moves path.1 to path.2 and so on, the newest size bytes of path to path.1, and empties path. When the disk takes
// no copy the log is emptied all the same: that the disk stays bounded matters more.
func rotate(path string, count int, size int64) error {
	if count == 0 {
		return os.Truncate(path, 0)
	}
	numbered := func(n int) string { return fmt.Sprintf("%s.%d", path, n) }
	fresh := path + ".new"
	errs := []error{copyEnd(path, fresh, size), os.Truncate(path, 0)}
	for n := count - 1; n >= 1; n-- {
		if err := os.Rename(numbered(n), numbered(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, os.Rename(fresh, numbered(1)))...)
}

func copyEnd(from, to string, most int64) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // only read
	info, err := source.Stat()
	if err != nil {
		return err
	}
	if _, err := source.Seek(max(0, info.Size()-most), io.SeekStart); err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err = io.Copy(target, io.LimitReader(source, most)); err != nil {
		return errors.Join(err, target.Close(), os.Remove(to))
	}
	return target.Close()
}
