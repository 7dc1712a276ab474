package bootstrap

import (
	"bytes"
	"cmp"
	"slices"
)

// redacted stands where a secret was.
const redacted = "[redacted]"

const (
	minSecret  = 4  // bytes; a shorter password is hidden only where it is all that is said
	minKeyLine = 16 // bytes; the last line of a key file may be as short as nothing
)

// redact hides the run's secrets in what the host printed. A host can repeat what it was sent: a password that
// sudo did not ask for, a token, a file of the key that lies on it as well.
func (r *run) redact(text string) string {
	line := []byte(text)
	if c, ok := r.task.Secrets().(*Credentials); ok {
		line = c.redact(line)
		for _, other := range c.Others {
			line = other.redact(line)
		}
	}
	return string(hide(line, []byte(r.token)))
}

// redact hides the secrets, copying none of them.
func (c *Credentials) redact(line []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Jump != nil && c.Jump.Login != nil {
		line = c.Jump.Login.redact(line)
	}
	secrets := [][]byte{c.Password, c.SudoPassword, c.Passphrase}
	for keyLine := range bytes.Lines(c.PrivateKey) {
		keyLine = bytes.TrimSpace(keyLine)
		if len(keyLine) >= minKeyLine && !bytes.HasPrefix(keyLine, []byte("-----")) {
			secrets = append(secrets, keyLine)
		}
	}
	// The longest first: one may be the beginning of another.
	slices.SortFunc(secrets, func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
	for _, secret := range secrets {
		line = hide(line, secret)
	}
	return line
}

func hide(line, secret []byte) []byte {
	switch {
	case len(secret) == 0:
		return line
	case len(secret) < minSecret:
		if bytes.Equal(bytes.TrimSpace(line), secret) {
			return []byte(redacted)
		}
		return line
	}
	return bytes.ReplaceAll(line, secret, []byte(redacted))
}
