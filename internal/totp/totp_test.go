package totp

import (
	"testing"
	"time"
)

// TestVectors are those of RFC 6238, appendix B, for SHA-1. They have eight digits; the first two are left out.
func TestVectors(t *testing.T) {
	secret := Secret("12345678901234567890")
	for unix, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := secret.Code(Step(time.Unix(unix, 0))); got != want[2:] {
			t.Errorf("at %d it is %s, want %s", unix, got, want[2:])
		}
	}
}

// TestHOTPVectors are those of RFC 4226, appendix D.
func TestHOTPVectors(t *testing.T) {
	secret := Secret("12345678901234567890")
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := secret.Code(int64(step)); got != want {
			t.Errorf("of %d it is %s, want %s", step, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	secret, now := NewSecret(), time.Unix(1_800_000_015, 0)
	for off, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		step, ok := secret.Match(secret.Code(Step(now)+off), now)
		if ok != want || ok && step != Step(now)+off {
			t.Errorf("%d steps off: %d, %v", off, step, ok)
		}
	}
	for _, wrong := range []string{"", "0", secret.Code(Step(now)) + "0", secret.Code(Step(now))[1:]} {
		if _, ok := secret.Match(wrong, now); ok {
			t.Errorf("%q matched", wrong)
		}
	}
}

func TestURL(t *testing.T) {
	got := Secret("12345678901234567890").URL("Hostler lab", "bo lin@example")
	const want = "otpauth://totp/Hostler%20lab:bo%20lin@example?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Hostler%20lab"
	if got != want {
		t.Errorf("it is %s, want %s", got, want)
	}
}
