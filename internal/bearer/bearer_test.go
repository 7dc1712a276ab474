package bearer_test

import (
	"regexp"
	"testing"

	"hostler/internal/bearer"
)

func TestSecrets(t *testing.T) {
	form, seen := regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`), map[string]bool{}
	for range 100 {
		secret := bearer.New()
		if !form.MatchString(secret) || seen[secret] {
			t.Errorf("made %q", secret)
		}
		seen[secret] = true
	}
	// The first example of FIPS 180-2, appendix B.
	if got := bearer.Hash("abc"); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("hashed to %s", got)
	}
}
