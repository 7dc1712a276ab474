package trust_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/trust"
)

// arrive asks for a certificate without a token, and returns the request that waits.
func (r *rig) arrive(name string, key *ecdsa.PrivateKey, facts *wire.Facts) *db.EnrolRequest {
	r.Helper()
	_, err := r.ca.Enrol(r.Context(), wire.EnrollRequest{Hostname: name, CSR: request(r.T, key, nil), Facts: facts}, here)
	var waiting *trust.Waiting
	if !errors.As(err, &waiting) || code(err) != "approval_pending" {
		r.Fatalf("%s is answered with %v", name, err)
	}
	return waiting.Request
}

// fetch asks again and returns the certificate, or nil and the code of the refusal.
func (r *rig) fetch(name string, key *ecdsa.PrivateKey) (*x509.Certificate, string) {
	r.Helper()
	reply, err := r.ca.Enrol(r.Context(), wire.EnrollRequest{Hostname: name, CSR: request(r.T, key, nil)}, here)
	if err != nil {
		return nil, code(err)
	}
	block, _ := pem.Decode([]byte(reply.Certificate))
	c, err := x509.ParseCertificate(block.Bytes)
	r.must(err)
	if c.Subject.CommonName != reply.AgentSN {
		r.Errorf("the answer names %s, the certificate %s", reply.AgentSN, c.Subject.CommonName)
	}
	return c, ""
}

func (r *rig) sign(d trust.Decision) []db.Certificate {
	r.Helper()
	signed, err := r.ca.Sign(r.Context(), d, "alice")
	r.must(err)
	return signed
}

func TestHostWithoutATokenWaitsUntilItIsSigned(t *testing.T) {
	r := newRig(t)
	key := newKey(t)
	q := r.arrive("Node1.Lab.Test", key, &wire.Facts{OS: wire.OS{Name: "Debian"}, MachineID: "c0ffee"})
	if q.Hostname != "node1.lab.test" || q.Address != here.String() || q.Facts.OS.Name != "Debian" || q.Machine != "c0ffee" || q.Conflict != "" {
		t.Errorf("waiting is %+v", q)
	}
	if _, refused := r.fetch("node1.lab.test", key); refused != "approval_pending" {
		t.Errorf("it is answered with %q", refused)
	}
	if all, clear, err := r.db.CountEnrolRequests(t.Context(), db.EnrolWaiting); err != nil || all != 1 || clear != 1 {
		t.Errorf("%d wait, %d of them without a conflict: %v", all, clear, err)
	}
	signed := r.sign(trust.Decision{Hosts: []string{"NODE1.lab.test"}})
	if len(signed) != 1 || signed[0].Hostname != "node1.lab.test" || signed[0].Machine != "c0ffee" {
		t.Fatalf("signed are %+v", signed)
	}
	for range 2 { // the first answer was lost
		c, refused := r.fetch("node1.lab.test", key)
		if c == nil {
			t.Fatalf("the signed host is refused: %s", refused)
		}
		if record, err := r.ca.Identify(t.Context(), c); err != nil || record.Serial != signed[0].Serial || !key.PublicKey.Equal(c.PublicKey) {
			t.Errorf("the certificate is %+v, %v", record, err)
		}
	}
	if again := r.sign(trust.Decision{All: true}); len(again) != 0 {
		t.Errorf("it was signed once more: %+v", again)
	}
	other := newKey(t)
	r.arrive("node1.lab.test", other, nil)
	if c, refused := r.fetch("node1.lab.test", other); c != nil || refused != "approval_pending" {
		t.Errorf("another key is answered with %q", refused)
	}
}

func TestRefusedHostIsRefusedUntilItIsForgotten(t *testing.T) {
	r := newRig(t)
	key := newKey(t)
	q := r.arrive("node1", key, nil)
	refused, err := r.ca.Refuse(t.Context(), trust.Decision{IDs: []int64{q.ID}}, "alice")
	if err != nil || len(refused) != 1 {
		t.Fatalf("refused are %+v, %v", refused, err)
	}
	if _, got := r.fetch("node1", key); got != "enrol_refused" {
		t.Errorf("it is answered with %q", got)
	}
	if signed := r.sign(trust.Decision{All: true}); len(signed) != 0 {
		t.Errorf("a refused host was signed: %+v", signed)
	}
	if revoked, n, err := r.ca.Clean(t.Context(), []string{"Node1"}, "alice"); err != nil || len(revoked) != 0 || n != 1 {
		t.Errorf("cleaned are %+v and %d: %v", revoked, n, err)
	}
	r.arrive("node1", key, nil)
}

