package db_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"hostler/db"
	"hostler/db/dbtest"
)

func TestCertificatesByStateAndKey(t *testing.T) {
	d := dbtest.Open(t)
	ctx, now := t.Context(), db.Now()
	for i := range 6 {
		c := db.Certificate{Serial: fmt.Sprint("0", i), AgentSN: "a", Hostname: fmt.Sprint("node", i/2), CreatedAt: now, NotAfter: now.Add(time.Hour)}
		if i == 5 {
			c.NotAfter = now
		}
		must(t, d.CreateCertificate(ctx, &c))
	}
	at := now.Add(time.Second)
	revoked, unknown, err := d.RevokeCertificates(ctx, db.Revocation{Serials: []string{"02"}, Hosts: []string{"node0", "node2"}, By: "alice", At: at})
	if err != nil || unknown != nil || serials(revoked) != "00 01 02 04" {
		t.Fatalf("revoked %s, %+v, %v", serials(revoked), unknown, err)
	}
	for state, want := range map[db.CertificateState]string{
		"": "00 01 02 03 04 05", db.CertificateValid: "03", db.CertificateRevoked: "00 01 02 04", db.CertificateExpired: "05",
	} {
		var got []db.Certificate
		q := db.CertificateQuery{State: state, Now: at, Limit: 2}
		for {
			page, next, err := d.Certificates(ctx, q)
			must(t, err)
			got = append(got, page...)
			if next == nil {
				break
			}
			q.After = *next
		}
		if serials(got) != want {
			t.Errorf("%q: %s, want %s", state, serials(got), want)
		}
		for i := range got {
			if state != "" && got[i].State(at) != state {
				t.Errorf("%s is %s, found as %s", got[i].Serial, got[i].State(at), state)
			}
		}
	}
	found, _, err := d.Certificates(ctx, db.CertificateQuery{Search: "node2"})
	if err != nil || serials(found) != "04 05" {
		t.Errorf("found %s, %v", serials(found), err)
	}
	if found, _, err := d.Certificates(ctx, db.CertificateQuery{Search: "node_"}); err != nil || len(found) != 0 {
		t.Errorf("a wildcard found %s, %v", serials(found), err)
	}
	c, err := d.Certificate(ctx, "02")
	if err != nil || c.RevokedBy != "alice" || c.RevokedAt == nil || !c.RevokedAt.Equal(at) {
		t.Errorf("the record is %+v, %v", c, err)
	}
	denials, err := d.Denials(ctx, at)
	if err != nil || len(denials) != 4 || !denials[0].NotAfter.Equal(now.Add(time.Hour)) {
		t.Errorf("denied are %+v, %v", denials, err)
	}
	if denials, err := d.Denials(ctx, now.Add(time.Hour)); err != nil || len(denials) != 0 {
		t.Errorf("after their end denied are %+v, %v", denials, err)
	}
}

func TestKnownTraces(t *testing.T) {
	d := dbtest.Open(t)
	must(t, d.CreateCertificates(t.Context(), []db.Certificate{
		{Serial: "01", AgentSN: "a", Hostname: "node1", KeyHash: "k1", Machine: "m1", CreatedAt: db.Now()},
		{Serial: "02", AgentSN: "b", Hostname: "node2", KeyHash: "k2", CreatedAt: db.Now()},
	}))
	got, err := d.KnownTraces(t.Context(), []db.Traces{
		{Hostname: "node1", KeyHash: "k9", Machine: "m9"},
		{Hostname: "node9", KeyHash: "k2"},
		{Hostname: "node9", KeyHash: "k9", Machine: "m1"},
		{Hostname: "node9", KeyHash: "k9"}, // no machine is none in common with node2
		{Hostname: "k1", KeyHash: "m1", Machine: "node1"},
	})
	if err != nil || !slices.Equal(got, []bool{true, true, true, false, false}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestRevocationIsWholeOrNothing(t *testing.T) {
	d := dbtest.Open(t)
	ctx, now := t.Context(), db.Now()
	must(t, d.CreateCertificate(ctx, &db.Certificate{Serial: "01", AgentSN: "a", Hostname: "node1", CreatedAt: now, NotAfter: now.Add(time.Hour)}))
	revoked, unknown, err := d.RevokeCertificates(ctx, db.Revocation{Serials: []string{"01", "02"}, Hosts: []string{"node1", "node2"}, At: now})
	if err != nil || len(revoked) != 0 || unknown == nil || fmt.Sprint(unknown.Serials, unknown.Hosts) != "[02] [node2]" {
		t.Fatalf("revoked %s, unknown %+v, %v", serials(revoked), unknown, err)
	}
	if c, err := d.Certificate(ctx, "01"); err != nil || c.RevokedAt != nil {
		t.Errorf("the record is %+v, %v", c, err)
	}
}

func serials(cs []db.Certificate) (list string) {
	for i := range cs {
		if i > 0 {
			list += " "
		}
		list += cs[i].Serial
	}
	return list
}
