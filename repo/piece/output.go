package piece

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"os"
)

// Output takes a list and sums it up on its way to a file.
type Output struct {
	file *os.File // nil: it is only summed up
	sum  hash.Hash
	size int64
}

// Create begins a file; without a name the list is only summed up.
func Create(name string) (*Output, error) {
	o := &Output{sum: sha256.New()}
	if name == "" {
		return o, nil
	}
	var err error
	o.file, err = os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	return o, err
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	n := len(p)
	var err error
	if o.file != nil {
		n, err = o.file.Write(p)
	}
	o.sum.Write(p[:n])
	o.size += int64(n)
	return n, err
}

// Close ends the file.
func (o *Output) Close() error {
	if o.file == nil {
		return nil
	}
	return o.file.Close()
}

// Size is how many bytes were written.
func (o *Output) Size() int64 { return o.size }

// SHA256 is the digest of what was written, in hex.
func (o *Output) SHA256() string { return hex.EncodeToString(o.sum.Sum(nil)) }