func TestCleanRevokesAndForgets(t *testing.T) {
	r := newRig(t)
	key := newKey(t)
	r.arrive("node1", key, nil)
	r.sign(trust.Decision{All: true})
	c, _ := r.fetch("node1", key)
	revoked, n, err := r.ca.Clean(t.Context(), []string{"node1"}, "alice")
	if err != nil || len(revoked) != 1 || n != 1 || code(r.ca.CheckRevoked(serial(c))) != "certificate_revoked" {
		t.Errorf("cleaned are %+v and %d: %v", revoked, n, err)
	}
	var wrong *trust.FieldError
	for _, hosts := range [][]string{{"node9"}, nil} {
		if _, _, err := r.ca.Clean(t.Context(), hosts, "alice"); !errors.As(err, &wrong) {
			t.Errorf("%v: %v", hosts, err)
		}
	}
	if q := r.arrive("node1", newKey(t), nil); q.Conflict != db.ConflictRevoked {
		t.Errorf("it comes back with the conflict %q", q.Conflict)
	}
}

func TestCleanDoesAllOrNothing(t *testing.T) {
	r := newRig(t)
	r.arrive("node1", newKey(t), nil)
	r.sign(trust.Decision{All: true})
	r.arrive("node2", newKey(t), nil)
	var wrong *trust.FieldError
	if _, _, err := r.ca.Clean(t.Context(), []string{"node1", "node2", "node3"}, "alice"); !errors.As(err, &wrong) || !strings.Contains(wrong.Message, "of node3") {
		t.Errorf("a name that nobody has: %v", err)
	}
	revoked, n, err := r.ca.Clean(t.Context(), []string{"node1", "node2"}, "alice")
	if err != nil || len(revoked) != 1 || revoked[0].Hostname != "node1" || n != 2 {
		t.Errorf("cleaned are %+v and %d: %v", revoked, n, err)
	}
}

// Who looked at a request has looked at its name.
func TestAttackWaitingHostThatTakesAnotherName(t *testing.T) {
	r := newRig(t)
	key := newKey(t)
	r.host("db1", "8c7e2a34-95a1-4f7f-9a3f-4df3b1c7f001")
	seen := r.arrive("web17", key, nil)
	now := r.arrive("db1", key, nil)
	if now.ID == seen.ID {
		t.Error("it has the number that somebody looked at")
	}
	if signed := r.sign(trust.Decision{IDs: []int64{seen.ID}}); len(signed) != 0 {
		t.Errorf("it got a certificate for %s", signed[0].Hostname)
	}
	if _, refused := r.fetch("db1", key); refused != "approval_pending" {
		t.Errorf("it is answered with %q", refused)
	}
}

// Who comes first must not be signed with all others because the host whose name it claims came second.
func TestAttackHostThatClaimsANameFirst(t *testing.T) {
	r := newRig(t)
	first, second := newKey(t), newKey(t)
	if q := r.arrive("web1", first, nil); q.Conflict != "" {
		t.Errorf("alone it has the conflict %q", q.Conflict)
	}
	r.arrive("web1", second, nil)
	admitted := newKey(t)
	r.arrive("web2", admitted, nil)
	r.enrol("web2", "", r.token(trust.TokenSpec{Hostname: "web2"}))
	if signed := r.sign(trust.Decision{All: true}); len(signed) != 0 {
		t.Errorf("signed are %+v", signed)
	}
	if _, clear, err := r.db.CountEnrolRequests(t.Context(), db.EnrolWaiting); err != nil || clear != 0 {
		t.Errorf("%d are shown without a conflict: %v", clear, err)
	}
}

func TestRefusedHostStaysRefusedWhileItAsks(t *testing.T) {
	r := newRig(t)
	key := newKey(t)
	q := r.arrive("node1", key, nil)
	_, err := r.ca.Refuse(t.Context(), trust.Decision{IDs: []int64{q.ID}}, "alice")
	r.must(err)
	r.clock.Advance(24 * time.Hour)
	r.fetch("node1", key)
	if n, err := r.db.DeleteEnrolRequestsBefore(t.Context(), db.EnrolRefused, r.clock.Now().Add(-time.Hour), 10); n != 0 || err != nil {
		t.Errorf("%d are forgotten, %v", n, err)
	}
}

