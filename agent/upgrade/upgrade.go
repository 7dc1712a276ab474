// Package upgrade replaces the agent's own binary, and stays with the old one if the new one does not work.
//
// What is under way is a record in the state directory, so that every program that finds it, after a crash or a power loss,
// knows what to do. A new binary is on trial until it has had a heartbeat answered and has every child agent that the
// old one had. Until then it lies beside the old one, and it is the old one that every start begins with, also the first
// after a boot: that counts the start, leaves a guardian behind and becomes the new one. One start too many, or no success
// within the window, and the old binary stays in force. The guardian, a process of the old binary, sees to that where the new
// one cannot and nobody restarts it. Nothing of it is left to a binary that nobody knows.
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
	OnTrial    Phase = "on trial"    // the new binary has not proved itself
	Proved     Phase = "proved"      // it has, and takes the old one's place; to be reported
	RolledBack Phase = "rolled back" // it has not, and the old one stays; to be reported
)

// Record is an upgrade that is not over.
type Record struct {
	Job      string        `json:"job"`
	From     string        `json:"from"` // versions
	To       string        `json:"to"`
	Checksum string        `json:"checksum"` // of the new binary
	Binary   string        `json:"binary"`   // where the agent's binary is, the old one during the trial
	Trial    string        `json:"trial"`    // where the new one is; "": in the old one's place, see inPlace
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
		if err := os.Remove(r.Trial); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove the new binary: %w", err)
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

// Fresh is where a new binary is put, and where it is as long as it is on trial.
func Fresh(binary string) string { return binary + ".next" }

// previous is where agents that put the new binary in place at once keep the old one, see inPlace.
func previous(binary string) string { return binary + ".previous" }

// Prove makes the new binary the one in force. A crash in it is made good by Start.
func (r *Record) Prove(stateDir string) error {
	r.Phase = Proved
	if err := r.Write(stateDir); err != nil {
		return err
	}
	return r.settle()
}

// settle puts the new binary, which has proved itself, in the old one's place, unless it is there.
func (r *Record) settle() error {
	if r.Trial == "" {
		return nil
	}
	if err := os.Rename(r.Trial, r.Binary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot put the new binary in place: %w", err)
	}
	_ = os.Remove(previous(r.Binary)) // an earlier agent's
	return state.SyncDir(filepath.Dir(r.Binary))
}

// RollBack gives the new binary up. It may be called again after a crash.
func (r *Record) RollBack(stateDir, reason string) error {
	if r.Trial == "" {
		err := os.Rename(previous(r.Binary), r.Binary)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it is back already
			return fmt.Errorf("cannot take the old binary back: %w", err)
		}
		if err := state.SyncDir(filepath.Dir(r.Binary)); err != nil {
			return err
		}
	}
	r.Phase, r.Reason = RolledBack, reason
	return r.Write(stateDir)
}
