package page

import (
	"net/url"
	"strings"
	"time"

	"hostler/ui/layout"
	"hostler/ui/live"
)

// Certificate is one that the server's authority signed for a host.
type Certificate struct {
	Serial      string // hex
	Fingerprint string // hex SHA-256
	Host        string
	State       string // one of CertificateStates
	Issued      time.Time
	Until       time.Time
	Revoked     time.Time // zero: it was not
	RevokedBy   string
	Renewing    bool // somebody wants it renewed now
}

// CertificateStates lists the states of certificates for the filter, those in use first.
var CertificateStates = []string{"valid", "revoked", "expired"}

// trustPages are the tabs of the trust page.
var trustPages = []struct{ name, path string }{{"certificates", "/trust"}, {"waiting", "/trust/waiting"}, {"tokens", "/trust/tokens"}, {"policies", "/trust/policies"}, {"authority", "/trust/authority"}, {"repository-key", "/trust/repository-key"}}

// TrustTabs are the names of the tabs, for their texts.
func TrustTabs() []string {
	names := make([]string, len(trustPages))
	for i, tab := range trustPages {
		names[i] = tab.name
	}
	return names
}

// TrustView is GET /trust.
type TrustView struct {
	Frame        layout.Frame
	Pin          string // of the authority's certificate
	Certificates []Certificate
	State        string // the filter; "" for all
	Search       string
	Next         string // value of ?after= for the next page; "" on the last one
	Paged        bool
}

// RevokeView is GET /trust/certificates/{serial}/revoke.
type RevokeView struct {
	Frame       layout.Frame
	Certificate Certificate
}

// What the form of RevokePage asks to revoke.
const (
	RevokeOne  = "one"  // the certificate
	RevokeHost = "host" // all of its host
)

func certificateStateTone(state string) string {
	switch state {
	case "valid":
		return live.ToneDone
	case "revoked":
		return live.ToneFailed
	}
	return live.ToneStopped
}

func renewPath(serial string) string {
	return "/trust/certificates/" + url.PathEscape(serial) + "/renew"
}

func revokePath(serial string) string {
	return "/trust/certificates/" + url.PathEscape(serial) + "/revoke"
}

// pairs writes hex as certificates are read out: in capitals, two digits at a time.
func pairs(hex string) string {
	var b strings.Builder
	for i, r := range strings.ToUpper(hex) {
		if i > 0 && i%2 == 0 {
			b.WriteByte(':')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// shortHex is the beginning of a long number, enough to tell two apart.
func shortHex(hex string) string {
	const most = 12
	if len(hex) <= most {
		return hex
	}
	return hex[:most] + "…"
}