func TestWhatIsNoSerialNumberIsNotKept(t *testing.T) {
	r := newRig(t)
	for _, wish := range []string{strings.Repeat("ä", 60), "8C7E2A34-95A1-4F7F-9A3F-4DF3B1C7F001"} {
		_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node1", AgentSN: wish, CSR: request(t, newKey(t), nil)}, here)
		var waiting *trust.Waiting
		if !errors.As(err, &waiting) || waiting.Request.AgentSN != "" && waiting.Request.AgentSN != strings.ToLower(wish) {
			t.Errorf("%s: %v", wish, err)
		}
	}
}

// TestAttackRevokedHostInTheQueue holds that a host that was turned away is not let in again among many.
func TestAttackRevokedHostInTheQueue(t *testing.T) {
	r := newRig(t)
	key, machine := newKey(t), &wire.Facts{MachineID: "c0ffee"}
	r.arrive("node1", key, machine)
	r.sign(trust.Decision{All: true})
	r.revoke("node1")
	for name, q := range map[string]*db.EnrolRequest{
		"its own key": r.arrive("node1", key, machine), "its name": r.arrive("node1", newKey(t), nil), "its machine": r.arrive("node2", newKey(t), machine),
	} {
		if q.Conflict != db.ConflictRevoked {
			t.Errorf("%s: the conflict is %q", name, q.Conflict)
		}
	}
	r.arrive("node3", newKey(t), nil)
	if signed := r.sign(trust.Decision{All: true}); len(signed) != 1 || signed[0].Hostname != "node3" {
		t.Errorf("signed are %+v", signed)
	}
	if c, _ := r.fetch("node1", key); c != nil {
		t.Error("it got a certificate")
	}
}

// TestAttackNameOfAnotherHostInTheQueue holds that whoever claims the name of a known host becomes it neither by being signed
// among many nor under a number that it asks for.
func TestAttackNameOfAnotherHostInTheQueue(t *testing.T) {
	r := newRig(t)
	victim, _ := r.enrol("node1", "", r.token(trust.TokenSpec{}))
	r.host("node1", victim.AgentSN)
	intruder := newKey(t)
	if q := r.arrive("node1", intruder, nil); q.Conflict != db.ConflictKnown {
		t.Errorf("the conflict is %q", q.Conflict)
	}
	thief := newKey(t)
	_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: "node2", AgentSN: victim.AgentSN, CSR: request(t, thief, nil)}, here)
	if code(err) != "approval_pending" {
		t.Fatal(err)
	}
	r.sign(trust.Decision{All: true})
	if c, _ := r.fetch("node1", intruder); c != nil {
		t.Error("it was signed among all")
	}
	if c, refused := r.fetch("node2", thief); c == nil || c.Subject.CommonName == victim.AgentSN {
		t.Errorf("node2 has the number of node1, or none: %s", refused)
	}
	// Somebody who signs just this one wants it to take the place of the host that had the name.
	if signed := r.sign(trust.Decision{Hosts: []string{"node1"}}); len(signed) != 1 || signed[0].AgentSN != victim.AgentSN {
		t.Errorf("signed are %+v", signed)
	}
}

func TestTwoHostsOfOneNameAreToldApart(t *testing.T) {
	r := newRig(t)
	first, second := newKey(t), newKey(t)
	r.arrive("node1", first, nil)
	q := r.arrive("node1", second, nil)
	if q.Conflict != db.ConflictTwice {
		t.Errorf("the conflict is %q", q.Conflict)
	}
	var wrong *trust.FieldError
	if _, err := r.ca.Sign(t.Context(), trust.Decision{Hosts: []string{"node1"}}, "alice"); !errors.As(err, &wrong) || wrong.Field != "hosts" {
		t.Errorf("one of the two was signed: %v", err)
	}
	r.sign(trust.Decision{IDs: []int64{q.ID}})
	if c, _ := r.fetch("node1", second); c == nil {
		t.Error("the one that was chosen got none")
	}
	if c, _ := r.fetch("node1", first); c != nil {
		t.Error("the other one got a certificate, too")
	}
}

func TestClonesInTheQueueGetTheirOwnNumbers(t *testing.T) {
	const disk = "7f7f6c2e-4a51-4c0e-9a0b-0f6f8f1f0a01"
	r := newRig(t)
	for i := range 5 {
		_, err := r.ca.Enrol(t.Context(), wire.EnrollRequest{Hostname: fmt.Sprintf("clone%d", i), AgentSN: disk, CSR: request(t, newKey(t), nil)}, here)
		if code(err) != "approval_pending" {
			t.Fatal(err)
		}
	}
	numbers := map[string]bool{}
	for _, c := range r.sign(trust.Decision{All: true}) {
		numbers[c.AgentSN] = true
	}
	if len(numbers) != 5 || !numbers[disk] {
		t.Errorf("five clones of one disk got %d numbers", len(numbers))
	}
}

