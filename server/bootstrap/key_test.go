package bootstrap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
)

// keyFile makes a private key with a tool and returns its text.
func keyText(t testing.TB, tool string, args ...string) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "FILE", file)
	}
	runTool(t, tool, args...)
	text, err := os.ReadFile(file)
	must(t, err)
	return text
}

// keyForms are all forms of private keys that people have. One round of key derivation (-a 1) is enough to read them; the
// usual sixteen take a second each under the race detector.
var keyForms = []struct {
	name      string
	kind      string
	bits      int
	tool      string
	args      string
	encrypted bool
}{
	{"ed25519 OpenSSH", "ed25519", 256, "ssh-keygen", "-q -t ed25519 -N  -f FILE", false},
	{"ed25519 OpenSSH encrypted", "ed25519", 256, "ssh-keygen", "-q -t ed25519 -a 1 -N PASS -f FILE", true},
	{"ed25519 OpenSSH encrypted CBC", "ed25519", 256, "ssh-keygen", "-q -t ed25519 -a 1 -Z aes256-cbc -N PASS -f FILE", true},
	{"ed25519 PKCS8", "ed25519", 256, "openssl", "genpkey -algorithm ed25519 -out FILE", false},
	{"ed25519 PKCS8 encrypted", "ed25519", 256, "openssl", "genpkey -algorithm ed25519 -aes-256-cbc -pass pass:PASS -out FILE", true},
	{"ecdsa OpenSSH", "ecdsa", 256, "ssh-keygen", "-q -t ecdsa -N  -f FILE", false},
	{"ecdsa 521 OpenSSH encrypted", "ecdsa", 521, "ssh-keygen", "-q -t ecdsa -a 1 -b 521 -N PASS -f FILE", true},
	{"ecdsa SEC1", "ecdsa", 384, "ssh-keygen", "-q -t ecdsa -b 384 -m PEM -N  -f FILE", false},
	{"ecdsa SEC1 with parameters", "ecdsa", 256, "openssl", "ecparam -name prime256v1 -genkey -out FILE", false},
	{"ecdsa SEC1 encrypted", "ecdsa", 256, "ssh-keygen", "-q -t ecdsa -m PEM -N PASS -f FILE", true},
	{"ecdsa PKCS8", "ecdsa", 256, "ssh-keygen", "-q -t ecdsa -m PKCS8 -N  -f FILE", false},
	{"ecdsa PKCS8 encrypted", "ecdsa", 256, "ssh-keygen", "-q -t ecdsa -m PKCS8 -N PASS -f FILE", true},
	{"rsa OpenSSH", "rsa", 2048, "ssh-keygen", "-q -t rsa -b 2048 -N  -f FILE", false},
	{"rsa OpenSSH encrypted", "rsa", 2048, "ssh-keygen", "-q -t rsa -a 1 -b 2048 -N PASS -f FILE", true},
	{"rsa PKCS1", "rsa", 2048, "ssh-keygen", "-q -t rsa -b 2048 -m PEM -N  -f FILE", false},
	{"rsa PKCS1 encrypted", "rsa", 2048, "ssh-keygen", "-q -t rsa -b 2048 -m PEM -N PASS -f FILE", true},
	{"rsa PKCS8", "rsa", 2048, "openssl", "genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out FILE", false},
	{"rsa PKCS8 encrypted", "rsa", 2048, "ssh-keygen", "-q -t rsa -b 2048 -m PKCS8 -N PASS -f FILE", true},
	{"rsa PKCS8 encrypted 3DES", "rsa", 2048, "openssl", "genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -des3 -pass pass:PASS -out FILE", true},
}

const passphrase = "correct horse"

func makeKey(t testing.TB, i int) []byte {
	t.Helper()
	f := keyForms[i]
	args := strings.Split(f.args, " ")
	for j := range args {
		args[j] = strings.ReplaceAll(args[j], "PASS", passphrase)
	}
	return keyText(t, f.tool, args...)
}

