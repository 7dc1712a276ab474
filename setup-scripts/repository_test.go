package setupscripts

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// certificate is some CA certificate in PEM and its pin.
func certificate(t *testing.T) (file, sum string) {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	raw := s.Certificate().Raw
	digest := sha256.Sum256(raw)
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, hex.EncodeToString(digest[:])
}

// armoredKey is two keys, as the server tells of them while its key is changed.
const armoredKey = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\naG9z\ndGxlcg==\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n" +
	"-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: the next\n\nIGFnYWlu\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"

func TestRepository(t *testing.T) {
	ca, sum := certificate(t)
	key := filepath.Join(t.TempDir(), "key.asc")
	if err := os.WriteFile(key, []byte(armoredKey), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		manager, osRelease string
		files              map[string]string // file: what it must contain
	}{
		{"apt-get", "ID=debian\n", map[string]string{
			"etc/apt/sources.list.d/hostler.sources": "URIs: https://hostler.example:8440/repo/apt\n",
			"etc/apt/apt.conf.d/90hostler":           `Acquire::https::hostler.example::CaInfo "/etc/hostler-agent/ca.pem";`,
			"etc/hostler-agent/repository.gpg":       "hostler again",
		}},
		{"dnf", "ID=rocky\nID_LIKE=rhel\n", map[string]string{
			"etc/yum.repos.d/hostler.repo":     "baseurl=https://hostler.example:8440/repo/yum\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\n",
			"etc/hostler-agent/repository.asc": armoredKey,
		}},
		{"zypper", "ID=opensuse-leap\n", map[string]string{
			"etc/zypp/repos.d/hostler.repo":    "baseurl=https://hostler.example:8440/repo/yum?ssl_capath=/etc/hostler-agent/ca.d\ngpgcheck=1\n",
			"etc/hostler-agent/repository.asc": armoredKey,
		}},
		{"", "ID=alpine\n", map[string]string{"etc/hostler-agent/ca.pem": "BEGIN CERTIFICATE"}},
	} {
		t.Run("by "+test.manager, func(t *testing.T) {
			eachShell(t, func(t *testing.T, shell []string) {
				root := t.TempDir()
				writeFile(t, filepath.Join(root, "etc/os-release"), test.osRelease)
				if test.manager != "" {
					writeFile(t, filepath.Join(root, "usr/bin", test.manager), "")
				}
				h := newHost(t, shell)
				args := []string{"repository", "--root", root, "--url", "https://hostler.example:8440/repo/", "--ca", ca, "--key", key}
				h.run(t, append(args, "--ca-pin", pin)...).mustFail(t, 17, "pin")
				args = append(args, "--ca-pin", sum)
				h.run(t, append(args, "--dry-run")...).mustSucceed(t)
				if _, err := os.Stat(filepath.Join(root, "etc/hostler-agent")); err == nil {
					t.Error("--dry-run wrote something")
				}
				h.run(t, args...).mustSucceed(t)
				before := snapshot(t, root)
				h.run(t, args...).mustSucceed(t)
				if after := snapshot(t, root); !slices.Equal(before, after) {
					t.Errorf("a second run changed the host from %v to %v", before, after)
				}
				for name, want := range test.files {
					text, err := os.ReadFile(filepath.Join(root, name))
					if err != nil || !strings.Contains(string(text), want) {
						t.Errorf("%s (error %v) lacks %q:\n%s", name, err, want, text)
					}
				}
			})
		})
	}
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// snapshot lists the files below root with their modes and contents.
func snapshot(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		stat, err := entry.Info()
		files = append(files, fmt.Sprintf("%s %v %x", path, stat.Mode(), sha256.Sum256(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
