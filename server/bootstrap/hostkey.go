package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"hostler/db"
	"hostler/server/operation"
)

const fingerprintSeparator = ", "

// hostKeys holds what is known of one target's keys against what it shows.
type hostKeys struct {
	target    target
	known     []db.SSHHostKey
	presented ssh.PublicKey
	failure   error
}

func (b *Bootstrap) knownHostKeys(ctx context.Context, t target) (*hostKeys, error) {
	known, err := b.DB.SSHHostKeys(ctx, t.key())
	return &hostKeys{target: t, known: known}, err
}

// preferred lists the algorithms for host keys, the cheapest of the strong ones first. A key type has several
// where it can sign in several ways.
var preferred = []struct {
	keyType    string
	algorithms []string
}{
	{ssh.KeyAlgoED25519, []string{ssh.KeyAlgoED25519}},
	{ssh.KeyAlgoECDSA256, []string{ssh.KeyAlgoECDSA256}},
	{ssh.KeyAlgoECDSA384, []string{ssh.KeyAlgoECDSA384}},
	{ssh.KeyAlgoECDSA521, []string{ssh.KeyAlgoECDSA521}},
	{ssh.KeyAlgoRSA, []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}},
}

// algorithms orders the host key algorithms so that a host with several keys shows the one that is known.
func (k *hostKeys) algorithms() []string {
	var known, others []string
	for _, p := range preferred {
		if k.knows(p.keyType) {
			known = append(known, p.algorithms...)
		} else {
			others = append(others, p.algorithms...)
		}
	}
	return slices.Concat(known, others)
}

func (k *hostKeys) knows(keyType string) bool {
	return slices.ContainsFunc(k.known, func(h db.SSHHostKey) bool { return h.Algorithm == keyType })
}

// check is the ssh.HostKeyCallback. Another type of key than the known ones is a change, too: a host that
// still had a known one would have shown it.
func (k *hostKeys) check(_ string, _ net.Addr, key ssh.PublicKey) error {
	k.presented = key
	if len(k.known) == 0 {
		return nil
	}
	var fingerprints []string
	for _, h := range k.known {
		known, _, _, _, err := ssh.ParseAuthorizedKey([]byte(h.Key))
		if err == nil && bytes.Equal(known.Marshal(), key.Marshal()) {
			return nil
		}
		fingerprints = append(fingerprints, h.Fingerprint)
	}
	k.failure = fail(codeHostKeyChanged, nil, "host", k.target.address, "target", k.target.key(),
		"known", strings.Join(fingerprints, fingerprintSeparator), "now", ssh.FingerprintSHA256(key))
	return errors.New("the host key has changed")
}

// keep stores a key that was seen for the first time.
func (k *hostKeys) keep(ctx context.Context, d *db.DB, logf func(string, ...any)) error {
	fingerprint := ssh.FingerprintSHA256(k.presented)
	if len(k.known) > 0 {
		logf("the host key is the known one, %s", fingerprint)
		return nil
	}
	logf("the host key is new and trusted from now on: %s %s", k.presented.Type(), fingerprint)
	row := k.row()
	// A second attempt in the same run must hold the host to this key.
	k.known = append(k.known, row)
	return d.TrustSSHHostKey(context.WithoutCancel(ctx), &row)
}

// row is the key that the host showed, as it is stored.
func (k *hostKeys) row() db.SSHHostKey {
	return db.SSHHostKey{
		Target: k.target.key(), Algorithm: k.presented.Type(), Fingerprint: ssh.FingerprintSHA256(k.presented), CreatedAt: db.Now(),
		Key: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k.presented))),
	}
}

// ChangedKey is what a person decides on when a host shows another key than before.
type ChangedKey struct {
	Target string // "name:port"
	Known  string // fingerprints of the keys that are trusted
	Now    string // fingerprint of the key that the host shows
}

// ForgetHostKey stops trusting the old keys of a task's host, so that the task's next run trusts the key that it
// finds. Only those that the task's failure names are forgotten. It gives operation.ErrNothingToDo unless the
// task has failed because the key of the host, or of its jump host, had changed; forgotten is false when somebody else was faster.
func ForgetHostKey(ctx context.Context, d *db.DB, t *db.Task) (k ChangedKey, forgotten bool, err error) {
	if t.State != db.Failed || t.Problem.Code != codeHostKeyChanged && t.Problem.Code != codeJumpHostKeyChanged {
		return k, false, operation.ErrNothingToDo
	}
	args := t.Problem.Args
	k = ChangedKey{Target: args["target"], Known: args["known"], Now: args["now"]}
	n, err := d.ForgetSSHHostKeys(ctx, k.Target, strings.Split(k.Known, fingerprintSeparator))
	return k, n > 0, err
}
