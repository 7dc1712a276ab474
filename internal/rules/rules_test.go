package rules_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hostler/internal/rules"
)

// module reads the packages of the module and all that they import.
func module(t *testing.T) rules.Graph {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Name,Dir,Standard,GoFiles,Imports", rules.Module+"/...")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("cannot list the packages: %v: %s", err, &stderr)
	}
	g := rules.Graph{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p rules.Package
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return g
		}
		if err != nil {
			t.Fatal(err)
		}
		g[p.ImportPath] = &p
	}
}

func TestImports(t *testing.T) {
	g := module(t)
	for _, want := range []string{"agent/wire", "agent", "db", "server", "server/app", "server/fleet", "repo", "ui/page", "web"} {
		if g[rules.Module+"/"+want] == nil {
			t.Errorf("there is no package %s; the rules speak of it", want)
		}
	}
	for _, broken := range g.Check(rules.Rules) {
		t.Error(broken)
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for path, p := range module(t) {
		if !strings.HasPrefix(path, rules.Module+"/") || len(p.GoFiles) == 0 {
			continue
		}
		if !documented(t, p) {
			t.Errorf("%s has no package comment; it is the first thing that a reader looks for", path)
		}
	}
}

// documented looks for a package comment in all files, because generated ones begin with comments, too.
func documented(t *testing.T, p *rules.Package) bool {
	t.Helper()
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if doc := f.Doc.Text(); strings.HasPrefix(doc, "Package "+p.Name+" ") || p.Name == "main" && doc != "" {
			return true
		}
	}
	return false
}

func TestDocumentedTellsCommentsApart(t *testing.T) {
	for source, want := range map[string]bool{
		"// Package x does it.\npackage x\n":                     true,
		"package x\n":                                            false,
		"// templ: version: v1\npackage x\n":                     false,
		"// Package x does it.\n\npackage x\n":                   false,
		"// Package xy does it.\npackage x\n":                    false,
		"//go:build linux\n\n/*\nPackage x does.\n*/\npackage x": true,
	} {
		p := &rules.Package{Name: "x", Dir: t.TempDir(), GoFiles: []string{"x.go"}}
		if err := os.WriteFile(filepath.Join(p.Dir, "x.go"), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := documented(t, p); got != want {
			t.Errorf("%q: %t", source, got)
		}
	}
}

func TestMainIsShort(t *testing.T) {
	const most = 60
	g := module(t)
	for _, program := range []string{"server", "agent"} {
		p := g[rules.Module+"/"+program]
		if p == nil || p.Name != "main" {
			t.Errorf("%s is no program", program)
			continue
		}
		b, err := os.ReadFile(filepath.Join(p.Dir, "main.go"))
		if err != nil {
			t.Error(err)
		}
		if n := bytes.Count(b, []byte("\n")); n > most {
			t.Errorf("%s/main.go has %d lines, at most %d: main only says what is started; the rest belongs into packages", program, n, most)
		}
	}
}

// TestCheckFinds holds the checker itself against graphs that break one rule each.
func TestCheckFinds(t *testing.T) {
	for name, c := range map[string]struct {
		imports string   // "from: to to; from: to"
		want    []string // the beginnings of what is found
	}{
		"nothing":                    {"server: server/app; server/app: web server/fleet; web: ui server/fleet agent/wire github.com/gin-gonic/gin; ui: github.com/a-h/templ; server/fleet: db; db: gorm.io/gorm agent/wire", nil},
		"wire imports the agent":     {"agent/wire: agent/ini", []string{"hostler/agent/wire must not import hostler/agent/ini: the protocol's types"}},
		"wire imports a module":      {"agent/wire: example.org/x std/fmt", []string{"hostler/agent/wire must not import example.org/x"}},
		"the agent at a distance":    {"agent: agent/report; agent/report: db; db: gorm.io/gorm", []string{"hostler/agent must not import hostler/db", "hostler/agent must not import gorm.io/gorm", "hostler/agent/report must not import hostler/db", "hostler/agent/report must not import gorm.io/gorm"}},
		"a part below a module":      {"agent/link: github.com/gin-gonic/gin/binding", []string{"hostler/agent/link must not import github.com/gin-gonic/gin/binding"}},
		"the database":               {"db: server/event", []string{"hostler/db must not import hostler/server/event"}},
		"a part of the server":       {"server/fleet: web", []string{"hostler/server/fleet must not import hostler/web"}},
		"templ in a part":            {"server/account: github.com/a-h/templ/runtime", []string{"hostler/server/account must not import github.com/a-h/templ/runtime"}},
		"the agent in the server":    {"server/app: agent/settings", []string{"hostler/server/app must not import hostler/agent/settings"}},
		"the repository":             {"repo/apt: server/trust", []string{"hostler/repo/apt must not import hostler/server/trust"}},
		"a query in a page":          {"ui/page: db", []string{"hostler/ui/page must not import hostler/db"}},
		"gorm in a page":             {"ui/page: gorm.io/driver/mysql", []string{"hostler/ui/page must not import gorm.io/driver/mysql"}},
		"the agent in the edge":      {"web: agent/report", []string{"hostler/web must not import hostler/agent/report"}},
		"the app in the edge":        {"web: server/app", []string{"hostler/web must not import hostler/server/app"}},
		"the app from the outside":   {"e2e/swarm: server/app; server: server/app", nil},
		"a test's part":              {"server/job: db/dbtest", []string{"hostler/server/job must not import hostler/db/dbtest"}},
		"expressions in the agent":   {"agent: agent/task; agent/task: std/regexp", []string{"hostler/agent must not import regexp: the agent must stay below 8 MB"}},
		"expressions by a library":   {"agent: example.org/x; example.org/x: std/go/doc; std/go/doc: std/regexp/syntax", []string{"hostler/agent must not import regexp/syntax"}},
		"expressions in the server":  {"server: std/regexp", nil},
		"a name that only begins so": {"webhook: agent/report; agent: server2", nil},
	} {
		got := graph(c.imports).Check(rules.Rules)
		if len(got) != len(c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains("\n"+strings.Join(got, "\n"), "\n"+want) {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
	}
}

func TestCheckShowsTheWay(t *testing.T) {
	got := graph("agent: agent/a agent/b; agent/a: agent/b; agent/b: agent/c; agent/c: db").Check(rules.Rules)
	if len(got) == 0 || !strings.HasSuffix(got[0], "(hostler/agent -> hostler/agent/b -> hostler/agent/c -> hostler/db)") {
		t.Errorf("got %q", got)
	}
}

// graph makes a graph of lines "from: to to; from: to"; a name with a dot is another module's, and one below std
// the standard library's.
func graph(lines string) rules.Graph {
	full := func(name string) string {
		if standard, is := strings.CutPrefix(name, "std/"); is {
			return standard
		}
		if first, _, _ := strings.Cut(name, "/"); strings.Contains(first, ".") {
			return name
		}
		return rules.Module + "/" + name
	}
	g := rules.Graph{"fmt": {ImportPath: "fmt", Standard: true}}
	for line := range strings.SplitSeq(lines, ";") {
		from, to, _ := strings.Cut(line, ":")
		p := &rules.Package{ImportPath: full(strings.TrimSpace(from))}
		for name := range strings.FieldsSeq(to) {
			p.Imports = append(p.Imports, full(name))
		}
		g[p.ImportPath] = p
	}
	return g
}
