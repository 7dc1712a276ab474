package upstream

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// guard decides which addresses are asked. An upstream, or whoever answers for it, could otherwise have the server ask
// what only the server can reach: its own ports, or a cloud's metadata.
type guard struct {
	allow []netip.Prefix
	proxy *url.URL
}

func (g *guard) check(address netip.Addr) error {
	address = address.Unmap().WithZone("")
	for _, prefix := range g.allow {
		if prefix.Contains(address) {
			return nil
		}
	}
	if address.IsLoopback() || address.IsLinkLocalUnicast() || address.IsMulticast() || address.IsUnspecified() {
		return problem(CodeAddress, address.String(), "this address is the server's own, or only known on its link")
	}
	return nil
}

// checkURL looks at what a URL says. Names are looked at when they are dialed; behind a proxy that is the proxy's
// matter, and only what can be told from the URL is.
func (g *guard) checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return problem(CodeAddress, u.Redacted(), "only http and https are asked")
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if address, err := netip.ParseAddr(host); err == nil {
		return g.check(address)
	}
	if g.proxy != nil && (host == "localhost" || strings.HasSuffix(host, ".localhost")) {
		return g.check(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return nil
}

const (
	dialDeadline   = 15 * time.Second
	answerDeadline = 60 * time.Second // until the headers are there
	mostRedirects  = 5
)

func (g *guard) transport() *http.Transport {
	// The address of a proxy is looked at as well: whoever may name one could otherwise have it be anything.
	guarded := &net.Dialer{Timeout: dialDeadline, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return g.check(to.Addr())
	}}
	t := &http.Transport{
		TLSHandshakeTimeout: dialDeadline, ResponseHeaderTimeout: answerDeadline, IdleConnTimeout: answerDeadline,
		DisableCompression: true, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: fetchers,
		DialContext: guarded.DialContext,
	}
	if g.proxy != nil {
		t.Proxy = http.ProxyURL(g.proxy)
	}
	return t
}

// redirect is http.Client.CheckRedirect.
func (g *guard) redirect(to *http.Request, via []*http.Request) error {
	if len(via) > mostRedirects {
		return problem(CodeRefused, via[0].URL.Redacted(), "it leads from one address to the next")
	}
	if via[0].URL.Scheme == "https" && to.URL.Scheme != "https" {
		return problem(CodeAddress, to.URL.Redacted(), "a redirect leads from https to http")
	}
	return g.checkURL(to.URL)
}

// ParseURL reads the address of an upstream or a proxy. It holds no password: those would be seen by everybody who sees
// the mirror.
func ParseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, errors.New("this is no address that begins with http:// or https://")
	case u.User != nil:
		return nil, errors.New("an address with a name and password in it is not taken: everybody would see them")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("an address with ? or # in it is not taken")
	}
	return u, nil
}
