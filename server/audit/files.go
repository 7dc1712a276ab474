package audit

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"hostler/db"
)

const (
	keyFile   = "key"  // what entries are sealed with, in hex
	headFile  = "head" // the newest entry of which this directory knows, sealed
	keyBytes  = 32
	headWidth = 160 // always as long, so that it is written in place at once
)

// ErrNoKey means that a log is sealed with a key that is not in the directory.
var ErrNoKey = errors.New("the audit log is sealed with another key")

// loadKey reads the key; os.ErrNotExist when there is none.
func loadKey(dir string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s holds no key: take it from a backup", filepath.Join(dir, keyFile))
	}
	return key, nil
}

// makeKey writes a new key; of two programs that do so at once both have the same afterwards.
func makeKey(dir string) ([]byte, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // never fails
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil { // CreateTemp has made it for its owner alone
		if err = os.Link(f.Name(), filepath.Join(dir, keyFile)); errors.Is(err, os.ErrExist) {
			err = nil
		}
	}
	if err := errors.Join(err, os.Remove(f.Name())); err != nil {
		return nil, err
	}
	return loadKey(dir)
}

// head reads what the directory knows of the newest entry. ok is false when there is no such file, or no true one.
func (r *Reader) head() (head db.AuditHead, ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(r.dir, headFile))
	if errors.Is(err, os.ErrNotExist) {
		return head, false, nil
	}
	if err != nil {
		return head, false, err
	}
	fields := strings.Split(strings.TrimSpace(string(text)), ":")
	if len(fields) != 3 {
		return head, false, nil
	}
	head.Entry, err = strconv.ParseInt(fields[0], 10, 64)
	head.Hash = fields[1]
	return head, err == nil && r.sealed(fields[0], head.Hash, fields[2]), nil
}

// keepHead notes in the directory which entry is the newest. It is not forced to the disk: what a failing power takes is
// found by the next start, as entries that are not there.
func (r *Reader) keepHead(head db.AuditHead) error {
	f, err := os.OpenFile(filepath.Join(r.dir, headFile), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	number := strconv.FormatInt(head.Entry, 10)
	line := number + ":" + head.Hash + ":" + r.sealOf(number, head.Hash)
	_, err = f.WriteAt(fmt.Appendf(nil, "%-*s\n", headWidth-1, line), 0)
	return errors.Join(err, f.Close())
}
