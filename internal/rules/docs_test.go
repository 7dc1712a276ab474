package rules_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the documentation says is shown by a test can be looked up.
func TestTheDocsNameTestsThatAreThere(t *testing.T) {
	const root = "../.."
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	there := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // other tests, at the same time, remove what they wrote
		case err != nil:
			return err
		case e.IsDir() && path != root && (strings.HasPrefix(e.Name(), ".") || e.Name() == "node_modules"):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, match := range declared.FindAllSubmatch(source, -1) {
			there[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	stories, err := filepath.Glob(root + "/e2e/browser/story/*.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, story := range stories {
		there[filepath.Base(story)] = true
	}
	docs, err := filepath.Glob(root + "/docs/complaints*.md")
	if err != nil || len(docs) != 2 {
		t.Fatalf("the documents are %v, %v", docs, err)
	}
	named := regexp.MustCompile("`(Test\\w+|\\w+\\.mjs)`")
	for _, doc := range docs {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		names := named.FindAllSubmatch(text, -1)
		if len(names) < 20 {
			t.Errorf("%s names only %d tests", doc, len(names))
		}
		for _, name := range names {
			if !there[string(name[1])] {
				t.Errorf("%s names %s, and there is no such test", doc, name[1])
			}
		}
	}
}
