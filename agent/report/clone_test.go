package report

import (
	"net/http"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/wire"
)

// TestACopyOfAHostAsksForACertificateOfItsOwn is a machine whose disk was copied from another one's.
func TestACopyOfAHostAsksForACertificateOfItsOwn(t *testing.T) {
	f := newFixture(t)
	refused := false
	f.OnRegister = func(ask wire.RegisterRequest) (wire.RegisterReply, error) {
		if !refused {
			refused = true
			return wire.RegisterReply{}, agenttest.Refuse(http.StatusForbidden, "machine_changed")
		}
		return wire.RegisterReply{AgentSN: ask.AgentSN}, nil
	}
	f.start()
	first, second := await(f, f.Enrols), await(f, f.Enrols)
	if first.CSR == second.CSR || second.AgentSN != "" || second.Token != "" {
		t.Errorf("it asked with the other's key or number: %+v", second)
	}
	f.beat()
	f.logged("the certificate is another machine's")
}

func TestAServerHasTheCertificateRenewed(t *testing.T) {
	f := newFixture(t)
	asked := 0
	f.OnStatus = func(wire.StatusRequest) (wire.StatusReply, error) {
		asked++
		return wire.StatusReply{Renew: asked == 1}, nil
	}
	f.start()
	f.beat()
	await(f, f.Renews)
	f.beat()
	f.beat()
	if len(f.Renews) != 0 {
		t.Error("it renewed once more")
	}
}

// TestATwinOfAHostAsksForACertificateOfItsOwn is a machine that the server knows from its original by the process that reports.
func TestATwinOfAHostAsksForACertificateOfItsOwn(t *testing.T) {
	f := newFixture(t)
	original, refused := "", false
	f.OnStatus = func(ask wire.StatusRequest) (wire.StatusReply, error) {
		switch {
		case original == "":
			original = ask.Instance
		case ask.Instance != original && !refused:
			refused = true
			return wire.StatusReply{}, agenttest.Refuse(http.StatusForbidden, "machine_changed")
		}
		return wire.StatusReply{}, nil
	}
	stop := f.start()
	if first, second := f.beat(), f.beat(); first.Instance == "" || first.Instance != second.Instance {
		t.Errorf("one process calls itself %q and %q", first.Instance, second.Instance)
	}
	stop()
	first := await(f, f.Enrols)
	f.start()
	if second := await(f, f.Enrols); first.CSR == second.CSR || second.Token != "" {
		t.Errorf("it asked with the other's key: %+v", second)
	}
}
