package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/account"
	"hostler/server/audit"
	"hostler/server/openid"
	"hostler/ui/page"
)

// PathProviderBack is where an identity provider sends browsers back to.
const PathProviderBack = pathProvider + "/callback"

const (
	pathProvider = "/login/provider"
	flowCookie   = "hostler_flow" // what a browser keeps of a login by the provider
	flowAge      = 600            // seconds to log in there
)

// providerName is what the provider is called on the login page; "" without one.
func (w *Web) providerName() string {
	if w.Provider == nil {
		return ""
	}
	return w.Options.ProviderName
}

// loginByProvider is GET /login/provider: it sends the browser to the identity provider.
func (w *Web) loginByProvider(c *gin.Context) error {
	if w.Provider == nil {
		return db.ErrNotFound
	}
	next := localPath(c.Query("next"), "/")
	address, flow, err := w.Provider.Begin(c.Request.Context(), next)
	if err != nil {
		return w.providerProblem(c, next, err)
	}
	text, err := json.Marshal(flow)
	if err != nil {
		return err
	}
	setCookie(c, flowCookie, base64.RawURLEncoding.EncodeToString(text), flowAge)
	c.Redirect(http.StatusSeeOther, address)
	return nil
}

// providerBack is GET /login/provider/callback: the provider has sent the browser back.
func (w *Web) providerBack(c *gin.Context) error {
	if w.Provider == nil {
		return db.ErrNotFound
	}
	ctx, flow := c.Request.Context(), flowOf(c)
	setCookie(c, flowCookie, "", -1)
	next := localPath(flow.Next, "/") // a cookie is no proof of where it came from
	who, err := w.Provider.Finish(ctx, flow, c.Request.URL.Query())
	if err != nil {
		return w.providerProblem(c, next, err)
	}
	secret, err := w.Accounts.LoginBy(ctx, account.Told(who), account.Attempt{Address: c.RemoteIP(), Browser: c.Request.UserAgent()})
	if err != nil {
		return w.providerProblem(c, next, err)
	}
	setCookie(c, sessionCookie, secret, 0)
	return goTo(c, next)
}

// flowOf is what the browser kept; the zero Flow is nothing, and matches no answer.
func flowOf(c *gin.Context) (f openid.Flow) {
	text, _ := c.Cookie(flowCookie)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(raw, &f) != nil {
		return openid.Flow{}
	}
	return f
}

// providerProblems are the ways in which a login by the provider fails.
var providerProblems = []struct {
	err    error
	status int
	code   string // of page.FieldCodes, and of the audit log
}{
	{openid.ErrDown, http.StatusBadGateway, "provider_down"},
	{openid.ErrRefused, http.StatusForbidden, "provider_refused"},
	{openid.ErrFlow, http.StatusForbidden, "provider_flow"},
	{account.ErrNoRole, http.StatusForbidden, "provider_role"},
	{account.ErrNameTaken, http.StatusForbidden, "provider_name"},
	{account.ErrDisabled, http.StatusForbidden, "login_disabled"},
	{db.ErrLastAdministrator, http.StatusForbidden, "provider_last"},
}

// providerProblem shows the login page, where a name and a password still work, with what went wrong.
func (w *Web) providerProblem(c *gin.Context, next string, err error) error {
	for _, p := range providerProblems {
		if !errors.Is(err, p.err) {
			continue
		}
		w.Log.Warn("a login by the identity provider failed", "code", p.code, "from", c.RemoteIP(), "request", requestID(c), "err", err)
		audit.Refuse(c.Request.Context(), p.code)
		v := page.LoginView{Frame: w.frame(c), Next: next, Provider: w.providerName(), Fields: map[string]string{"": page.FieldText(c.Request.Context(), p.code)}}
		v.Frame.Path = "/login"
		return show(c, p.status, page.LoginPage(v))
	}
	return err
}
