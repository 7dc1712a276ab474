package sample

import (
	"strings"
	"time"

	"github.com/a-h/templ"

	"hostler/ui/layout"
	"hostler/ui/page"
)

func trustPages() []Page {
	return []Page{
		{"/trust", false, func(f layout.Frame) templ.Component {
			return page.TrustPage(page.TrustView{Frame: f, Pin: strings.Repeat("4e07408562bedb8b", 4), Certificates: certificates(), Next: "1f.node02"})
		}},
		{"/trust/none", false, func(f layout.Frame) templ.Component {
			return page.TrustPage(page.TrustView{Frame: f, Pin: strings.Repeat("4e07408562bedb8b", 4)})
		}},
		{"/trust/nothing", false, func(f layout.Frame) templ.Component {
			return page.TrustPage(page.TrustView{Frame: f, Pin: strings.Repeat("4e07408562bedb8b", 4), State: "revoked"})
		}},
		{"/trust/certificates/1/revoke", false, func(f layout.Frame) templ.Component {
			return page.RevokePage(page.RevokeView{Frame: f, Certificate: certificates()[0]})
		}},
		{"/trust/certificates/2/revoke", false, func(f layout.Frame) templ.Component {
			return page.RevokePage(page.RevokeView{Frame: f, Certificate: certificates()[1]})
		}},
		{"/trust/authority", false, func(f layout.Frame) templ.Component {
			f.Administers = true
			return page.AuthorityPage(page.AuthorityView{Frame: f, Stage: "none", Old: authority("a1c3", true), Total: 412})
		}},
		{"/trust/authority/signing", false, func(f layout.Frame) templ.Component {
			f.Administers = true
			next := authority("77fe", true)
			return page.AuthorityPage(page.AuthorityView{
				Frame: f, Stage: "signing", Old: authority("a1c3", false), New: &next, Total: 412, Untrusting: 2, OldCertificates: 31, Lost: 1,
				Behind: []page.BehindHost{
					{ID: 7, Host: "node07.dc1.example", State: "lost"}, {ID: 9, Host: "node09.dc1.example", State: "healthy", Trusts: true},
				}, Next: "9.node09.dc1.example",
			})
		}},
		{"/trust/repository-key", false, func(f layout.Frame) templ.Component {
			f.Administers = true
			return page.RepositoryKeyPage(page.RepositoryKeyView{Frame: f, Stage: "none", Old: signingKey("a1c3", true), Total: 412, Channels: 7})
		}},
		{"/trust/repository-key/trusted", false, func(f layout.Frame) templ.Component {
			f.Administers = true
			next := signingKey("77fe", false)
			return page.RepositoryKeyPage(page.RepositoryKeyView{
				Frame: f, Stage: "trusted", Old: signingKey("a1c3", true), New: &next, Total: 412, Lacking: 31, Lost: 1, Channels: 7, Stale: 2,
				Behind: []page.LackingHost{
					{ID: 7, Host: "node07.dc1.example", State: "lost", Keys: "old"}, {ID: 9, Host: "node09.dc1.example", State: "healthy", Keys: "unsaid"},
				}, Next: "9.node09.dc1.example",
			})
		}},
		{"/trust/waiting", false, func(f layout.Frame) templ.Component {
			return page.EnrolRequestsPage(page.EnrolRequestsView{Frame: f, Requests: enrolRequests(), Waiting: 213, Clear: 211, Last: 213, State: "waiting", Next: "4.node09", Namesakes: namesakes()})
		}},
		{"/trust/waiting/none", false, func(f layout.Frame) templ.Component {
			return page.EnrolRequestsPage(page.EnrolRequestsView{Frame: f, State: "waiting"})
		}},
		{"/trust/bundles/new", false, func(f layout.Frame) templ.Component {
			return page.BundlePage(page.BundleView{Frame: f})
		}},
		{"/trust/policies", false, func(f layout.Frame) templ.Component {
			f.Administers = true
			return page.PoliciesPage(page.PoliciesView{Frame: f, QueueOpen: true, Waiting: 213, Program: "/etc/hostler/autosign", Rules: []page.SignRule{
				{ID: 1, Host: "*.rack12.dc1.example", Networks: "10.12.0.0/16", Note: "Rack 12", By: "admin", Created: Now.Add(-48 * time.Hour)},
				{ID: 2, Host: "lab*.example", By: "token:inventory", Created: Now.Add(-time.Hour)},
			}})
		}},
		{"/trust/policies/none", false, func(f layout.Frame) templ.Component {
			return page.PoliciesPage(page.PoliciesView{Frame: f})
		}},
		{"/trust/tokens", false, func(f layout.Frame) templ.Component {
			return page.EnrolTokensPage(page.EnrolTokensView{Frame: f, Tokens: enrolTokens()})
		}},
		{"/trust/tokens/none", false, func(f layout.Frame) templ.Component {
			return page.EnrolTokensPage(page.EnrolTokensView{Frame: f})
		}},
		{"/trust/tokens/new", false, func(f layout.Frame) templ.Component {
			return page.NewEnrolTokenPage(page.NewEnrolTokenView{
				Frame: f, Form: page.EnrolTokenForm{Host: "*", Uses: "1", Minutes: "15"},
				Fields: map[string]string{"host": "This pattern matches every name."},
			})
		}},
		{"/trust/tokens/31", false, func(f layout.Frame) templ.Component {
			return page.EnrolTokenPage(page.EnrolTokenView{Frame: f, Token: enrolTokens()[0], Secret: "q2Vn0y-1uUkTq9x3sVb8ZP4mJcWfHdLr7oAeGiK5tXY", Groups: commands(), Admitted: certificates()[:1], Door: enrolDoor(f)})
		}},
	}
}

