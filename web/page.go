package web

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"hostler/server/account"
	"hostler/server/bootstrap"
	"hostler/server/bootstrap/hostlist"
	"hostler/ui/i18n"
	"hostler/ui/layout"
	"hostler/ui/live"
	"hostler/ui/page"
)

// Lifetimes of cookies in seconds.
const (
	preferenceAge = 365 * 24 * 3600
	noticeAge     = 60
)

// frame is what every page needs. It takes the notice that the request before left.
func (w *Web) frame(c *gin.Context) layout.Frame {
	who := identity(c)
	f := layout.Frame{
		User: who.Name, CSRF: csrfToken(who.Session), Theme: layout.ThemeAuto,
		Path: c.Request.URL.RequestURI(), Now: w.Options.Now(), Search: c.Query("search"),
	}
	if c.Request.Method != http.MethodGet {
		f.Path = formPath(c)
	}
	if who.UserID != 0 {
		f.Version = w.Options.Version
		f.ReadOnly, f.Audits, f.Administers = !who.May(account.Operate), who.May(account.Audit) && who.Limit == "", who.May(account.Administer)
	}
	f.Limit = string(who.Limit)
	if theme, _ := c.Cookie(themeCookie); theme == layout.ThemeLight || theme == layout.ThemeDark {
		f.Theme = theme
	}
	if code, _ := c.Cookie(noticeCookie); code != "" && navigates(c) {
		setCookie(c, noticeCookie, "", -1)
		if slices.Contains(page.NoticeCodes, code) {
			f.Notice = &layout.Notice{Tone: live.ToneDone, Text: page.NoticeText(c.Request.Context(), code)}
		}
	}
	return f
}

// navigates tells somebody who goes to a page from a page that reads itself again, which may happen just between a form and
// the page that it leads to: that one's notice is not for it.
func navigates(c *gin.Context) bool {
	mode := c.GetHeader("Sec-Fetch-Mode")
	return mode == "" || mode == "navigate"
}

// formPath is the path of the page that holds the form that was sent.
func formPath(c *gin.Context) string {
	u, err := url.Parse(c.GetHeader("Referer"))
	if err != nil || u.Host != c.Request.Host {
		return "/"
	}
	return u.RequestURI()
}

// notice leaves a sentence for the next page.
func notice(c *gin.Context, code string) { setCookie(c, noticeCookie, code, noticeAge) }

func problemText(ctx context.Context, p hostlist.Problem) string {
	return page.HostListText(ctx, p.Code, p.Args, p.Message)
}

func credentialText(ctx context.Context, e *bootstrap.FieldError) string {
	p := page.Problem{Code: e.Code, Cause: e.Message, Hint: e.Hint, Args: e.Args}
	return sentence(p.CauseIn(ctx), p.HintIn(ctx))
}

// accountText is what is wrong with a name or a password.
func accountText(ctx context.Context, e *account.FieldError) string {
	if i18n.Lang(ctx) == i18n.English || !slices.Contains(page.FieldCodes, e.Code) {
		return e.Text
	}
	return page.FieldText(ctx, e.Code)
}
