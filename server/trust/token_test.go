package trust_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/trust"
)

// operatorToken makes a token as an operator does.
func (r *rig) operatorToken(ask trust.TokenRequest) (string, *db.EnrolToken) {
	r.Helper()
	secret, t, err := r.ca.NewToken(r.Context(), ask, "alice")
	r.must(err)
	return secret, t
}

func TestTokensAdmitByName(t *testing.T) {
	for _, c := range []struct {
		scope    string
		admitted string
		refused  string
	}{
		{"", "node1 node1.lab.test 10.1.2.3 2001:db8::1", ""},
		{"Node1.Lab.Test.", "node1.lab.test", "node2.lab.test node1 node1.lab.test.evil xnode1.lab.test"},
		{"*.test.com", "a.test.com a.b.test.com", "test.com atest.com test.com.evil a.test.com.evil"},
		{"web*.test.com", "web.test.com web17.test.com web-a.test.com", "web1.x.test.com web1.test.com.evil db.test.com"},
		{"*-db.test.com", "a-db.test.com a-b-db.test.com", "a.b-db.test.com db.test.com"},
		{"*.web*.test.com", "a.web1.test.com a.b.web.test.com", "web1.test.com a.db.test.com"},
		{"node*", "node node17", "node1.lab.test"},
		{"10.1.2.*", "10.1.2.3", "10.1.3.2 10.1.2.3.4"},
	} {
		r := newRig(t)
		token, _ := r.operatorToken(trust.TokenRequest{Host: c.scope, Uses: 100})
		for name := range strings.FieldsSeq(c.admitted) {
			if got := r.refusal(wire.EnrollRequest{Hostname: name, Token: token, CSR: request(t, newKey(t), nil)}); got != "" {
				t.Errorf("%q refuses %s: %s", c.scope, name, got)
			}
		}
		for name := range strings.FieldsSeq(c.refused) {
			if got := r.refusal(wire.EnrollRequest{Hostname: name, Token: token, CSR: request(t, newKey(t), nil)}); got != "token_scope" {
				t.Errorf("%q answers %s with %q", c.scope, name, got)
			}
		}
	}
}

func TestAttackTokenFromOutsideItsRange(t *testing.T) {
	r := newRig(t)
	token, kept := r.operatorToken(trust.TokenRequest{Networks: "10.1.2.3/16, 192.0.2.7 2001:db8::/32", Uses: 9})
	if kept.Networks != "10.1.0.0/16,192.0.2.7/32,2001:db8::/32" {
		t.Errorf("it is for %s", kept.Networks)
	}
	ask := func(from netip.Addr) string {
		_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1", Token: token, CSR: request(t, newKey(t), nil)}, from)
		if err == nil {
			return ""
		}
		return code(err)
	}
	for _, from := range []string{"10.1.255.255", "::ffff:10.1.0.1", "192.0.2.7", "2001:db8:ffff::1"} {
		if got := ask(netip.MustParseAddr(from)); got != "" {
			t.Errorf("%s is refused: %s", from, got)
		}
	}
	for _, from := range []string{"10.2.0.1", "192.0.2.8", "2001:db9::1", "::1", "::ffff:10.2.0.1"} {
		if got := ask(netip.MustParseAddr(from)); got != "token_network" {
			t.Errorf("%s is answered with %q", from, got)
		}
	}
	if got := ask(netip.Addr{}); got != "token_network" {
		t.Errorf("an unknown address is answered with %q", got)
	}
	if n := r.usesLeft(token); n != 5 {
		t.Errorf("%d uses are left", n)
	}
}

func TestAttackReplayedExpiredAndEndedTokens(t *testing.T) {
	r := newRig(t)
	once, _ := r.operatorToken(trust.TokenRequest{})
	r.enrol("node1", "", once)
	ended, kept := r.operatorToken(trust.TokenRequest{Uses: 5})
	was, err := r.ca.EndToken(t.Context(), kept.ID, "bob")
	r.must(err)
	if again, err := r.ca.EndToken(t.Context(), kept.ID, "carol"); err != nil || !was || again {
		t.Errorf("ending it reported %t and %t: %v", was, again, err)
	}
	short, _ := r.operatorToken(trust.TokenRequest{Uses: 5})
	ask := func(token string) string {
		return r.refusal(wire.EnrollRequest{Hostname: "node2", Token: token, CSR: request(t, newKey(t), nil)})
	}
	if got := ask(once); got != "token_used" {
		t.Errorf("a replayed token: %q", got)
	}
	if got := ask(ended); got != "token_ended" {
		t.Errorf("an ended token: %q", got)
	}
	r.clock.Advance(trust.TokenLifetime)
	if got := ask(short); got != "token_expired" {
		t.Errorf("an expired token: %q", got)
	}
}

