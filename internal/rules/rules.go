// Package rules holds which package of the module may import which, and why. Its tests hold the module against
// that. Nothing imports it.
package rules

import (
	"fmt"
	"slices"
	"strings"
)

// Module is the import path that all packages of the module begin with.
const Module = "hostler"

// Package is what is known of one package, in the module or outside.
type Package struct {
	ImportPath string
	Name       string
	Dir        string
	Standard   bool     // of the standard library
	GoFiles    []string // without tests
	Imports    []string // without those of tests: tests may look further
}

// Graph is packages by their import path: those of the module and everything that they import.
type Graph map[string]*Package

// Rule forbids packages to import others, directly or through any number of packages between.
type Rule struct {
	Packages []string // patterns: "db" is one package of the module, "db/..." that one and all below it
	Except   []string // of Packages
	Never    []string // patterns of packages of the module, import paths of other modules, and "std/" with those of the standard library
	Unless   []string // of Never
	Only     bool     // true: nothing but the standard library; Never is empty
	Reason   string
}

const (
	gin   = "github.com/gin-gonic/gin/..."
	gorm  = "gorm.io/..."
	templ = "github.com/a-h/templ/..."
)

// Rules are the module's.
var Rules = []Rule{
	{
		Packages: []string{"agent/wire"}, Only: true,
		Reason: "the protocol's types are shared by both sides and must bring nothing along",
	},
	{
		Packages: []string{"agent/..."}, Never: []string{"server/...", "web/...", "ui/...", "db/...", gin, gorm, templ},
		Reason: "the agent is small and runs on every host; the server's parts are none of its business",
	},
	{
		Packages: []string{"agent"}, Never: []string{"std/regexp/..."},
		Reason: "the agent must stay below 8 MB, and its rules are simple enough to be written in code",
	},
	{
		Packages: []string{"db/..."}, Never: []string{"server/...", "web/...", "ui/...", gin, templ},
		Reason: "the database holds no business rules, so that everything can be built on it",
	},
	{
		Packages: []string{"server/..."}, Except: []string{"server", "server/app/..."},
		Never:  []string{"web/...", "ui/...", gin, templ},
		Reason: "the server's parts must work, and be tested, without HTTP and pages",
	},
	{
		Packages: []string{"server/..."}, Never: []string{"agent/..."}, Unless: []string{"agent/wire"},
		Reason: "server and agent share the protocol and nothing else, so that either may be older than the other",
	},
	{
		Packages: []string{"repo/..."}, Never: []string{"server/...", "web/...", "ui/..."},
		Reason: "the package repository is a part that the server uses, not the other way round",
	},
	{
		Packages: []string{"ui/..."}, Never: []string{"db/...", "server/...", "web/...", gin, gorm},
		Reason: "a page is a function of its view model: no queries, no business rules",
	},
	{
		Packages: []string{"web/..."}, Never: []string{"agent/..."}, Unless: []string{"agent/wire"},
		Reason: "the HTTP edge speaks the agent's protocol and knows nothing of its inside",
	},
	{
		Packages: []string{"..."}, Except: []string{"server", "server/app/...", "e2e/..."}, Never: []string{"server/app/..."},
		Reason: "server/app puts everything together; whoever imports it depends on everything",
	},
	{
		Packages: []string{"..."}, Except: []string{"db/dbtest", "agent/agenttest"}, Never: []string{"db/dbtest", "agent/agenttest"},
		Reason: "what is there for tests must not get into a program",
	},
}

// Check returns how a graph breaks the rules: one line for each package and forbidden one, with the shortest
// way between them and the rule's reason.
func (g Graph) Check(rules []Rule) []string {
	var broken []string
	for _, r := range rules {
		for _, path := range g.inside() {
			if !matchAny(r.Packages, path) || matchAny(r.Except, path) {
				continue
			}
			for _, way := range g.ways(path) {
				if end := way[len(way)-1]; len(way) > 1 && r.forbids(g[end], end) {
					broken = append(broken, fmt.Sprintf("%s must not import %s: %s (%s)", path, end, r.Reason, strings.Join(way, " -> ")))
				}
			}
		}
	}
	return broken
}

// forbids says whether the rule forbids a package; p is nil if nothing is known of it.
func (r *Rule) forbids(p *Package, path string) bool {
	if r.Only {
		return p == nil || !p.Standard
	}
	return matchAny(r.Never, path) && !matchAny(r.Unless, path)
}

// inside lists the packages of the module.
func (g Graph) inside() []string {
	var paths []string
	for path := range g {
		if path == Module || strings.HasPrefix(path, Module+"/") {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// ways returns the shortest way from a package to itself and to each that it imports, however far away, the
// nearest first.
func (g Graph) ways(from string) [][]string {
	seen := map[string]bool{from: true}
	found := [][]string{{from}}
	for i := 0; i < len(found); i++ {
		way := found[i]
		p := g[way[len(way)-1]]
		if p == nil {
			continue
		}
		for _, next := range p.Imports {
			if !seen[next] {
				seen[next] = true
				found = append(found, append(slices.Clone(way), next))
			}
		}
	}
	return found
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, path) })
}

// match holds an import path against a pattern. One whose first element has no dot is in the module, or in the standard
// library if that is "std".
func match(pattern, path string) bool {
	standard, inStandard := strings.CutPrefix(pattern, "std/")
	first, _, _ := strings.Cut(pattern, "/")
	switch {
	case inStandard:
		pattern = standard
	case pattern == "..." || !strings.Contains(first, "."):
		pattern = Module + "/" + pattern
	}
	parent, below := strings.CutSuffix(pattern, "/...")
	return path == parent || below && strings.HasPrefix(path, parent+"/")
}