func TestDecisionsAtOnce(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		r.arrive(fmt.Sprintf("node%d", i), newKey(t), nil)
	}
	turn := make(chan int, 6)
	for i := range cap(turn) {
		turn <- i
	}
	for _, err := range atOnce(t.Context(), cap(turn), func(ctx context.Context) error {
		var err error
		if <-turn%2 == 0 {
			_, err = r.ca.Sign(ctx, trust.Decision{All: true}, "alice")
		} else {
			_, err = r.ca.Refuse(ctx, trust.Decision{All: true}, "bob")
		}
		return err
	}) {
		r.must(err)
	}
	signed, _, err := r.db.CountEnrolRequests(t.Context(), db.EnrolSigned)
	r.must(err)
	refused, _, err := r.db.CountEnrolRequests(t.Context(), db.EnrolRefused)
	r.must(err)
	valid, _, err := r.db.Certificates(t.Context(), db.CertificateQuery{})
	r.must(err)
	if signed+refused != 20 || len(valid) != signed {
		t.Errorf("%d signed, %d refused, %d certificates", signed, refused, len(valid))
	}
}

func TestQueueKeepsLittleOfWhoIsUnknown(t *testing.T) {
	r := newRig(t)
	long := &wire.Facts{OS: wire.OS{Name: "Debian"}, Arch: "amd64"}
	for range 500 {
		long.Interfaces = append(long.Interfaces, wire.Interface{Name: strings.Repeat("x", 100)})
	}
	if q := r.arrive("node1", newKey(t), long); q.Facts == nil || q.Facts.OS.Name != "Debian" || len(q.Facts.Interfaces) != 0 {
		t.Errorf("kept are %d interfaces", len(q.Facts.Interfaces))
	}
	long.OS.Name = strings.Repeat("x", 100_000)
	if q := r.arrive("node2", newKey(t), long); q.Facts != nil {
		t.Error("everything is kept")
	}
}

func TestQueuePagesByName(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"node3", "node1", "node2", "web1", "node1"} {
		r.arrive(name, newKey(t), nil)
	}
	var names []string
	q := db.EnrolRequestQuery{State: db.EnrolWaiting, Search: "node", Limit: 2}
	for {
		page, next, err := r.db.EnrolRequests(t.Context(), q)
		r.must(err)
		for i := range page {
			names = append(names, page[i].Hostname)
			if page[i].CSR != "" {
				t.Error("a list reads the requests themselves")
			}
		}
		if next == nil {
			break
		}
		q.After = *next
	}
	if got := strings.Join(names, " "); got != "node1 node1 node2 node3" {
		t.Errorf("the pages list %s", got)
	}
	r.clock.Advance(25 * time.Hour)
	r.arrive("node9", newKey(t), nil)
	n, err := r.db.DeleteEnrolRequestsBefore(t.Context(), db.EnrolWaiting, r.clock.Now().Add(-24*time.Hour), 100)
	if all, _, _ := r.db.CountEnrolRequests(t.Context(), db.EnrolWaiting); err != nil || n != 5 || all != 1 {
		t.Errorf("%d were forgotten, %d are left: %v", n, all, err)
	}
}

// TestSignAllLeavesWhatOthersClaimByNow has requests whose conflicts nobody has noted: they came after one was looked at.
func TestSignAllLeavesWhatOthersClaimByNow(t *testing.T) {
	r := newRig(t)
	token := r.token(trust.TokenSpec{})
	r.enrol("known", "", token)
	for i, name := range []string{"twice", "alone", "twice", "known"} {
		key := newKey(t)
		r.must(r.db.CreateEnrolRequest(t.Context(), &db.EnrolRequest{
			KeyHash: fmt.Sprint("key", i), Hostname: name, State: db.EnrolWaiting, CSR: request(t, key, nil), CreatedAt: db.Now(), SeenAt: db.Now(),
		}))
	}
	signed, err := r.ca.Sign(t.Context(), trust.Decision{All: true}, "alice")
	r.must(err)
	if len(signed) != 1 || signed[0].Hostname != "alone" {
		t.Errorf("signed %+v", signed)
	}
}
