package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"hostler/agent/wire"
)

// keeper keeps the head and the tail of a stream in two files. The tail's file is a ring: the byte at an offset
// of the stream is at that offset modulo its size. What the disk does not take is counted and not kept.
type keeper struct {
	output *os.File // what the command writes comes out here
	input  *os.File // the command's end
	head   *os.File
	tail   *os.File
	half   int64
	grown  func()

	size    int64
	headEnd int64 // nothing is added to the head once it is full
	full    bool
	broken  int64 // the tail is whole from here on
}

func newKeeper(dir, name string, half int64, grown func()) (*keeper, error) {
	k := &keeper{half: half, grown: grown}
	var err error
	if k.head, err = os.OpenFile(filepath.Join(dir, name+headSuffix), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("cannot keep the output: %w", err)
	}
	if k.tail, err = os.OpenFile(filepath.Join(dir, name+tailSuffix), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600); err != nil {
		return nil, fmt.Errorf("cannot keep the output: %w", err)
	}
	if k.output, k.input, err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("cannot make a pipe for the output: %w", err)
	}
	return k, nil
}

const (
	headSuffix = ".head"
	tailSuffix = ".tail"
)

// copy keeps what the command writes until nobody holds the stream open, or until stop.
func (k *keeper) copy() {
	_ = k.input.Close() // the command has its own
	buffer := make([]byte, 32<<10)
	for {
		n, err := k.output.Read(buffer)
		k.keep(buffer[:n])
		if err != nil {
			return
		}
	}
}

// stop ends copy although somebody holds the stream open.
func (k *keeper) stop() { _ = k.output.SetReadDeadline(time.Now()) }

func (k *keeper) close() Kept {
	_ = errors.Join(k.head.Close(), k.tail.Close(), k.output.Close())
	return Kept{Size: k.size, Head: k.headEnd, Tail: max(k.headEnd, k.size-k.half, k.broken), Ring: k.half}
}

func (k *keeper) keep(data []byte) {
	if room := k.half - k.headEnd; room > 0 && !k.full && len(data) > 0 {
		n, err := k.head.Write(data[:min(int64(len(data)), room)])
		k.headEnd += int64(n)
		k.size += int64(n)
		data = data[n:]
		k.full = err != nil
		k.grown()
	}
	for len(data) > 0 {
		at := k.size % k.half
		piece := data[:min(int64(len(data)), k.half-at)]
		if _, err := k.tail.WriteAt(piece, at); err != nil {
			k.broken = k.size + int64(len(piece))
		}
		k.size += int64(len(piece))
		data = data[len(piece):]
	}
}

// Available says how much of a stream's head can be read already.
func Available(dir string, stream wire.Stream) int64 {
	info, err := os.Stat(filepath.Join(dir, string(stream)+headSuffix))
	if err != nil {
		return 0
	}
	return info.Size()
}

// ReadHead reads from a stream's head into buffer.
func ReadHead(dir string, stream wire.Stream, offset int64, buffer []byte) (int, error) {
	return readAt(filepath.Join(dir, string(stream)+headSuffix), offset, buffer)
}

// ReadTail reads from what is kept of a stream's end into buffer; it may read less.
func ReadTail(dir string, stream wire.Stream, kept *Kept, offset int64, buffer []byte) (int, error) {
	at := offset % kept.Ring
	most := min(int64(len(buffer)), kept.Ring-at, kept.Size-offset)
	return readAt(filepath.Join(dir, string(stream)+tailSuffix), at, buffer[:most])
}

func readAt(path string, offset int64, buffer []byte) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("cannot read the output: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	n, err := f.ReadAt(buffer, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, fmt.Errorf("cannot read the output: %w", err)
	}
	return n, nil
}
