// Package upgrade replaces the agent's own binary, and takes the old one back if the new one does not work.
//
// What is under way is a record in the state directory, so that every program that finds it, old or new, after a
// crash or a power loss, knows what to do. A new binary is on trial until it has had a heartbeat answered and has
// every child agent that the old one had. Each of its starts is counted before it does anything else; one start
// too many, or no success within the window, and the old binary is in force again. A guardian, a process of the
// old binary, sees to that where the new one cannot and nobody restarts it.
package upgrade

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"hostler/agent/state"
)

const (
	// maxStarts is how often a new binary may start before it has proved itself: once, and once more after a
	// power loss or a mishap.
	maxStarts = 3
	// selftestTimeout bounds the self-test of a new binary.
	selftestTimeout = 30 * time.Second
	// busyWait is between attempts to execute it while somebody holds it open for writing.
	busyWait = 10 * time.Millisecond
	// maxBad bounds the list of versions that did not work.
	maxBad = 20
)

// Phase is where an upgrade is.
type Phase string

// The phases.
const (
	OnTrial    Phase = "on trial"    // the new binary is in place and has not proved itself
	RolledBack Phase = "rolled back" // the old binary is in place again; to be reported
)

// Record is an upgrade that is not over.
type Record struct {
	Job      string        `json:"job"`
	From     string        `json:"from"` // versions
	To       string        `json:"to"`
	Checksum string        `json:"checksum"` // of the new binary
	Binary   string        `json:"binary"`   // its path, and the old one's
	Window   time.Duration `json:"window"`
	Phase    Phase         `json:"phase"`
	Reason   string        `json:"reason,omitempty"` // for which it was rolled back
	Starts   int           `json:"starts"`
	Children []Child       `json:"children,omitempty"` // those that ran before
}

// Child is a running child agent.
type Child struct {
	Name    string `json:"name"`
	PID     int    `json:"pid"`
	Started string `json:"started"` // in the kernel's ticks since the boot
}

// Bad is a version that did not work.
type Bad struct {
	Checksum string `json:"checksum"`
	Version  string `json:"version"`
	Reason   string `json:"reason"`
}

// Names of the files in the state directory.
const (
	recordFile = "upgrade.json"
	badFile    = "upgrades-bad.json"
)

// Read returns the record in the state directory, nil where there is none.
func Read(stateDir string) (*Record, error) {
	var record Record
	found, err := load(filepath.Join(stateDir, recordFile), &record)
	if err != nil || !found {
		return nil, err
	}
	return &record, nil
}

// Write keeps the record.
func (r *Record) Write(stateDir string) error { return save(filepath.Join(stateDir, recordFile), r) }

// Close removes the record: everything is reported. A version that did not work is remembered.
func (r *Record) Close(stateDir string) error {
	if r.Phase == RolledBack {
		bad, err := BadVersions(stateDir)
		if err != nil {
			return err
		}
		bad = append(bad, Bad{Checksum: r.Checksum, Version: r.To, Reason: r.Reason})
		if err := save(filepath.Join(stateDir, badFile), bad[max(0, len(bad)-maxBad):]); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(stateDir, recordFile)); err != nil {
		return fmt.Errorf("cannot end the upgrade: %w", err)
	}
	return state.SyncDir(stateDir)
}

// BadVersions returns the versions that did not work.
func BadVersions(stateDir string) ([]Bad, error) {
	var bad []Bad
	_, err := load(filepath.Join(stateDir, badFile), &bad)
	return bad, err
}

func load(path string, into any) (found bool, err error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(content, into)
	}
	if err != nil {
		return false, fmt.Errorf("cannot read what is known of upgrades: %w", err)
	}
	return true, nil
}

func save(path string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot encode what is known of upgrades: %w", err)
	}
	return state.WriteFile(path, content, 0o600)
}

// Verify says whether the CA signed the sum (32 bytes); the signature is base64 of ASN.1.
func Verify(cas []*x509.Certificate, sum []byte, signature string) error {
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || signature == "" {
		return errors.New("the signature is missing or not base64")
	}
	for _, ca := range cas {
		if key, ok := ca.PublicKey.(*ecdsa.PublicKey); ok && ecdsa.VerifyASN1(key, sum, raw) {
			return nil
		}
	}
	return errors.New("the signature is not the server's CA's")
}

// Binary is the path of the agent's own file, also when another file is there by now.
func Binary() (string, error) {
	path, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return "", fmt.Errorf("cannot find the agent's own file: %w", err)
	}
	return strings.TrimSuffix(path, " (deleted)"), nil
}

// Selftest runs the new binary's self-test, which must name the version that is wanted.
func Selftest(ctx context.Context, binary, config, version string) error {
	ctx, cancel := context.WithTimeout(ctx, selftestTimeout)
	defer cancel()
	output, err := selftest(ctx, binary, config)
	output = output[:min(len(output), 1000)]
	if err != nil {
		return fmt.Errorf("its self-test failed: %w: %s", err, bytes.TrimSpace(output))
	}
	if words := strings.Fields(string(output)); version != "" && !slices.Contains(words, version) {
		return fmt.Errorf("it is not version %s: %s", version, bytes.TrimSpace(output))
	}
	return nil
}

// selftest waits until the binary can be executed: a process that the agent started while it wrote the file holds that open
// until it has become its own program.
func selftest(ctx context.Context, binary, config string) ([]byte, error) {
	for {
		test := exec.CommandContext(ctx, binary, "selftest", "--config", config)
		test.WaitDelay = time.Second
		output, err := test.CombinedOutput()
		if !errors.Is(err, syscall.ETXTBSY) {
			return output, err
		}
		select {
		case <-time.After(busyWait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Checksum is "SHA256:<hex>" of a file.
func Checksum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot read a binary: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("cannot read a binary: %w", err)
	}
	return fmt.Sprintf("SHA256:%x", sum.Sum(nil)), nil
}

// previous is where the old binary is kept.
func previous(binary string) string { return binary + ".previous" }

// Swap puts the new binary in its place and keeps the one that runs beside it.
func Swap(fresh, binary string) error {
	if err := keepRunning(binary); err != nil {
		return fmt.Errorf("cannot keep the old binary: %w", err)
	}
	if err := os.Rename(fresh, binary); err != nil {
		return fmt.Errorf("cannot replace the binary: %w", err)
	}
	return state.SyncDir(filepath.Dir(binary))
}

// keepRunning copies the file that this process runs: what is at its path may be another by now.
func keepRunning(binary string) (err error) {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // only read
	path := previous(binary) + ".new"
	to, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755) //nolint:gosec // a program
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = os.Rename(path, previous(binary))
	}
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return state.SyncDir(filepath.Dir(binary))
}

// RollBack puts the old binary back in its place. It may be called again after a crash.
func (r *Record) RollBack(stateDir, reason string) error {
	err := os.Rename(previous(r.Binary), r.Binary)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // it is back already
		return fmt.Errorf("cannot take the old binary back: %w", err)
	}
	if err := state.SyncDir(filepath.Dir(r.Binary)); err != nil {
		return err
	}
	r.Phase, r.Reason = RolledBack, reason
	return r.Write(stateDir)
}
