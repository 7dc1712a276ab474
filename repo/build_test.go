package repo

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// sample is a package for tests.
type sample struct {
	name, version, arch string
	depends             []string
	content             string // of its one file
}

// build makes a real package of a kind.
func (p sample) build(t testing.TB, kind Kind) []byte {
	t.Helper()
	content := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(content, []byte(p.name+" "+p.version+" "+p.content), 0o600); err != nil {
		t.Fatal(err)
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: p.name, Version: p.version, VersionSchema: "none", Arch: p.arch, Platform: "linux", Section: "misc", Priority: "optional", Maintainer: "Tester <root@localhost>",
		Description: "A package for tests\nthat has two lines.", License: "MIT", Homepage: "https://example.org/", DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Depends:  p.depends,
			Contents: files.Contents{{Source: content, Destination: "/usr/share/" + p.name + "/content", FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: 0o644}}},
		},
	})
	var out bytes.Buffer
	err := deb.Default.Package(info, &out)
	if kind == Yum {
		out.Reset()
		info.Release = "1"
		err = rpm.DefaultRPM.Package(info, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// mustCreate makes a repository for tests.
func mustCreate(t testing.TB, s *Store, name string, kind Kind, channels ...string) {
	t.Helper()
	if err := s.Create(Definition{Name: name, Kind: kind, By: "tester"}, channels); err != nil {
		t.Fatal(err)
	}
}

// uploads are files by their names, in order.
type uploads []struct {
	name    string
	content []byte
}

// upload brings files into a channel.
func upload(t testing.TB, s *Store, repository, channel string, all uploads) *Result {
	t.Helper()
	result, err := tryUpload(t.Context(), s, repository, channel, all)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func tryUpload(ctx context.Context, s *Store, repository, channel string, all uploads) (*Result, error) {
	var received []*Received
	for _, one := range all {
		got, err := s.Receive(ctx, repository, Upload{Name: one.name, Content: bytes.NewReader(one.content), By: "tester"})
		if err != nil {
			return nil, err
		}
		received = append(received, got)
	}
	return s.Commit(ctx, repository, channel, received, "tester")
}

// mustAdd brings one package into a channel and returns it.
func mustAdd(t testing.TB, s *Store, repository, channel string, p sample) *Package {
	t.Helper()
	d, err := s.Repository(repository)
	if err != nil {
		t.Fatal(err)
	}
	result := upload(t, s, repository, channel, uploads{{p.name, p.build(t, d.Kind)}})
	if result.Files[0].State != Added {
		t.Fatalf("%s %s: %+v", p.name, p.version, result.Files[0])
	}
	return result.Files[0].Package
}

// namesOf lists what a channel holds, as name=version.
func namesOf(t testing.TB, s *Store, repository, channel string) string {
	t.Helper()
	c, err := s.Channel(repository, channel)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := s.Contents(repository, c.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(packages))
	for i, p := range packages {
		names[i] = p.Name + "=" + p.Version
	}
	return strings.Join(names, " ")
}

// tryPromote lets a channel, which may be a new one, point at a snapshot.
func tryPromote(ctx context.Context, s *Store, repository, channel string, snapshot int) error {
	_, err := s.Promote(ctx, repository, Promotion{Channel: channel, Snapshot: snapshot, Create: true, By: "tester"})
	return err
}
