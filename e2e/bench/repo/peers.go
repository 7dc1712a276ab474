package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// peer is another tool that keeps a repository, in its fastest mode.
type peer struct {
	name string
	// fill makes a repository of files below dir and returns what adds one more and publishes it.
	fill func(ctx context.Context, dir string, files []string) (add func(ctx context.Context, file string) error, err error)
}

var createrepo = &peer{"createrepo_c --update", func(ctx context.Context, dir string, files []string) (func(context.Context, string) error, error) {
	if err := linkAll(dir, files); err != nil {
		return nil, err
	}
	index := func(ctx context.Context) error {
		return tool(ctx, dir, "createrepo_c", "--quiet", "--no-database", "--update", "--skip-stat", ".")
	}
	return adding(dir, index), index(ctx)
}}

var aptFtparchive = &peer{"apt-ftparchive with cache", func(ctx context.Context, dir string, files []string) (func(context.Context, string) error, error) {
	pool := filepath.Join(dir, "pool")
	err := errors.Join(linkAll(pool, files), os.MkdirAll(filepath.Join(dir, "dists/stable/main/binary-amd64"), 0o755),
		os.WriteFile(filepath.Join(dir, "config"), []byte(`Dir { ArchiveDir "."; CacheDir "."; };
Default { Packages::Compress ". gzip xz"; Contents::Compress ""; };
TreeDefault { Directory "pool"; Packages "dists/$(DIST)/$(SECTION)/binary-$(ARCH)/Packages"; BinCacheDB "cache-$(ARCH).db"; Contents ""; };
Tree "stable" { Sections "main"; Architectures "amd64"; };
`), 0o600))
	if err != nil {
		return nil, err
	}
	index := func(ctx context.Context) error {
		if err := tool(ctx, dir, "apt-ftparchive", "--no-md5", "--no-sha1", "--no-sha512", "--no-contents", "generate", "config"); err != nil {
			return err
		}
		return tool(ctx, dir, "sh", "-c", "apt-ftparchive --no-md5 --no-sha1 --no-sha512 release dists/stable >Release && mv Release dists/stable/Release")
	}
	return adding(pool, index), index(ctx)
}}

var reprepro = &peer{"reprepro includedeb", func(ctx context.Context, dir string, files []string) (func(context.Context, string) error, error) {
	err := errors.Join(os.MkdirAll(filepath.Join(dir, "conf"), 0o755), os.WriteFile(filepath.Join(dir, "conf/distributions"), []byte(
		"Codename: stable\nArchitectures: amd64\nComponents: main\nDebIndices: Packages Release . .gz .xz\n"), 0o600))
	if err != nil {
		return nil, err
	}
	include := func(ctx context.Context, files ...string) error {
		return tool(ctx, dir, "reprepro", append([]string{"--silent", "includedeb", "stable"}, files...)...)
	}
	return func(ctx context.Context, file string) error { return include(ctx, file) }, include(ctx, files...)
}}

// adding puts a file into a directory and has it indexed.
func adding(dir string, index func(context.Context) error) func(context.Context, string) error {
	return func(ctx context.Context, file string) error {
		if err := linkAll(dir, []string{file}); err != nil {
			return err
		}
		return index(ctx)
	}
}

func linkAll(dir string, files []string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, file := range files {
		if err := os.Link(file, filepath.Join(dir, filepath.Base(file))); err != nil {
			return err
		}
	}
	return nil
}

func tool(ctx context.Context, dir, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%.2000s", name, strings.Join(args[:min(3, len(args))], " "), err, out)
	}
	return nil
}
