package apt

import (
	"os/exec"
	"testing"
)

// order is versions from the oldest to the newest.
var order = []string{"0~", "0", "1.0~~a", "1.0~", "1.0~rc1-1", "1.0", "1.0-1~bpo1", "1.0-1", "1.0-1+b1", "1.0a-1", "1.0+dfsg-1", "1.0.1", "1.9", "1.10-2", "1.10-10", "2.0-1-1", "1:0.1", "2:0"}

func TestCompare(t *testing.T) {
	for i, a := range order {
		for j, b := range order {
			got := Compare(a, b)
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("Compare(%q, %q) = %d", a, b, got)
			}
		}
	}
	if Compare("1.0", "0:1.0-0") != 0 || Compare("1.00-01", "1.0-1") != 0 {
		t.Error("versions that mean the same differ")
	}
}

func TestDpkgComparesAlike(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("dpkg is not installed: its view of the order goes untested")
	}
	for i := range order[1:] {
		if out, err := exec.CommandContext(t.Context(), "dpkg", "--compare-versions", order[i], "lt", order[i+1]).CombinedOutput(); err != nil {
			t.Errorf("dpkg does not say that %s is older than %s: %v %s", order[i], order[i+1], err, out)
		}
	}
}
