package lab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/ssh"
)

// newKey makes a private key of a type that OpenSSH knows.
func newKey(keyType string) (crypto.Signer, error) {
	switch keyType {
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "ecdsa":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 3072)
	}
	return nil, fmt.Errorf("cannot make a key of type %q: known are ed25519, ecdsa and rsa", keyType)
}

// writeKey makes a key pair and writes path and path.pub in OpenSSH's format.
func writeKey(path, keyType, comment string) error {
	key, err := newKey(keyType)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return err
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return err
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))) + " " + comment + "\n"
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	return os.WriteFile(path+".pub", []byte(line), 0o644)
}

// makeKeys makes the key pairs that the hosts accept. Who called sudo may read them, to paste one into a browser.
func (l *Lab) makeKeys(types []string) error {
	if len(types) == 0 {
		types = []string{"ed25519"}
	}
	owner := os.Getuid()
	if uid, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil {
		owner = uid
	}
	for _, keyType := range types {
		path := filepath.Join(l.Dir, "id_"+keyType)
		if err := writeKey(path, keyType, "lab-"+l.Name); err != nil {
			return err
		}
		if err := os.Chown(path, owner, -1); err != nil {
			return err
		}
		l.Keys[keyType] = path
	}
	return nil
}

// seed gives every host its identity and names, and the server's side its names. The hosts are off.
func (l *Lab) seed() error {
	l.Users = []User{
		{Name: "root"},
		{Name: "operator", Password: rand.Text(), Sudo: "password"},
		{Name: "deploy", Password: rand.Text(), Sudo: "nopasswd"},
	}
	names := l.names()
	machine, err := os.Hostname()
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.HostsFile, []byte("127.0.0.1 localhost "+machine+"\n"+names), 0o644); err != nil {
		return err
	}
	switchFile := "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n"
	if err := os.WriteFile(filepath.Join(l.Dir, "nsswitch.conf"), []byte(switchFile), 0o644); err != nil {
		return err
	}
	keys, err := l.authorizedKeys()
	if err != nil {
		return err
	}
	for _, h := range l.Hosts {
		if err := h.seed(names, keys); err != nil {
			return fmt.Errorf("cannot prepare %s: %w", h.Name, err)
		}
	}
	return nil
}

// names returns the lines of /etc/hosts that all of the lab shares.
func (l *Lab) names() string {
	var b strings.Builder
	b.WriteString("::1 localhost ip6-localhost ip6-loopback\n")
	fmt.Fprintf(&b, "%s %s server\n", l.Server.Address, l.Server.Name)
	for _, h := range l.Hosts {
		fmt.Fprintf(&b, "%s %s %s\n", h.Address, h.Name, h.Label)
		for _, alias := range h.Aliases {
			fmt.Fprintf(&b, "%s %s\n", h.Address, alias)
		}
	}
	return b.String()
}

func (l *Lab) authorizedKeys() (string, error) {
	var b strings.Builder
	for _, path := range l.Keys {
		line, err := os.ReadFile(path + ".pub")
		if err != nil {
			return "", err
		}
		b.Write(line)
	}
	return b.String(), nil
}

// seed writes what makes the host differ from the base.
func (h *Host) seed(names, keys string) error {
	root := h.Root()
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	network := fmt.Sprintf("[Match]\nName=host0\n\n[Network]\nAddress=%s/%d\nLinkLocalAddressing=no\n"+
		"IPv6AcceptRA=no\nIgnoreCarrierLoss=yes\n", h.Address, h.lab.Subnet.Bits())
	for path, content := range map[string]string{
		"etc/hostname":   h.Name + "\n",
		"etc/hosts":      "127.0.0.1 localhost\n" + names,
		"etc/machine-id": hex.EncodeToString(id) + "\n",
		// The number comes before that of the file with which Debian would ask for an address.
		"etc/systemd/network/10-lab.network": network,
	} {
		if err := os.WriteFile(filepath.Join(root, path), []byte(content), 0o644); err != nil {
			return err
		}
	}
	for _, keyType := range []string{"ed25519", "ecdsa"} {
		if err := writeKey(filepath.Join(root, "etc/ssh/ssh_host_"+keyType+"_key"), keyType, "root@"+h.Label); err != nil {
			return err
		}
	}
	for _, u := range h.lab.Users {
		if err := seedUser(root, u, keys); err != nil {
			return err
		}
	}
	return nil
}

// seedUser lets a user of the base log in with the keys and with the password, if there is one.
func seedUser(root string, u User, keys string) error {
	home, uid, gid, err := account(root, u.Name)
	if err != nil {
		return err
	}
	dir := filepath.Join(root, home, ".ssh")
	file := filepath.Join(dir, "authorized_keys")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(keys), 0o600); err != nil {
		return err
	}
	for _, path := range []string{dir, file} {
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	if u.Password == "" {
		return nil
	}
	// Debian's libcrypt knows bcrypt. The cost is the least: the password is random and lives as long as the lab.
	hash, err := bcrypt.GenerateFromPassword([]byte(u.Password), bcrypt.MinCost)
	if err != nil {
		return err
	}
	return setShadow(filepath.Join(root, "etc/shadow"), u.Name, string(hash))
}

// account returns a user's home directory and the numbers of the user and the user's group.
func account(root, user string) (home string, uid, gid int, err error) {
	raw, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		return "", 0, 0, err
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.Split(line, ":")
		if len(f) != 7 || f[0] != user {
			continue
		}
		if uid, err = strconv.Atoi(f[2]); err == nil {
			gid, err = strconv.Atoi(f[3])
		}
		return f[5], uid, gid, err
	}
	return "", 0, 0, fmt.Errorf("cannot find user %s", user)
}

// setShadow replaces a user's password hash in shadow(5).
func setShadow(path, user, hash string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := strings.Split(string(raw), "\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, user+":") })
	if i < 0 {
		return fmt.Errorf("cannot find user %s in shadow", user)
	}
	fields := strings.Split(lines[i], ":")
	fields[1] = hash
	lines[i] = strings.Join(fields, ":")
	return os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o640)
}
