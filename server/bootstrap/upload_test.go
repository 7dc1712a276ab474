package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestUpload(t *testing.T) {
	for name, config := range map[string]string{
		"sftp":               "",
		"sftp program":       "Subsystem sftp /usr/lib/openssh/sftp-server",
		"no sftp":            "Subsystem other /bin/false",
		"sftp is broken":     "Subsystem sftp /no/such/program",
		"sftp says nonsense": "Subsystem sftp /bin/echo this is no sftp server at all",
	} {
		t.Run(name, func(t *testing.T) {
			c, key := login(t)
			conn := connectTo(t, newBootstrap(t), newSSHD(t, config, []ssh.PublicKey{key}), c)
			leftover, err := os.MkdirTemp("/tmp", "hostler-")
			must(t, err)
			contents := []content{{"a.sh", bytes.Repeat([]byte("0123456789\n"), 20000)}, {"empty", nil}}
			f, err := conn.upload(t.Context(), leftover, contents)
			must(t, err)
			if (f.sftp == nil) != (name != "sftp" && name != "sftp program") {
				t.Errorf("sftp used: %v", f.sftp != nil)
			}
			for _, c := range contents {
				body, err := os.ReadFile(f.path(c.name))
				if err != nil || !bytes.Equal(body, c.body) {
					t.Errorf("%s: %d bytes, %v", c.name, len(body), err)
				}
			}
			dir, err := os.Stat(f.directory)
			must(t, err)
			if dir.Mode().Perm() != 0o700 {
				t.Errorf("mode %v", dir.Mode())
			}
			if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is still there", leftover)
			}
			// What somebody else put into the directory goes, too.
			write(t, filepath.Join(f.directory, "more"), nil, 0o600)
			must(t, f.remove(t.Context()))
			if _, err := os.Stat(f.directory); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s is still there", f.directory)
			}
		})
	}
}

func TestUploadCancel(t *testing.T) {
	c, key := login(t)
	s := newSSHD(t, "Subsystem sftp /bin/sleep 20", []ssh.PublicKey{key}) // takes the request and never answers
	conn := connectTo(t, newBootstrap(t), s, c)
	stopped := errors.New("stopped by a person")
	ctx, cancel := context.WithCancelCause(t.Context())
	go cancel(stopped)
	if _, err := conn.upload(ctx, "", []content{{"a", nil}}); !errors.Is(err, stopped) {
		t.Errorf("error %v", err)
	}
}

func TestIsPrivate(t *testing.T) {
	for directory, want := range map[string]bool{
		"/tmp/hostler-abc": true, "/var/tmp/hostler-abc": true, "": false, "/": false, "/tmp": false, "/tmp/": false,
		"/tmp/hostler-a/..": false, "/etc/hostler-agent": false, "hostler-x": false, "/tmp/x/hostler-y": false,
	} {
		if isPrivate(directory) != want {
			t.Errorf("isPrivate(%q) = %v", directory, !want)
		}
	}
}
