package bootstrap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"hostler/db"
)

// A host that repeats what it is sent, as a shell with "set -x" does, or that has the same key in a file.
const repeating = `
echo "FIRST"
echo "the password is SUDO!" >&2
[ "$1" != detect ] || echo "os_name=Secret PASSPHRASE Linux"
[ "$1" != configure ] || { read -r token; echo "+ token=$token"; echo "hostler: error some-word: no $token" >&2; exit 18; }
`

func TestSecretsAreNotRepeated(t *testing.T) {
	c, key := login(t)
	lines := strings.Split(string(c.PrivateKey), "\n")
	c.SudoPassword, c.Password, c.Passphrase = []byte("sesame-open"), []byte("sesame"), []byte("passphrase for all")
	script := strings.NewReplacer("FIRST", lines[1], "SUDO", string(c.SudoPassword), "PASSPHRASE", string(c.Passphrase)).Replace(repeating)
	secrets := []string{lines[1], "sesame", "-open", "passphrase for all", testToken}
	r := newRig(t, script, nil)
	task := r.one(newSSHD(t, "", []ssh.PublicKey{key}), c)
	if task.State != db.Failed || task.Problem.Code != codeServiceFailed {
		t.Fatalf("task %s: %+v", task.State, task.Problem)
	}
	all := r.log(task.ID) + task.Note + fmt.Sprintf("%+v", task.Problem)
	for _, secret := range secrets {
		if strings.Contains(all, secret) {
			t.Errorf("%q is shown:\n%s", secret, all)
		}
	}
	for _, want := range []string{"the password is [redacted]!", "no [redacted]", "+ token=[redacted]", "Secret [redacted] Linux"} {
		if !strings.Contains(all, want) {
			t.Errorf("there is no %q:\n%s", want, all)
		}
	}
}

func TestShortSecrets(t *testing.T) {
	c := &Credentials{Password: []byte("abc")}
	for _, tt := range []struct{ line, want string }{{"abc", redacted}, {" abc ", redacted}, {"abcabc", "abcabc"}, {"", ""}} {
		if got := string(c.redact([]byte(tt.line))); got != tt.want {
			t.Errorf("%q becomes %q, want %q", tt.line, got, tt.want)
		}
	}
	if got := (&Credentials{}).redact([]byte("x")); !slices.Equal(got, []byte("x")) {
		t.Errorf("without secrets %q comes out", got)
	}
}
