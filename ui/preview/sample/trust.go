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
	}
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
