package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hostler/repo"
	"hostler/server/account"
	"hostler/server/bootstrap"
	"hostler/server/check"
	"hostler/server/mirror"
	"hostler/server/remote"
	"hostler/server/watched"
	"hostler/ui/page"
)

func becomes() (names []string) {
	for _, b := range bootstrap.Becomes() {
		names = append(names, string(b))
	}
	return names
}

// TestCodesHaveTexts holds what the server says in codes to the codes that the catalogues have a text for. A code
// without a text would be shown as it is.
func TestCodesHaveTexts(t *testing.T) {
	for _, c := range []struct {
		what        string
		used, known []string
	}{
		{"complaint about a field", slices.Concat(matches(t, ".", `FieldText\([^"]*"(\w+)"`), accountCodes(t), providerCodes(),
			matches(t, "../server/trust", `FieldError\{Field: [^}]*Code: "(\w+)"`)), page.FieldCodes},
		{"notice", matches(t, ".", `(?:notice|controlForm|changeUser|endOne|decideByForm)\(c, "(\w+)"`), page.NoticeCodes},
		{"failure", slices.Concat(bootstrap.Codes(), remote.Codes(), mirror.Codes()), page.FailureCodes},
		{"problem of a host list", append(constants(t, "../server/bootstrap/hostlist", "Code"), codeBusy), page.HostListCodes},
		{"problem of an answer file", constants(t, "../server/bootstrap/answer", "Code"), page.AnswerCodes},
		{"refusal of an agent", enrolmentCodes(t), page.RefusalCodes},
		{"way to become root", becomes(), page.Becomes},
		{"event", constants(t, "../server/event", "", "Topic"), page.EventKinds},
		{"role", account.Roles, page.Roles},
		{"act", acts(t), page.AuditActions},
		{"problem of the audit log", slices.Compact(slices.Sorted(slices.Values(matches(t, "../server/audit", `problem\([^"]*"(\w+)"`)))), page.AuditProblemCodes},
		{"complaint about a repository", append(matches(t, "../repo", `&FieldError\{"\w+", "(\w+)"`), repo.BundleCodes...), page.RepositoryFieldCodes},
		{"family of systems", constants(t, "../internal/distro", "", "FamilyX"), page.OSFamilies},
		{"complaint about a mirror", slices.Compact(slices.Sorted(slices.Values(matches(t, "../server/mirror", `&FieldError\{(?:"\w+"|field), "(\w+)"`)))), page.MirrorFieldCodes},
		{"problem of the watched folder", watched.ProblemCodes, page.FolderProblemCodes},
		{"refusal of a package", repo.RefusalCodes, page.UploadRefusals},
		{"warning about a package", repo.WarningCodes, page.UploadWarnings},
	} {
		if len(c.used) == 0 {
			t.Errorf("no %s was found: the search is wrong", c.what)
		}
		for _, code := range c.used {
			if !slices.Contains(c.known, code) {
				t.Errorf("the %s %q has no text", c.what, code)
			}
		}
		for _, code := range c.known {
			if !slices.Contains(c.used, code) && !slices.Contains(engineCodes, code) {
				t.Errorf("the %s %q has a text and is never told", c.what, code)
			}
		}
	}
}

// TestWhatChecksFindHasTexts holds the checks and their codes to those that the catalogues have texts for.
func TestWhatChecksFindHasTexts(t *testing.T) {
	var names []string
	for _, c := range page.HostChecks {
		names = append(names, c.Check)
		if codes := slices.Sorted(slices.Values(slices.Concat(c.Fine, c.Wrong))); !slices.Equal(codes, slices.Sorted(slices.Values(check.Codes()[c.Check]))) {
			t.Errorf("%s finds %v and has texts for %v", c.Check, check.Codes()[c.Check], codes)
		}
	}
	if !slices.Equal(names, check.Names()) {
		t.Errorf("the checks are %v, those with texts %v", check.Names(), names)
	}
}

// acts are what is recorded: by routes, by commands, and on the way.
func acts(t *testing.T) []string {
	t.Helper()
	acts := slices.Concat([]string{accessAction}, constants(t, "../server/audit", "Action"),
		matches(t, "../server", `(?:changing|onUser|record)\([^"]*"(\w+\.\w+)"`), matches(t, ".", `Action: "([\w.]+)"`))
	for _, r := range routes {
		if a := r.needs.action; a != "" && a != unrecorded {
			acts = append(acts, a)
		}
	}
	return acts
}

// engineCodes are the failures that the engine itself finds, whatever the kind of operation.
var engineCodes = []string{"canceled", "internal", "step_timeout"}

// matches are the first groups of what a pattern matches in a package.
func matches(t *testing.T, dir, pattern string) []string {
	t.Helper()
	var codes []string
	for _, name := range sources(t, dir) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(must[[]byte](t)(os.ReadFile(name))), -1) {
			codes = append(codes, m[1])
		}
	}
	return codes
}

// enrolmentCodes are the refusals of package trust but for those of agents that have a certificate.
func enrolmentCodes(t *testing.T) []string {
	t.Helper()
	codes := matches(t, "../server/trust", `wire\.Error\{\s*Code: "(\w+)"`)
	return slices.DeleteFunc(codes, func(code string) bool { return strings.HasPrefix(code, "certificate_") || code == "too_early" })
}

// accountCodes are the complaints about names, passwords and roles.
func accountCodes(t *testing.T) []string {
	t.Helper()
	return matches(t, "../server/account", `&FieldError\{"\w+", "(\w+)"`)
}

// providerCodes are the ways in which a login by an identity provider fails.
func providerCodes() []string {
	codes := make([]string, len(providerProblems))
	for i, p := range providerProblems {
		codes[i] = p.code
	}
	return codes
}

// sources are the files of a package, without tests.
func sources(t *testing.T, dir string) []string {
	t.Helper()
	files := must[[]string](t)(filepath.Glob(filepath.Join(dir, "*.go")))
	return slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

// constants are the values of a package's exported texts whose names have a prefix.
func constants(t *testing.T, dir, prefix string, except ...string) []string {
	t.Helper()
	var values []string
	for _, name := range sources(t, dir) {
		file := must[*ast.File](t)(parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution))
		ast.Inspect(file, func(n ast.Node) bool {
			if d, ok := n.(*ast.GenDecl); ok && d.Tok != token.CONST {
				return false
			}
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			value, ok := spec.Values[0].(*ast.BasicLit)
			if id := spec.Names[0]; ok && value.Kind == token.STRING && id.IsExported() && strings.HasPrefix(id.Name, prefix) && !slices.Contains(except, id.Name) {
				values = append(values, must[string](t)(strconv.Unquote(value.Value)))
			}
			return true
		})
	}
	return values
}