func TestTokensGiveTheirHostsAClusterAndTags(t *testing.T) {
	r := newRig(t)
	token, _ := r.operatorToken(trust.TokenRequest{Cluster: "dc1", Tags: "service=web,rack=12"})
	_, c := r.enrol("node1", "", token)
	record, err := r.ca.Identify(t.Context(), c)
	if err != nil || record.Cluster != "dc1" || record.Tags != "service=web,rack=12" {
		t.Errorf("the record is %+v, %v", record, err)
	}
}

func TestTokenRequestsAreChecked(t *testing.T) {
	r := newRig(t)
	for field, asks := range map[string][]trust.TokenRequest{
		"host":     {{Host: "*"}, {Host: "*.*"}, {Host: "**.test"}, {Host: "a b"}, {Host: "a[1-2].test"}, {Host: strings.Repeat("x", 254)}},
		"networks": {{Networks: "10.1.2.0/33"}, {Networks: "lab"}, {Networks: "10.1.2"}, {Networks: "fe80::1%eth0"}, {Networks: strings.Repeat("10.1.2.3,", 200)}},
		"uses":     {{Uses: -1}, {Uses: 100_001}},
		"lifetime": {{Lifetime: -1}, {Lifetime: 30*24*3600 + 1}},
		"note":     {{Note: strings.Repeat("x", 201)}},
		"cluster":  {{Cluster: strings.Repeat("x", 201)}},
		"tags":     {{Tags: strings.Repeat("x", 201)}},
	} {
		for _, ask := range asks {
			var wrong *trust.FieldError
			if _, _, err := r.ca.NewToken(t.Context(), ask, "alice"); !errors.As(err, &wrong) || wrong.Field != field || wrong.Code == "" {
				t.Errorf("%.80v: %v", ask, err)
			}
		}
	}
	_, kept := r.operatorToken(trust.TokenRequest{})
	if kept.Uses != 1 || kept.ExpiresAt.Sub(kept.CreatedAt) != 15*time.Minute || kept.CreatedBy != "alice" {
		t.Errorf("by default a token is %+v", kept)
	}
}

func TestTokensByState(t *testing.T) {
	r := newRig(t)
	_, expired := r.operatorToken(trust.TokenRequest{Lifetime: 60})
	r.clock.Advance(time.Minute)
	once, used := r.operatorToken(trust.TokenRequest{})
	r.enrol("node1", "", once)
	_, ended := r.operatorToken(trust.TokenRequest{})
	_, err := r.ca.EndToken(t.Context(), ended.ID, "bob")
	r.must(err)
	_, open := r.operatorToken(trust.TokenRequest{})
	for state, want := range map[db.EnrolTokenState][]int64{
		"": {open.ID, ended.ID, used.ID, expired.ID}, db.EnrolTokenOpen: {open.ID}, db.EnrolTokenEnded: {ended.ID},
		db.EnrolTokenUsed: {used.ID}, db.EnrolTokenExpired: {expired.ID},
	} {
		var got []int64
		q := db.EnrolTokenQuery{State: state, Now: r.clock.Now(), Limit: 2}
		for {
			page, next, err := r.db.EnrolTokens(t.Context(), q)
			r.must(err)
			for i := range page {
				got = append(got, page[i].ID)
				if state != "" && page[i].State(q.Now) != state {
					t.Errorf("%d is %s, found as %s", page[i].ID, page[i].State(q.Now), state)
				}
			}
			if q.Before = next; next == 0 {
				break
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%q: %v, want %v", state, got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%q: %v, want %v", state, got, want)
			}
		}
	}
}