func signingKey(part string, signs bool) page.SigningKey {
	return page.SigningKey{Name: "Hostler repository server.dc1.example", Fingerprint: strings.Repeat(part, 10), Signs: signs}
}

func authority(pin string, signs bool) page.Authority {
	return page.Authority{Name: "Hostler CA " + pin + "93d1", Pin: strings.Repeat(pin, 16), Signs: signs, Until: Now.Add(9 * 365 * 24 * time.Hour)}
}

func namesakes() []page.Namesake {
	return []page.Namesake{{
		Name: "web07.dc1.example", Story: "alive",
		Former:   page.NamesakeHost{ID: 7, AgentSN: "a", Address: "10.12.0.17", State: page.HostHealthy, LastSeen: Now.Add(-3 * time.Second)},
		Newcomer: page.NamesakeHost{ID: 91, AgentSN: "b", Address: "10.12.4.2", State: page.HostHealthy, LastSeen: Now.Add(-2 * time.Second)},
	}}
}

func enrolDoor(f layout.Frame) page.EnrolRequestsView {
	v := page.EnrolRequestsView{Frame: f, State: "waiting", Waiting: 1, Here: "/trust/tokens/31", Requests: enrolRequests()[:2]}
	v.Requests[0].Refusal, v.Requests[1].State = "token_used", "refused"
	return v
}

func enrolRequests() []page.EnrolRequest {
	request := func(id int64, host, conflict string) page.EnrolRequest {
		return page.EnrolRequest{
			ID: id, Host: host, Fingerprint: strings.Repeat("4e07408562bedb8b", 4), Address: "10.12.0.17", State: "waiting", Conflict: conflict,
			OS: "Debian GNU/Linux 12 (bookworm)", Arch: "amd64", Cores: 16, Memory: 64 << 30, Since: Now.Add(-3 * time.Minute),
		}
	}
	stories := map[string]string{"known": "alive", "revoked": "revoked", "twice": "twice"}
	tell := func(r page.EnrolRequest) page.EnrolRequest { r.Story = stories[r.Conflict]; return r }
	return []page.EnrolRequest{
		request(1, "node07.dc1.example", ""), tell(request(2, "node08.dc1.example", "known")), tell(request(3, "node09.dc1.example", "revoked")), tell(request(4, "node09.dc1.example", "twice")),
	}
}

func enrolTokens() []page.EnrolToken {
	token := func(id int64, state, host string, uses, left int) page.EnrolToken {
		return page.EnrolToken{
			ID: id, State: state, Host: host, Uses: uses, UsesLeft: left, By: "admin", Created: Now.Add(-5 * time.Minute), Expires: Now.Add(10 * time.Minute),
		}
	}
	rack := token(31, "open", "web*.dc1.example", 40, 27)
	rack.Note, rack.Networks, rack.Cluster, rack.Tags = "Rack 12", "10.12.0.0/16,2001:db8:12::/48", "dc1", "service=web,rack=12"
	ended := token(29, "ended", "", 5, 5)
	ended.Ended, ended.EndedBy = Now.Add(-20*time.Minute), "token:inventory"
	bootstrap := token(30, "used", "node17.dc1.example", 1, 0)
	bootstrap.By = ""
	return []page.EnrolToken{rack, bootstrap, ended, token(12, "expired", "*.dc1.example", 10, 3)}
}

func certificates() []page.Certificate {
	certificate := func(host, state string, begin time.Duration) page.Certificate {
		return page.Certificate{
			Serial: strings.Repeat("8f3a61c2", 4), Fingerprint: strings.Repeat("b1946ac92492d234", 4), Host: host, State: state,
			Issued: Now.Add(begin), Until: Now.Add(begin + 30*24*time.Hour),
		}
	}
	revoked := certificate("node17.dc1.example", "revoked", -9*24*time.Hour)
	revoked.Revoked, revoked.RevokedBy = Now.Add(-20*time.Minute), "token:inventory"
	return []page.Certificate{
		certificate("db-b.dc1.example", "valid", -4*24*time.Hour), revoked, certificate("node17.dc1.example", "valid", -time.Hour),
		certificate("web02.dc1.example", "expired", -40*24*time.Hour),
	}
}
