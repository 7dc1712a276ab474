package bootstrap

import (
	"bytes"
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
	Become       Become // how User becomes root; "" means BecomeSudo
	SudoPassword []byte // what Become asks for; or empty
	// Jump is the host through which the hosts are reached; nil when the server reaches them itself.
	Jump *Jump
	// Others are further sets, by the names that hosts ask for them with. They have none themselves.
	Others map[string]*Credentials

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
	if err := c.Become.Check(); err != nil {
		return err
	}
	if len(c.PrivateKey) > 0 || len(c.Password) == 0 {
		key, signer, info, err := parseKey(c.PrivateKey, c.Passphrase)
		if err != nil {
			return err
		}
		c.key, c.signer, c.info = key, signer, info
	}
	if c.Jump != nil {
		if err := c.Jump.check(c); err != nil {
			return err
		}
	}
	c.checked = true
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
	for _, other := range c.Others {
		other.Wipe()
	}
	c.Jump.wipe()
	for _, secret := range []*[]byte{&c.PrivateKey, &c.Passphrase, &c.Password, &c.SudoPassword} {
		clear(*secret)
		*secret = nil
	}
	wipeKey(c.key)
	c.key, c.signer = nil, nil
}

// Clone copies the secrets for another operation, which wipes them by itself. The copy is to be checked anew.
func (c *Credentials) Clone() *Credentials {
	c.mu.Lock()
	defer c.mu.Unlock()
	clone := &Credentials{
		User: c.User, Port: c.Port, Become: c.Become, PrivateKey: bytes.Clone(c.PrivateKey), Passphrase: bytes.Clone(c.Passphrase),
		Password: bytes.Clone(c.Password), SudoPassword: bytes.Clone(c.SudoPassword),
		Jump: c.Jump.clone(),
	}
	for name, other := range c.Others {
		clone.With(name, other.Clone())
	}
	return clone
}

// Changed is a further set: what is given anew, and the rest as in c. With a new key or password nothing of the old ways
// to log in is left.
func (c *Credentials) Changed(given *Credentials) *Credentials {
	set := c.Clone()
	for _, other := range set.Others {
		other.Wipe()
	}
	set.Others = nil
	with := given.Clone()
	if with.Jump == nil { // the set goes through that of c
		set.Jump.wipe()
		set.Jump = nil
	} else {
		with.Jump.complete(set.Jump)
		set.Jump = with.Jump
	}
	if len(with.PrivateKey)+len(with.Password) > 0 {
		for _, old := range [][]byte{set.PrivateKey, set.Passphrase, set.Password} {
			clear(old)
		}
		set.PrivateKey, set.Passphrase, set.Password = with.PrivateKey, with.Passphrase, with.Password
	}
	if with.Become != "" {
		set.Become = with.Become
	}
	if len(with.SudoPassword) > 0 {
		clear(set.SudoPassword)
		set.SudoPassword = with.SudoPassword
	}
	return set
}

// With adds a set of credentials under a name. Nobody else may use c meanwhile.
func (c *Credentials) With(name string, other *Credentials) {
	if c.Others == nil {
		c.Others = map[string]*Credentials{}
	}
	c.Others[name] = other
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
	if c.Jump != nil {
		given = append(given, "through "+c.Jump.Address)
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