// Every form is read and logs in on a real server.
func TestParseKeyForms(t *testing.T) {
	var public []ssh.PublicKey
	var all []*Credentials
	me, _ := login(t)
	for i, f := range keyForms {
		text := makeKey(t, i)
		c := &Credentials{User: me.User, PrivateKey: text}
		if f.encrypted {
			wantField(t, c.Check(), fieldPassphrase, codeKeyEncrypted)
			_, _, err := ParseKey(text, []byte("wrong"))
			wantField(t, err, fieldPassphrase, codeWrongPassphrase)
			c.Passphrase = []byte(passphrase)
		}
		if err := c.Check(); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		if k := c.Key(); k.Type != f.kind || k.Bits != f.bits || k.Encrypted != f.encrypted || !strings.HasPrefix(k.Fingerprint, "SHA256:") {
			t.Errorf("%s: %+v", f.name, k)
		}
		// Windows line ends, a byte order mark and a passphrase that is not needed change nothing.
		windows := append([]byte("\ufeff\r\n"), bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))...)
		if _, k, err := ParseKey(windows, []byte(passphrase)); err != nil || k.Fingerprint != c.Key().Fingerprint {
			t.Errorf("%s with Windows line ends: %+v, %v", f.name, k, err)
		}
		public = append(public, c.signer.PublicKey())
		all = append(all, c)
	}
	s := newSSHD(t, "", public)
	b := newBootstrap(t)
	for i, c := range all {
		t.Run(keyForms[i].name, func(t *testing.T) { connectTo(t, b, s, c) })
	}
}

// What a wrong passphrase decrypts to looks a little like a key now and then.
func TestAWrongPassphraseIsNeverTakenForADamagedKey(t *testing.T) {
	for i, f := range keyForms {
		tries := map[string]int{"ecdsa SEC1 encrypted": 2000, "ed25519 PKCS8 encrypted": 1000}[f.name]
		if tries == 0 {
			continue
		}
		text := makeKey(t, i)
		for n := range tries {
			_, _, err := ParseKey(text, []byte("wrong "+strconv.Itoa(n)))
			wantField(t, err, fieldPassphrase, codeWrongPassphrase)
			if t.Failed() {
				t.Fatalf("%s, attempt %d: %v", f.name, n, err)
			}
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	ed := makeKey(t, 0)
	file := filepath.Join(t.TempDir(), "id")
	write(t, file, ed, 0o600)
	public := runTool(t, "ssh-keygen", "-y", "-f", file)
	write(t, file+".pub", []byte(public), 0o644)
	runTool(t, "ssh-keygen", "-q", "-s", file, "-I", "test", file+".pub")
	certificate, err := os.ReadFile(file + "-cert.pub")
	must(t, err)
	x509Certificate := runTool(t, "openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-keyout", os.DevNull)
	short := strings.SplitAfter(string(ed), "\n")
	tests := []struct {
		name, text string
		code, says string
	}{
		{"empty", " \n", codeKeyNeeded, "password"},
		{"public", public, codeKeyPublic, "private key is needed"},
		{"public RFC 4716", runTool(t, "ssh-keygen", "-e", "-f", file), codeKeyPublic, "public"},
		{"public PEM", runTool(t, "ssh-keygen", "-e", "-m", "PKCS8", "-f", writeRSA(t)), codeKeyPublic, "public"},
		{"SSH certificate", string(certificate), codeKeyCertificate, "certificate"},
		{"X.509 certificate", x509Certificate, codeKeyCertificate, "certificate"},
		{"PuTTY", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", codeKeyPutty, "PuTTY"},
		{"5 MB", strings.Repeat("x", 5<<20), codeKeyTooLarge, "5242880 bytes"},
		{"garbage", "hello", codeKeyInvalid, "BEGIN"},
		{"binary", "\x00\xff\xfe", codeKeyInvalid, "BEGIN"},
		{"cut off", strings.Join(short[:3], ""), codeKeyInvalid, "cut off"},
		{"empty block", "-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n", codeKeyInvalid, "not a private key"},
		{"DSA", string(dsaKey(t)), codeKeyUnsupported, "kind of key"},
		{"X25519", string(keyText(t, "openssl", "genpkey", "-algorithm", "x25519", "-out", "FILE")), codeKeyUnsupported, "Ed25519"},
		{"odd curve", string(keyText(t, "openssl", "ecparam", "-name", "secp256k1", "-genkey", "-out", "FILE")), codeKeyUnsupported, "kind of key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ParseKey([]byte(tt.text), nil)
			f := wantField(t, err, fieldKey, tt.code)
			if !strings.Contains(f.Message, tt.says) || strings.ContainsAny(f.Message+f.Hint, "{}") {
				t.Errorf("message %q, want one with %q", f.Message, tt.says)
			}
			if len(f.Message) > 300 {
				t.Errorf("the message has %d bytes", len(f.Message))
			}
		})
	}
}

func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----", "ssh-rsa AAAA"} {
		f.Add([]byte(s), []byte("x"))
	}
	f.Fuzz(func(t *testing.T, text, pass []byte) {
		_, _, err := ParseKey(text, pass)
		var field *FieldError
		if err != nil && !errors.As(err, &field) {
			t.Fatalf("%v is no field error", err)
		}
	})
}

