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

// TestRepositoryOfAMirror holds what hosts get that are to use a channel, or the operator's mirror with a key of its own.
func TestRepositoryOfAMirror(t *testing.T) {
	ca, sum := certificate(t)
	dir := t.TempDir()
	key, mirrorKey := filepath.Join(dir, "key.asc"), filepath.Join(dir, "mirror.asc")
	writeFile(t, key, armoredKey)
	const armoredMirrorKey = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nbWlycm9y\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
	writeFile(t, mirrorKey, armoredMirrorKey)
	mirror := []string{"--mirror", "http://mirror.example/hostler/", "--mirror-key", mirrorKey}
	const apt, yum, zypper = "etc/apt/sources.list.d/hostler.sources", "etc/yum.repos.d/hostler.repo", "etc/zypp/repos.d/hostler.repo"
	for _, test := range []struct {
		manager string
		args    []string
		file    string
		has     []string
		lacks   []string // files
	}{
		{"apt-get", []string{"--channel", "test"}, apt, []string{"URIs: https://hostler.example:8440/repo/apt\nSuites: test\n", "repository.gpg"}, []string{"etc/hostler-agent/mirror.gpg"}},
		{"dnf", []string{"--channel", "test"}, yum, []string{"baseurl=https://hostler.example:8440/repo/yum/test\n", "sslcacert="}, nil},
		{"zypper", []string{"--channel", "test"}, zypper, []string{"baseurl=https://hostler.example:8440/repo/yum/test?ssl_capath="}, nil},
		{"apt-get", append([]string{"--channel", "bookworm"}, mirror...), apt, []string{"URIs: http://mirror.example/hostler\nSuites: bookworm\n", "Signed-By: /etc/hostler-agent/mirror.gpg"}, []string{"etc/apt/apt.conf.d/90hostler"}},
		{"dnf", mirror, yum, []string{"baseurl=http://mirror.example/hostler\n", "gpgkey=file:///etc/hostler-agent/mirror.asc\n"}, nil},
		{"zypper", mirror, zypper, []string{"baseurl=http://mirror.example/hostler\n", "gpgkey=file:///etc/hostler-agent/mirror.asc\n"}, []string{"etc/hostler-agent/ca.d"}},
		{"dnf", mirror[:2], yum, []string{"gpgkey=file:///etc/hostler-agent/repository.asc\n"}, []string{"etc/hostler-agent/mirror.asc"}},
	} {
		t.Run(test.manager+strings.Join(test.args, ""), func(t *testing.T) {
			eachShell(t, func(t *testing.T, shell []string) {
				root := t.TempDir()
				writeFile(t, filepath.Join(root, "usr/bin", test.manager), "")
				h := newHost(t, shell)
				args := []string{"repository", "--root", root, "--url", "https://hostler.example:8440/repo/", "--ca", ca, "--key", key, "--ca-pin", sum}
				h.run(t, append(slices.Clone(args), mirror...)...).mustSucceed(t) // what was chosen before leaves nothing
				h.run(t, append(args, test.args...)...).mustSucceed(t)
				text, err := os.ReadFile(filepath.Join(root, test.file))
				for _, want := range test.has {
					if err != nil || !strings.Contains(string(text), want) {
						t.Errorf("%s (error %v) lacks %q:\n%s", test.file, err, want, text)
					}
				}
				if slices.Contains(test.args, "--mirror") && strings.Contains(string(text), "ca.") {
					t.Errorf("a mirror is held against the server's authority:\n%s", text)
				}
				for _, name := range test.lacks {
					if _, err := os.Stat(filepath.Join(root, name)); err == nil {
						t.Errorf("there is %s", name)
					}
				}
			})
		})
	}
	h := newHost(t, shells[0])
	args := []string{"repository", "--root", t.TempDir(), "--url", "https://hostler.example:8440/repo/", "--ca", ca, "--key", key}
	for _, bad := range [][]string{{"--mirror", "ftp://mirror/"}, {"--mirror", "http://a b/"}, {"--mirror", "http://a/'"}, {"--channel", "a/b"}, {"--channel", "-"}, {"--mirror-key", ca}} {
		h.run(t, append(slices.Clone(args), bad...)...).mustFail(t, 19, "")
	}
}
