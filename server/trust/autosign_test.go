package trust_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/trust"
)

// verdicts notes what rules and the program say.
func (r *rig) verdicts() *[]trust.Verdict {
	said := &[]trust.Verdict{}
	r.ca.OnVerdict(func(_ context.Context, v trust.Verdict) { *said = append(*said, v) })
	return said
}

func (r *rig) rule(ask trust.SignRuleRequest) *db.SignRule {
	r.Helper()
	rule, err := r.ca.NewSignRule(r.Context(), ask, "alice")
	r.must(err)
	return rule
}

// come asks without a token, from an address, and says whether it got a certificate.
func (r *rig) come(name, from string) bool {
	r.Helper()
	_, err := r.ca.Enrol(r.Context(), wire.EnrollRequest{Hostname: name, CSR: request(r.T, newKey(r.T), nil)}, netip.MustParseAddr(from))
	if err != nil && code(err) != "approval_pending" {
		r.Fatal(err)
	}
	return err == nil
}

func TestRulesSignByNameAndAddress(t *testing.T) {
	r := newRig(t)
	if r.come("a.test.com", "10.1.0.1") {
		t.Error("there is no rule, and it was signed")
	}
	said := r.verdicts()
	rule := r.rule(trust.SignRuleRequest{Host: "*.Test.com", Networks: "10.1.0.0/16"})
	for name, c := range map[string]struct {
		from string
		want bool
	}{
		"b.test.com": {"10.1.0.1", true}, "a.b.test.com": {"::ffff:10.1.9.9", true},
		"test.com": {"10.1.0.1", false}, "c.test.com": {"10.2.0.1", false}, "atest.com": {"10.1.0.1", false}, "d.test.com.evil": {"10.1.0.1", false},
	} {
		if got := r.come(name, c.from); got != c.want {
			t.Errorf("%s from %s is signed: %t", name, c.from, got)
		}
	}
	if len(*said) != 2 || (*said)[0].By != "rule:1" || !(*said)[0].Signed {
		t.Errorf("told are %+v", *said)
	}
	if _, err := r.db.DeleteSignRule(t.Context(), rule.ID); err != nil {
		t.Fatal(err)
	}
	if r.come("e.test.com", "10.1.0.1") {
		t.Error("a rule that is gone signed")
	}
}

// TestAttackNameThatARuleMatches holds that no rule signs who claims the name of a known host or was turned away.
func TestAttackNameThatARuleMatches(t *testing.T) {
	r := newRig(t)
	r.rule(trust.SignRuleRequest{Host: "*.test.com"})
	if !r.come("a.test.com", "10.1.0.1") || r.come("a.test.com", "10.1.0.1") {
		t.Error("the second machine of a name was signed, or not even the first")
	}
	r.revoke("a.test.com")
	if r.come("a.test.com", "10.1.0.1") {
		t.Error("a host that was turned away was signed")
	}
}

func TestRulesAreChecked(t *testing.T) {
	r := newRig(t)
	for field, asks := range map[string][]trust.SignRuleRequest{
		"host":     {{}, {Host: "*"}, {Host: "*."}, {Host: "a b"}},
		"networks": {{Host: "*.test", Networks: "lab"}},
		"note":     {{Host: "*.test", Note: strings.Repeat("x", 201)}},
	} {
		for _, ask := range asks {
			var wrong *trust.FieldError
			if _, err := r.ca.NewSignRule(t.Context(), ask, "alice"); !errors.As(err, &wrong) || wrong.Field != field {
				t.Errorf("%+v: %v", ask, err)
			}
		}
	}
}

func TestProgramDecides(t *testing.T) {
	r := newRig(t)
	said := r.verdicts()
	path := filepath.Join(t.TempDir(), "decide")
	script := "#!/bin/sh\ngrep -q 'BEGIN CERTIFICATE REQUEST' || exit 9\necho \"$1 from $HOSTLER_ADDRESS\"\nyes | head -c 10000 >&2\n[ \"$1\" = good.test ]\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	r.must(r.ca.SetProgram(path))
	if !r.come("good.test", "10.1.0.1") || r.come("bad.test", "10.1.0.1") {
		t.Error("it did not decide")
	}
	for i, want := range []struct {
		signed bool
		output string
	}{{true, "good.test from 10.1.0.1"}, {false, "bad.test from 10.1.0.1"}} {
		v := (*said)[i]
		if v.Signed != want.signed || v.By != "program" || !strings.HasPrefix(v.Output, want.output) || len(v.Output) > 4<<10 {
			t.Errorf("told is %t by %s: %.80q", v.Signed, v.By, v.Output)
		}
	}
	if all, _, err := r.db.CountEnrolRequests(t.Context(), db.EnrolWaiting); err != nil || all != 1 {
		t.Errorf("%d wait: %v", all, err)
	}
	r.must(os.Remove(path))
	if r.come("other.test", "10.1.0.1") || (*said)[2].Output == "" {
		t.Errorf("a program that is gone signed, or nobody is told: %+v", (*said)[2])
	}
}

// A program that does not decide is ended, together with what it has started, and so is one that leaves its output open.
func TestProgramThatTakesTooLong(t *testing.T) {
	r := newRig(t)
	said := r.verdicts()
	r.ca.SetProgramTime(100 * time.Millisecond)
	for i, body := range []string{"exec sleep 3600", "sleep 3600\nexit 0", "sleep 3600 & wait"} {
		path := filepath.Join(t.TempDir(), "decide")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		r.must(r.ca.SetProgram(path))
		if r.come(fmt.Sprintf("node%d.test", i), "10.1.0.1") {
			t.Errorf("%q: it was signed", body)
		}
		if v := (*said)[i]; v.Signed || v.By != "program" || !strings.Contains(v.Output, "it took longer than 100ms") {
			t.Errorf("%q: told is %+v", body, v)
		}
	}
}

func TestProgramsThatOthersChangeAreRefused(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(t.TempDir(), "decide")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[os.FileMode]string{0o644: "not executable", 0o775: "others", 0o757: "others", 0o755: ""} {
		r.must(os.Chmod(path, mode))
		err := r.ca.SetProgram(path)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%o: %v", mode, err)
		}
	}
	if err := r.ca.SetProgram(path + "x"); err == nil {
		t.Error("a missing program is no error")
	}
}
