package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // a format
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // a format
)

// filesIn is how many files each package has: what Debian's have in the median.
const filesIn = 16

// buildAll builds small packages, one after the other in name, and returns their files.
func buildAll(ctx context.Context, dir, format string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	content := filepath.Join(filepath.Dir(dir), "content")
	if err := os.WriteFile(content, []byte("content\n"), 0o600); err != nil {
		return nil, err
	}
	all := make([]string, stored+rounds)
	numbers, failed := make(chan int), make(chan error, len(all))
	var builders sync.WaitGroup
	for range runtime.NumCPU() {
		builders.Go(func() {
			for i := range numbers {
				all[i] = filepath.Join(dir, fmt.Sprintf("package-%05d.%s", i, format))
				if err := build(all[i], format, content, i); err != nil {
					failed <- err
				}
			}
		})
	}
	for i := range all {
		numbers <- i
	}
	close(numbers)
	builders.Wait()
	close(failed)
	for err := range failed {
		return nil, err
	}
	return all, ctx.Err()
}

func build(file, format, content string, i int) error {
	name := fmt.Sprintf("package-%05d", i)
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: name, Version: "1.0", Release: "1", Arch: "amd64", Platform: "linux", Section: "misc", Priority: "optional", Maintainer: "Bench <root@localhost>",
		Description: "A package for measurements\nIt has " + fmt.Sprint(filesIn) + " files and needs another one.", License: "MIT", DisableGlobbing: true,
	})
	info.Depends = []string{fmt.Sprintf("package-%05d", i/2)}
	for n := range filesIn {
		info.Contents = append(info.Contents, &files.Content{
			Source: content, Destination: fmt.Sprintf("/usr/share/%s/file-%d", name, n), FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: 0o644},
		})
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := packager.Package(info, out); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return out.Close()
}