func TestCredentialsCheck(t *testing.T) {
	password := []byte("x")
	tests := []struct {
		c     *Credentials
		field string
		code  string
	}{
		{&Credentials{}, fieldKey, codeKeyNeeded},
		{&Credentials{User: "a b", Password: password}, "user", codeUserInvalid},
		{&Credentials{User: "a\x00", Password: password}, "user", codeUserInvalid},
		{&Credentials{Port: 65536, Password: password}, "port", codePortInvalid},
		{&Credentials{Port: -1, Password: password}, "port", codePortInvalid},
		{&Credentials{PrivateKey: []byte("x"), Password: password}, fieldKey, codeKeyInvalid},
	}
	for _, tt := range tests {
		wantField(t, tt.c.Check(), tt.field, tt.code)
	}
	c := &Credentials{Password: password}
	must(t, c.Check())
	if c.User != "root" || c.Port != 22 {
		t.Errorf("defaults: %s port %d", c.User, c.Port)
	}
}

// All tasks of an operation check the same credentials and read their fields.
func TestCredentialsAreShared(t *testing.T) {
	c, _ := login(t)
	port := c.Port
	var tasks sync.WaitGroup
	for range 8 {
		tasks.Go(func() {
			for range 1000 { // long enough for the tasks to overlap
				if err := c.Check(); err != nil || c.User == "" || c.Port != port {
					t.Errorf("error %v, user %q, port %d", err, c.User, c.Port)
				}
			}
		})
	}
	tasks.Wait()
	c.Wipe()
	wantField(t, c.Check(), fieldKey, codeKeyNeeded)
}

func TestCredentialsShowNothing(t *testing.T) {
	const marker = "MARKER"
	c := &Credentials{
		User: "deploy", Port: 22, PrivateKey: []byte(marker), Passphrase: []byte(marker), Password: []byte(marker), SudoPassword: []byte(marker),
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("test", "credentials", c)
	slog.New(slog.NewTextHandler(&log, nil)).Info("test", "credentials", c)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&log, verb, c)
	}
	if body, err := json.Marshal(map[string]any{"c": c}); err == nil {
		t.Errorf("JSON %s", body)
	}
	for _, form := range []string{marker, fmt.Sprintf("%x", marker), "[77 65 82 75 69 82]"} {
		if strings.Contains(log.String(), form) {
			t.Errorf("%q is shown: %s", form, log.String())
		}
	}
	if !strings.Contains(log.String(), "deploy") {
		t.Error("not even the user is shown")
	}
}

func TestCredentialsWipe(t *testing.T) {
	for i, f := range keyForms {
		if f.encrypted {
			continue
		}
		c := &Credentials{PrivateKey: makeKey(t, i), Password: []byte("secret"), SudoPassword: []byte("secret"), Passphrase: []byte("secret")}
		must(t, c.Check())
		kept := [][]byte{c.PrivateKey, c.Password, c.SudoPassword, c.Passphrase}
		c.Wipe()
		for _, secret := range kept {
			if len(bytes.Trim(secret, "\x00")) > 0 {
				t.Errorf("%s: a secret is left", f.name)
			}
		}
		if c.signer != nil || len(c.auth()) != 0 {
			t.Errorf("%s: still able to log in", f.name)
		}
		c.Wipe()
	}
}

func wantField(t testing.TB, err error, field, code string) *FieldError {
	t.Helper()
	var f *FieldError
	if !errors.As(err, &f) {
		t.Fatalf("error %v, want one of field %s, code %s", err, field, code)
	}
	if f.Field != field || f.Code != code || f.Message == "" || f.Hint == "" {
		t.Fatalf("got %+v, want field %s, code %s", f, field, code)
	}
	return f
}

func writeRSA(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rsa")
	runTool(t, "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", file)
	return file
}

// dsaKey makes a key of the kind that OpenSSH no longer takes.
func dsaKey(t testing.TB) []byte {
	t.Helper()
	params := filepath.Join(t.TempDir(), "dsa")
	runTool(t, "openssl", "dsaparam", "-out", params, "1024")
	return keyText(t, "openssl", "gendsa", "-out", "FILE", params)
}
