package hosts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"

	"hostler/e2e/lab"
)

// serveVariable makes this program a file server for the hosts instead of a test.
const serveVariable = "HOSTLER_TEST_SERVE"

const fileServer = ":9080"

func TestMain(m *testing.M) {
	dir := os.Getenv(serveVariable)
	if dir == "" {
		os.Exit(m.Run())
	}
	server := http.Server{Addr: fileServer, Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: time.Minute}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}

func TestChildAgentsFromPackages(t *testing.T) {
	program := built(t, "bin/hostler")
	for _, flavour := range []struct {
		name, ending string
		build        func(*nfpm.Info, io.Writer) error
		installed    string // prints the version, if there is one
		// scripts that make an installation fail: after that rpm goes on
		failing func(*nfpm.Scripts, string)
	}{
		{
			lab.Debian, "deb", deb.Default.Package, "dpkg-query --show --showformat='${Version}' packaged || :",
			func(s *nfpm.Scripts, path string) { s.PostInstall = path },
		},
		{
			lab.DNF, "rpm", rpm.DefaultRPM.Package, "rpm --query --queryformat '%{VERSION}' packaged || :",
			func(s *nfpm.Scripts, path string) { s.PreInstall = path },
		},
		{
			lab.Zypper, "rpm", rpm.DefaultRPM.Package, "rpm --query --queryformat '%{VERSION}' packaged || :",
			func(s *nfpm.Scripts, path string) { s.PreInstall = path },
		},
	} {
		t.Run(flavour.name, func(t *testing.T) {
			r := begin(t, program, lab.Options{Flavour: flavour.name, Count: 1})
			offered := t.TempDir()
			r.serve(offered)
			install := func(action, version string, fails bool) error {
				var scripts nfpm.Scripts
				if fails {
					script := filepath.Join(t.TempDir(), "script")
					write(t, script, []byte("#!/bin/sh\necho this cannot be installed here >&2\nexit 1\n"))
					flavour.failing(&scripts, script)
				}
				name := "packaged-" + version + "." + flavour.ending
				checksum := buildPackage(t, filepath.Join(offered, name), version, scripts, flavour.build)
				return r.start("/api/v1/child-agents/"+action, map[string]any{
					"targets": all, "name": "Packaged", "version": version, "checksum": "SHA256:" + checksum,
					"url":        "http://" + r.Lab.Server.Name + fileServer + "/" + name,
					"definition": "[agent]\nname = Packaged\ncommand = /opt/packaged/run " + version + "\n",
				})
			}
			expect := func(what, version string) {
				t.Helper()
				if got := strings.TrimSpace(r.sh(flavour.installed)); got != version {
					t.Errorf("%s: %q is installed, want %s", what, got, version)
				}
				if out := r.sh("pgrep -fa '^/bin/sh /opt/packaged/run' || :"); !strings.HasSuffix(strings.TrimSpace(out), "/opt/packaged/run "+version) {
					t.Errorf("%s: %q runs, want %s", what, out, version)
				}
			}
			must(t, install("install", "1.0.0", false))
			expect("installed", "1.0.0")
			must(t, install("upgrade", "1.1.0", false))
			expect("upgraded", "1.1.0")
			must(t, install("upgrade", "1.0.0", false))
			expect("back at the older one", "1.0.0")
			if err := install("upgrade", "1.2.0", true); err == nil {
				t.Error("a package whose script fails was installed")
			} else {
				t.Log(err)
			}
			expect("after one that cannot be installed", "1.0.0")
			must(t, r.start("/api/v1/child-agents/uninstall", map[string]any{"targets": all, "name": "Packaged"}))
			if out := r.sh("test ! -e /opt/packaged/run; pgrep -f '^/bin/sh /opt/packaged/run' || :"); out != "" {
				t.Errorf("after its end %q runs", out)
			}
		})
	}
}

// serve lets the hosts load files.
func (r *run) serve(dir string) {
	r.Helper()
	server := r.Lab.Command(r.Context(), os.Args[0])
	server.Env, server.Stderr = append(os.Environ(), serveVariable+"="+dir), os.Stderr
	must(r.T, server.Start())
	r.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
}

// buildPackage makes one with a program in it.
func buildPackage(t *testing.T, path, version string, scripts nfpm.Scripts, build func(*nfpm.Info, io.Writer) error) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "run")
	write(t, program, []byte("#!/bin/sh\nsleep 4713 & wait\n"))
	file, err := os.Create(path)
	must(t, err)
	sum := sha256.New()
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "packaged", Arch: runtime.GOARCH, Version: version, Maintainer: "Hostler <root@localhost>", Description: "A child agent",
		Overridables: nfpm.Overridables{
			Scripts: scripts,
			Contents: files.Contents{{
				Source: program, Destination: "/opt/packaged/run",
				FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: 0o755, MTime: time.Unix(0, 0)},
			}},
		},
	})
	must(t, nfpm.PrepareForPackager(info, strings.TrimPrefix(filepath.Ext(path), ".")))
	must(t, build(info, io.MultiWriter(file, sum)))
	must(t, file.Close())
	return hex.EncodeToString(sum.Sum(nil))
}
