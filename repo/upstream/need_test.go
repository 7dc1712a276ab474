package upstream

import (
	"strings"
	"testing"
)

func TestDebNeeds(t *testing.T) {
	for field, want := range map[string]string{
		"":                                    "",
		"libc6 (>= 2.36), zlib1g":             "libc6 >= 2.36; zlib1g",
		"python3:any (<< 3.12) | python3.11":  "python3 < 3.12 | python3.11",
		"a [amd64 arm64] <!nocheck>, b (>>1)": "a; b > 1",
		"default-mta | mail-transport-agent":  "default-mta | mail-transport-agent",
		"old (< 2), older (> 1)":              "old <= 2; older >= 1",
	} {
		needs, err := debNeeds(field)
		if err != nil {
			t.Errorf("%q: %v", field, err)
		}
		var words []string
		for _, n := range needs {
			words = append(words, n.String())
		}
		if got := strings.Join(words, "; "); got != want {
			t.Errorf("%q is %q, want %q", field, got, want)
		}
	}
	for _, field := range []string{"a (>= )", "a b", "(>= 1)", "a (~ 1)", "-a"} {
		if _, err := debNeeds(field); err == nil {
			t.Errorf("%q was taken", field)
		}
	}
}

func TestRichNeeds(t *testing.T) {
	for text, want := range map[string]string{
		"(a or b)":                         "a | b",
		"(a and b >= 1.0-2)":               "a, b >= 1.0-2",
		"(pkg(x) with pkg(x) < 2)":         "pkg(x) with pkg(x) < 2",
		"((a or b) and (c if d else e))":   "a | b, c, e",
		"(lib.so.1()(64bit) or (x and y))": "lib.so.1()(64bit) | x, y",
		"(a unless b)":                     "a",
		"(a without b)":                    "a",
		"(glibc-langpack-en if (x or y))":  "glibc-langpack-en",
		"(python3dist(six) >= 1.5)":        "python3dist(six) >= 1.5",
	} {
		n, err := richNeed(text)
		if err != nil || n.String() != want {
			t.Errorf("%s is %q, %v; want %q", text, n, err, want)
		}
	}
	for _, text := range []string{"(", "()", "(a", "(a or)", "(a or b and c)", "(a nor b)", "(a) b", "(a else b)", strings.Repeat("(", 100) + "a" + strings.Repeat(")", 100)} {
		if n, err := richNeed(text); err == nil {
			t.Errorf("%q was taken as %s", text, n)
		}
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		kind, have, operator, want string
		fits                       bool
	}{
		{Apt, "1:2.0-1", ">=", "2.0", true},
		{Apt, "1.0~rc1-1", "<", "1.0", true},
		{Apt, "1.0-1", "=", "1.0", false},
		{Yum, "1.0-5", "=", "1.0", true},
		{Yum, "1.0-5", "=", "1.0-4", false},
		{Yum, "1.0-5", ">", "1.0", false},
		{Yum, "1:1.0-5", "<", "2.0", false},
		{Yum, "1.0", "=", "1.0-4", true},
	} {
		if got := fits(c.kind, c.have, c.operator, c.want); got != c.fits {
			t.Errorf("%s: %s %s %s is %t", c.kind, c.have, c.operator, c.want, got)
		}
	}
}

func TestPatternsThatAreNotTaken(t *testing.T) {
	for _, text := range []string{"", "a b", "nginx ~ 1", "nginx >=", "a/b", "[", "../x", "a;b"} {
		if CheckPattern(text) == nil {
			t.Errorf("%q was taken", text)
		}
	}
	for _, text := range []string{"nginx", "python3-*", "lib?", "lib[ab]", "nginx >= 1:1.22-1~deb12", "g++"} {
		if err := CheckPattern(text); err != nil {
			t.Error(err)
		}
	}
}
