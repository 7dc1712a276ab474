package lab

import (
	"strings"
	"testing"
)

func TestPlan(t *testing.T) {
	l, _, err := plan(Options{Name: "p", Cache: "/c", Hosts: []string{"db", "web"}, Aliases: 1, Domain: "example.test"})
	if err != nil {
		t.Fatal(err)
	}
	want := "10.77.0.1 server.example.test server\n" +
		"10.77.0.11 db.example.test db\n10.77.0.11 db-a1.example.test\n" +
		"10.77.0.12 web.example.test web\n10.77.0.12 web-a1.example.test\n"
	if got := l.names(); !strings.HasSuffix(got, want) {
		t.Errorf("names are\n%s\nwant at the end\n%s", got, want)
	}
}

func TestPlanRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no name":          {},
		"name with slash":  {Name: "../x"},
		"label with dot":   {Name: "p", Hosts: []string{"a.b"}},
		"same label twice": {Name: "p", Hosts: []string{"a", "a"}},
		"the server's":     {Name: "p", Hosts: []string{"server"}},
		"too many hosts":   {Name: "p", Count: 300},
		"path for overlay": {Name: "p", Cache: "/a:b"},
	} {
		o.Cache = or(o.Cache, "/c")
		if _, _, err := plan(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := recipeOf("vax"); err == nil || !strings.Contains(err.Error(), DNF) {
		t.Errorf("unknown flavour: %v; want the known ones listed", err)
	}
}

// A base is found by its recipe: other packages or other hooks must not find the old one.
func TestRecipeHash(t *testing.T) {
	debian, err := recipeOf(Debian)
	if err != nil {
		t.Fatal(err)
	}
	changed := debian
	changed.hooks = []string{debianHook + "# changed\n"}
	if debian.hash() == changed.hash() {
		t.Error("a changed hook keeps the hash")
	}
}
