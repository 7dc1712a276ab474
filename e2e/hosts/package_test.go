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
	"github.com/goreleaser/nfpm/v2/files"
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

// serve lets the hosts load files.
func (r *run) serve(dir string) {
	r.Helper()
	server := r.Lab.Command(r.Context(), os.Args[0])
	server.Env, server.Stderr = append(os.Environ(), serveVariable+"="+dir), os.Stderr
	must(r.T, server.Start())
	r.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
}

// buildPackage makes one with a program in it, and, where that is to be halted, a file that takes a while to unpack.
func buildPackage(t *testing.T, path, version string, scripts nfpm.Scripts, build func(*nfpm.Info, io.Writer) error) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "run")
	write(t, program, []byte("#!/bin/sh\nsleep 4713 & wait\n"))
	contents := files.Contents{{Source: program, Destination: "/opt/packaged/run", FileInfo: info(0o755)}}
	if scripts.PreInstall != "" {
		large := filepath.Join(dir, "large")
		write(t, large, nil)
		must(t, os.Truncate(large, 64<<20))
		contents = append(contents, &files.Content{Source: large, Destination: "/opt/packaged/large", FileInfo: info(0o644)})
	}
	file, err := os.Create(path)
	must(t, err)
	sum := sha256.New()
	of := nfpm.WithDefaults(&nfpm.Info{
		Name: "packaged", Arch: runtime.GOARCH, Version: version, Maintainer: "Hostler <root@localhost>", Description: "A child agent",
		Overridables: nfpm.Overridables{
			Scripts: scripts, Contents: contents,
		},
	})
	must(t, nfpm.PrepareForPackager(of, strings.TrimPrefix(filepath.Ext(path), ".")))
	must(t, build(of, io.MultiWriter(file, sum)))
	must(t, file.Close())
	return hex.EncodeToString(sum.Sum(nil))
}

func info(mode os.FileMode) *files.ContentFileInfo {
	return &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: time.Unix(0, 0)}
}
