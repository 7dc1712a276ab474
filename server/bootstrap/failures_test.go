package bootstrap

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	setupscripts "hostler/setup-scripts"
)

// Every code that the package's source can give is in the table, and nothing else is.
func TestFailuresAreInTheTable(t *testing.T) {
	values := map[string]string{} // constant -> code
	files := token.NewFileSet()
	sources, err := parser.ParseDir(files, ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	must(t, err)
	for _, file := range sources["bootstrap"].Files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if strings.HasPrefix(name.Name, "code") && i < len(n.Values) {
						literal, ok := n.Values[i].(*ast.BasicLit)
						if !ok {
							t.Fatalf("%s is no literal", name.Name)
						}
						values[name.Name], err = strconv.Unquote(literal.Value)
						must(t, err)
					}
				}
			case *ast.CallExpr:
				code := -1 // its place among the arguments
				if f, ok := n.Fun.(*ast.Ident); ok {
					code = slices.Index([]string{"fail", "fieldError"}, f.Name)
				}
				if code < 0 {
					return true
				}
				if _, literal := n.Args[code].(*ast.BasicLit); literal {
					t.Errorf("%s: give the code as a constant", files.Position(n.Pos()))
				}
			}
			return true
		})
	}
	if len(values) < 40 {
		t.Fatalf("only %d codes found", len(values))
	}
	known := map[string]bool{}
	for name, code := range values {
		known[code] = true
		if _, ok := texts[code]; !ok {
			t.Errorf("%s (%s) has no texts", name, code)
		}
	}
	for _, code := range Codes() {
		if !known[code] {
			t.Errorf("%s is in the table and has no constant", code)
		}
	}
}

func TestFailureTexts(t *testing.T) {
	for code, text := range texts {
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(code) {
			t.Errorf("code %q", code)
		}
		for _, s := range []string{text.cause, text.hint} {
			if s == "" || s[0] != '{' && strings.ToUpper(s[:1]) != s[:1] && !strings.HasPrefix(s, "sudo ") {
				t.Errorf("%s: %q is no sentence", code, s)
			}
		}
	}
}

// The setup script's exit statuses and what they mean here go together.
func TestScriptCodes(t *testing.T) {
	for status, failure := range setupscripts.Failures {
		code, ok := scriptCodes[status]
		if !ok {
			t.Errorf("exit status %d (%s) means nothing", status, failure.Code)
		}
		if _, ok := texts[code]; !ok {
			t.Errorf("exit status %d: code %q has no texts", status, code)
		}
	}
	for status := range scriptCodes {
		if _, ok := setupscripts.Failures[status]; !ok {
			t.Errorf("the setup script never exits with %d", status)
		}
	}
}
