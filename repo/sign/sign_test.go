package sign

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func mustOpen(t *testing.T, now func() time.Time) (*Key, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys", "signing.asc")
	key, err := Open(file, "Hostler repository test", now)
	if err != nil {
		t.Fatal(err)
	}
	return key, file
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestGpgvAcceptsTheSignatures(t *testing.T) {
	if _, err := exec.LookPath("gpgv"); err != nil {
		t.Skip("gpgv is not installed: its view of the signatures goes untested")
	}
	key, _ := mustOpen(t, time.Now)
	message := []byte("Suite: stable\n- a line that must be escaped\n")
	armored, err := key.DetachedArmored(message)
	if err != nil {
		t.Fatal(err)
	}
	clear, err := key.ClearSigned(message)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := key.Detached(bytes.NewReader(message))
	if err != nil {
		t.Fatal(err)
	}
	ring, text := write(t, "key.gpg", key.PublicBinary()), write(t, "message", message)
	for name, args := range map[string][]string{
		"armored": {write(t, "sig.asc", armored), text},
		"bare":    {write(t, "sig", bare), text},
		"clear":   {write(t, "message.asc", clear)},
	} {
		out, err := exec.CommandContext(t.Context(), "gpgv", append([]string{"--keyring", ring}, args...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), `Good signature from "Hostler repository test"`) {
			t.Errorf("%s: gpgv: %v\n%s", name, err, out)
		}
	}
	tampered := write(t, "message", append([]byte("x"), message...))
	if exec.CommandContext(t.Context(), "gpgv", "--keyring", ring, write(t, "sig", bare), tampered).Run() == nil {
		t.Error("gpgv accepts another message")
	}
}

func TestKeyOutlivesRestartsAndClockChanges(t *testing.T) {
	now := time.Now()
	key, file := mustOpen(t, func() time.Time { return now })
	again, err := Open(file, "Hostler repository test", func() time.Time { return now.Add(-48 * time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	if key.Fingerprint() != again.Fingerprint() || !bytes.Equal(key.PublicArmored(), again.PublicArmored()) {
		t.Error("the key changed")
	}
	if _, err := again.ClearSigned([]byte("text\n")); err != nil {
		t.Errorf("with the clock set back: %v", err)
	}
}

func TestUnusableKeyFiles(t *testing.T) {
	key, _ := mustOpen(t, time.Now)
	for name, content := range map[string][]byte{
		"nothing": {}, "rubbish": []byte("rubbish"), "public half": key.PublicArmored(),
	} {
		file := write(t, "signing.asc", content)
		if _, err := Open(file, "x", time.Now); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: error = %v, want one that names the file", name, err)
		}
	}
	if _, err := Open(t.TempDir(), "x", time.Now); err == nil {
		t.Error("a directory was taken for a key")
	}
}
