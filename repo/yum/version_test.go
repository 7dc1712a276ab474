package yum

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// order is versions from the oldest to the newest.
var order = []string{
	"0~rc1-1", "0-1", "1.0~~", "1.0~beta-1", "1.0~rc1^git1-1", "1.0~rc1^git1.1-1", "1.0-1", "1.0-1.el9", "1.0-2", "1.0^git1-1", "1.0^20200101-1", "1.0.a-1", "1.0.0-1", "1.0.1-1", "1.9-1", "1.10-1", "1.10.a-1", "2-1", "1:0.1-1", "2:0-1",
}

func TestCompare(t *testing.T) {
	for i, a := range order {
		for j, b := range order {
			if got, want := sign(Compare(a, b)), sign(i-j); got != want {
				t.Errorf("Compare(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
	for _, same := range [][2]string{{"1.0-1", "0:1.0-1"}, {"1.0-1", "1.00-01"}, {"1_0-1", "1.0-1"}} {
		if got := Compare(same[0], same[1]); got != 0 {
			t.Errorf("Compare(%q, %q) = %d, want 0", same[0], same[1], got)
		}
	}
}

func TestRPMComparesAlike(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("rpm is not installed: its view of the order goes untested")
	}
	versions := []string{"1.0", "1.0~rc1", "1.0^git1", "1.0^", "1.0^git1~pre", "1.0~rc1^git1", "1.0.1", "10a", "10.a", "1a", "1.a1", "1.1a", "a1", "A1", "z", "~", "^", "1..0", "1.0.", "001", "1__2", "1.0^git10", "1.0^git9"}
	for _, a := range versions {
		var program strings.Builder
		for _, b := range versions {
			fmt.Fprintf(&program, "print(rpm.vercmp(%q,%q), ' ')", a, b)
		}
		out, err := exec.CommandContext(t.Context(), "rpm", "--eval", "%{lua:"+program.String()+"}").Output()
		if err != nil {
			t.Fatal(err)
		}
		answers := strings.Fields(string(out))
		if len(answers) != len(versions) {
			t.Fatalf("rpm answers %q", out)
		}
		for i, b := range versions {
			if got := fmt.Sprint(sign(compareParts(a, b))); got != answers[i] {
				t.Errorf("%q and %q: %s, rpm says %s", a, b, got, answers[i])
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
