package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/account"
)

// Names of cookies.
const (
	sessionCookie = "hostler_session"
	langCookie    = "hostler_lang"
	themeCookie   = "hostler_theme"
	noticeCookie  = "hostler_notice"
	loginCookie   = "hostler_login" // of a login that awaits its code
)

// admit finds out who asks and lets only those in that the route is for.
func (w *Web) admit(c *gin.Context, r route) error {
	if r.on != public {
		if r.may == agent {
			return w.identify(c)
		}
		return nil
	}
	who, err := w.whoAsks(c)
	if err != nil {
		return err
	}
	c.Set(identityKey, who)
	// From here on nothing is found that is not within the limit, whatever the handler asks for.
	c.Request = c.Request.WithContext(db.WithLimit(c.Request.Context(), who.Limit))
	if err := w.checkOrigin(c, who, r); err != nil {
		return err
	}
	switch {
	case r.may == everyone:
		return nil
	case who == account.Identity{}:
		if r.may == local && isLocal(c) {
			return nil
		}
		return account.ErrNotLoggedIn
	case who.LacksFactor && !r.needs.early:
		return refuse(http.StatusForbidden, codeFactorNeeded, "a second factor is required of you", "set it up at "+pathSecondFactor)
	case who.Token && r.may == user:
		return refuse(http.StatusForbidden, "session_needed", "this is for people who are logged in, not for tokens", "use "+api)
	case !who.May(r.needs.right):
		return refuse(http.StatusForbidden, codeForbidden, "your role does not allow this", "ask an administrator for another role")
	case who.Limit != "" && !r.needs.limited:
		return refuse(http.StatusForbidden, codeLimited, "your account is limited to hosts with certain labels, and this is not about hosts",
			"ask an administrator to take the limit away")
	}
	return nil
}

// codeLimited says that a route is not for those who are limited to some hosts.
const codeLimited = "limited"

// codeFactorNeeded says that somebody has to set up a second factor first.
const codeFactorNeeded = "second_factor_needed"

// codeForbidden says that somebody's role has not the right that a route needs.
const codeForbidden = "forbidden"

// whoAsks finds the identity behind a bearer token or a session; the zero Identity is nobody. A token that is
// not valid is refused at once, so that a program learns of it; a session that ended is nobody.
func (w *Web) whoAsks(c *gin.Context) (account.Identity, error) {
	if header := c.GetHeader("Authorization"); header != "" {
		token, ok := strings.CutPrefix(header, "Bearer ")
		if !ok {
			return account.Identity{}, account.ErrNotLoggedIn
		}
		return w.Accounts.ByToken(c.Request.Context(), strings.TrimSpace(token))
	}
	secret, _ := c.Cookie(sessionCookie) // the only error is that there is none
	if secret == "" {
		return account.Identity{}, nil
	}
	who, err := w.Accounts.BySession(c.Request.Context(), secret)
	if errors.Is(err, account.ErrNotLoggedIn) {
		return account.Identity{}, nil
	}
	return who, err
}

// identity is who asks; the zero Identity is nobody.
func identity(c *gin.Context) account.Identity {
	v, _ := c.Get(identityKey)
	who, _ := v.(account.Identity)
	return who
}

// checkOrigin refuses requests that another site makes a browser send. A token is never sent by a browser on its
// own, so requests with one need no further proof; those with a session also carry the session's own secret.
func (w *Web) checkOrigin(c *gin.Context, who account.Identity, r route) error {
	if who.Token || c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead {
		return nil
	}
	if err := w.crossSite.Check(c.Request); err != nil {
		return refuse(http.StatusForbidden, "cross_site", "another site sent this request", "open the page anew and repeat it there")
	}
	if who.UserID == 0 {
		return nil
	}
	given := c.GetHeader("X-CSRF-Token")
	switch {
	case given != "" || !isForm(c):
	case isMultipart(c) && takesPackages(r.path):
		var err error
		if given, err = firstField(c, "csrf"); err != nil {
			return err
		}
	default:
		f, err := readForm(c)
		if err != nil {
			return err
		}
		given = f.text("csrf")
	}
	if !hmac.Equal([]byte(given), []byte(csrfToken(who.Session))) {
		return refuse(http.StatusForbidden, "csrf", "the page that sent this belongs to another session", "load the page again and repeat it")
	}
	return nil
}

// csrfToken proves that a page was made for the session whose secret is given; it does not give that away.
func csrfToken(session string) string {
	if session == "" {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(session))
	mac.Write([]byte("hostler csrf"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// isLocal tells a request of this very machine from one that a proxy on it passes on.
func isLocal(c *gin.Context) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if c.GetHeader(name) != "" {
			return false
		}
	}
	ip := net.ParseIP(c.RemoteIP())
	return ip != nil && ip.IsLoopback()
}

// localPath is a path of this server that a request asks to be sent to; anything else becomes fallback.
func localPath(next, fallback string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") ||
		strings.ContainsFunc(next, func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }) {
		return fallback
	}
	return next
}

// setCookie sets a cookie for the whole site; maxAge in seconds, below 0 removes it.
func setCookie(c *gin.Context, name, value string, maxAge int) {
	http.SetCookie(c.Writer, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		Secure: c.Request.TLS != nil, SameSite: http.SameSiteLaxMode,
	})
}
