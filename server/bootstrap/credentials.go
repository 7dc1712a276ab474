package bootstrap

import (
	"crypto"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/crypto/ssh"
)

// DefaultPort is where SSH servers listen unless told otherwise.
const DefaultPort = 22

// Credentials are what a person gives for logging in on hosts. They live in memory for the life of their
// operation and are overwritten then. They print as nothing but the user and what was given.
type Credentials struct {
	User         string // "" means root
	Port         int    // 0 means DefaultPort
	PrivateKey   []byte // OpenSSH or PEM; or empty
	Passphrase   []byte // of the key; or empty
	Password     []byte // for logging in; or empty
	SudoPassword []byte // or empty

	mu      sync.Mutex
	checked bool // nothing above is changed any more but by Wipe
	key     crypto.PrivateKey
	signer  ssh.Signer
	info    KeyInfo
}

// Check fills the defaults, checks every field and parses the key, once for all hosts: later calls change nothing,
// so that the fields may be read meanwhile. The error is a *FieldError.
func (c *Credentials) Check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.checked {
		if c.signer == nil && len(c.Password) == 0 { // wiped
			return fieldError(fieldKey, codeKeyNeeded)
		}
		return nil
	}
	c.User = strings.TrimSpace(c.User)
	if c.User == "" {
		c.User = "root"
	}
	if len(c.User) > 256 || strings.ContainsFunc(c.User, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }) {
		return fieldError("user", codeUserInvalid)
	}
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	if c.Port < 1 || c.Port > 65535 {
		return fieldError("port", codePortInvalid)
	}
	if len(c.PrivateKey) == 0 && len(c.Password) > 0 {
		c.checked = true
		return nil
	}
	key, signer, info, err := parseKey(c.PrivateKey, c.Passphrase)
	if err != nil {
		return err
	}
	c.key, c.signer, c.info, c.checked = key, signer, info, true
	return nil
}

// Key describes the private key that Check found; the zero KeyInfo when there is none.
func (c *Credentials) Key() KeyInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info
}

// Wipe overwrites the secrets.
func (c *Credentials) Wipe() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, secret := range []*[]byte{&c.PrivateKey, &c.Passphrase, &c.Password, &c.SudoPassword} {
		clear(*secret)
		*secret = nil
	}
	wipeKey(c.key)
	c.key, c.signer = nil, nil
}

// auth lists the ways to log in, the key first.
func (c *Credentials) auth() []ssh.AuthMethod {
	c.mu.Lock()
	defer c.mu.Unlock()
	var methods []ssh.AuthMethod
	if c.signer != nil {
		methods = append(methods, ssh.PublicKeys(c.signer))
	}
	if len(c.Password) > 0 {
		password := func() (string, error) { return string(c.Password), nil }
		methods = append(methods, ssh.PasswordCallback(password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, echos []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i, echo := range echos {
					if !echo { // only a password is asked for without an echo
						answers[i] = string(c.Password)
					}
				}
				return answers, nil
			}))
	}
	return methods
}

// String names what was given, never the secrets.
func (c *Credentials) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var given []string
	for _, field := range []struct {
		name  string
		value []byte
	}{{"key", c.PrivateKey}, {"passphrase", c.Passphrase}, {"password", c.Password}, {"sudo password", c.SudoPassword}} {
		if len(field.value) > 0 {
			given = append(given, field.name)
		}
	}
	return fmt.Sprintf("%s port %s (%s)", c.User, strconv.Itoa(c.Port), strings.Join(given, ", "))
}

// GoString is String, so that no way of printing shows the secrets.
func (c *Credentials) GoString() string { return c.String() }

// Format is String for every verb; %x of a struct would print the secrets' bytes.
func (c *Credentials) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// LogValue is String.
func (c *Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON refuses: credentials are stored and sent nowhere.
func (c *Credentials) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("cannot encode credentials: they must not leave the memory")
}
