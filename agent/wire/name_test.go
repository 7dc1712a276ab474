package wire

import (
	"regexp"
	"strings"
	"testing"
)

// nameRules are the functions beside what they have to take, written as an expression.
var nameRules = map[string]struct {
	is   func(string) bool
	same *regexp.Regexp
}{
	"child agent": {IsChildName, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)},
	"job":         {IsJobID, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)},
	"version":     {IsVersion, regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+~:_-]{0,63}$`)},
}

var names = []string{
	"", "a", "Z", "0", "BasicAgent", "web-1.2_x", "1:2.3+dfsg~rc1-4", "3f2c1d7e-0000-4000-8000-000000000000",
	".", "..", "-", "_", "+", "~", ":", ".a", "-rf", "_a", "a.", "a-", "a..b",
	"a/b", "../a", `a\b`, "a b", " a", "a ", "a\n", "\na", "a\nb", "a\x00", "a\x7f", "a\xff", "\xffa", "é", "aé", "名", "a名", "ſ", "a%", "a*", "@a", "[a", "`a", "{a",
	strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("a", 128), strings.Repeat("a", 129), strings.Repeat("-", 64),
}

// holdNames holds all functions to their expressions on one text.
func holdNames(t *testing.T, text string) {
	t.Helper()
	for what, rule := range nameRules {
		if got, want := rule.is(text), rule.same.MatchString(text); got != want {
			t.Errorf("%s %q: got %t, want %t", what, text, got, want)
		}
	}
}

func TestEveryByteOfNames(t *testing.T) {
	for c := range 256 {
		for _, text := range [][]byte{{byte(c)}, {'a', byte(c)}, {'a', byte(c), 'b'}} {
			holdNames(t, string(text))
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, text := range names {
		f.Add(text)
	}
	f.Fuzz(holdNames)
}
