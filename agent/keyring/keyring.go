// Package keyring keeps the keys by which the host's package managers trust the server's repository: the files that the setup script
// has put beside agent.ini, and what rpm has imported of them. It asks no server, and makes no file that was not there.
package keyring

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hostler/agent/state"
	"hostler/agent/wire"
)

// Keyring is the keys of a host.
type Keyring struct {
	Dir string // where the files are
	RPM string // rpm's database; "" is the host's
}

// Files of keys: that of apt, and that of dnf, yum and zypper.
const (
	binaryFile  = "repository.gpg"
	armoredFile = "repository.asc"
)

// rpmLimit bounds how long rpm may take: another package manager may hold its lock. The next heartbeat brings the keys again.
const rpmLimit = time.Minute

// importedName is what all of the server's keys are called, as rpm tells it.
const importedName = "Hostler repository "

// Told is how the server is told which files there are: by the beginnings of their digests.
func (k *Keyring) Told() []string {
	var told []string
	for _, name := range []string{binaryFile, armoredFile} {
		text, err := os.ReadFile(filepath.Join(k.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		sum := sha256.Sum256(text) // of nothing, when it cannot be read
		told = append(told, hex.EncodeToString(sum[:])[:wire.KeyDigest])
	}
	if told == nil {
		return []string{wire.NoKeyFile}
	}
	return told
}

// Take lets the host trust these keys, and none that the server has told of before.
func (k *Keyring) Take(ctx context.Context, keys *wire.RepositoryKeys) error {
	if keys.Armored == "" || len(keys.Binary) == 0 || len(keys.Fingerprints) == 0 {
		return errors.New("the server tells of no keys")
	}
	for name, text := range map[string][]byte{binaryFile: keys.Binary, armoredFile: []byte(keys.Armored)} {
		path := filepath.Join(k.Dir, name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if name == armoredFile {
			if err := k.takeByRPM(ctx, keys); err != nil {
				return err
			}
		}
		if err := state.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// takeByRPM imports keys, so that nobody is asked about them when they sign something, and forgets others of the server. It comes
// before the file is written: the server learns of the file, and then counts on both.
func (k *Keyring) takeByRPM(ctx context.Context, keys *wire.RepositoryKeys) error {
	program, err := exec.LookPath("rpm")
	if err != nil {
		return nil // there is no rpm that could trust anything
	}
	ctx, cancel := context.WithTimeout(ctx, rpmLimit)
	defer cancel()
	text, err := os.CreateTemp(k.Dir, ".keys-*")
	if err != nil {
		return fmt.Errorf("cannot write down the repository's keys: %w", err)
	}
	defer func() { _ = os.Remove(text.Name()) }() // rpm has read it
	_, err = text.WriteString(keys.Armored)
	if err := errors.Join(err, text.Close()); err != nil {
		return fmt.Errorf("cannot write down the repository's keys: %w", err)
	}
	rpm := func(args ...string) ([]byte, error) {
		does := args[0]
		if k.RPM != "" {
			args = append([]string{"--dbpath", k.RPM}, args...)
		}
		var out, said bytes.Buffer
		command := exec.CommandContext(ctx, program, args...)
		command.Stdout, command.Stderr, command.WaitDelay = &out, &said, time.Second
		if err := command.Run(); err != nil {
			return out.Bytes(), fmt.Errorf("rpm %s: %w: %.300s", does, err, bytes.TrimSpace(said.Bytes()))
		}
		return out.Bytes(), nil
	}
	if _, err := rpm("--import", text.Name()); err != nil {
		return err
	}
	// With a status of 1 it says that there are none; what was just imported tells that from a failure.
	list, err := rpm("--query", "--queryformat", `%{version}-%{release} %{summary}\n`, "gpg-pubkey")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(list)) {
		imported, summary, _ := strings.Cut(line, " ")
		version, _, _ := strings.Cut(imported, "-")
		kept := slices.ContainsFunc(keys.Fingerprints, func(f string) bool { return strings.HasSuffix(f, version) })
		if kept || !strings.Contains(summary, importedName) {
			continue
		}
		if _, err := rpm("--erase", "gpg-pubkey-"+imported); err != nil {
			return err
		}
	}
	return nil
}
