package check_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"hostler/server/check"
)

// What mends is of a check and a code that there are, never of what is well, and a script that a shell can read.
func TestMendsAreOfWhatIsFound(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	mends := 0
	for name, codes := range check.Codes() {
		for _, code := range codes {
			script := check.Mend(name, code)
			if script == "" {
				continue
			}
			mends++
			c := exec.CommandContext(t.Context(), sh, "-n")
			c.Stdin = strings.NewReader(script)
			if out, err := c.CombinedOutput(); err != nil || !strings.HasPrefix(script, "set -eu\n") || code == "ok" {
				t.Errorf("%s %s is mended by %q: %v %s", name, code, script, err, out)
			}
		}
	}
	if want := 4; mends != want {
		t.Errorf("%d of %d mends are of what checks may find", mends, want)
	}
	if check.Mend("swappiness", "ok") != "" || check.Mend("disk", "full") != "" || !slices.Contains(check.Names(), "swappiness") {
		t.Error("what is well, or only a person can mend, has a script")
	}
}
