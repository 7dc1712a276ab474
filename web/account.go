package web

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"hostler/server/account"
	"hostler/ui/i18n"
	"hostler/ui/layout"
	"hostler/ui/page"
)

// setUpOpen reports whether the first administrator is still to be made.
func (w *Web) setUpOpen(c *gin.Context) (bool, error) {
	if w.setUpDone.Load() {
		return false, nil
	}
	open, err := w.Accounts.SetUpOpen(c.Request.Context())
	if err == nil && !open {
		w.setUpDone.Store(true)
	}
	return open, err
}

// sendToLogin sends somebody who is not logged in to where that is mended.
func (w *Web) sendToLogin(c *gin.Context) {
	if open, err := w.setUpOpen(c); err == nil && open {
		c.Redirect(http.StatusSeeOther, "/setup")
		return
	}
	next := "/"
	if c.Request.Method == http.MethodGet {
		next = c.Request.URL.RequestURI()
	}
	c.Redirect(http.StatusSeeOther, "/login?next="+url.QueryEscape(next))
}

// setUpPage is GET /setup. Without the secret of the link it asks for it and tells where it is found.
func (w *Web) setUpPage(c *gin.Context) error {
	token := c.Query("token")
	err := w.Accounts.CheckSetUp(c.Request.Context(), token)
	view := page.SetupView{Frame: w.frame(c), Token: token}
	switch {
	case errors.Is(err, account.ErrSetUpDone):
		return goTo(c, "/login")
	case errors.Is(err, account.ErrWrongSetUpToken):
		view.Token = ""
		if token != "" {
			view.Fields = map[string]string{"token": page.FieldText(c.Request.Context(), "token_wrong")}
		}
	case err != nil:
		return err
	}
	view.Frame.Path = "/setup" // the secret goes nowhere else
	return show(c, http.StatusOK, page.SetupPage(view))
}

// setUp is POST /setup: it makes the first administrator and logs in.
func (w *Web) setUp(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	defer f.wipe()
	ctx := c.Request.Context()
	token, name, password := f.text("token"), f.text("name"), f.text("password")
	fields := map[string]string{}
	if f.text("confirm") != password {
		fields["confirm"] = page.FieldText(ctx, "password_differs")
	}
	if err := account.CheckUser(name, password); err != nil {
		addFieldError(c, fields, err)
	}
	err = w.Accounts.CheckSetUp(ctx, token)
	if err == nil && len(fields) == 0 {
		_, err = w.Accounts.SetUp(ctx, token, name, password)
	}
	switch {
	case errors.Is(err, account.ErrSetUpDone):
		return goTo(c, "/login")
	case errors.Is(err, account.ErrWrongSetUpToken):
		// Whoever has no right to be here learns nothing of the other fields.
		token, fields = "", map[string]string{"token": page.FieldText(ctx, "token_wrong")}
	case err != nil:
		return err
	}
	if len(fields) > 0 {
		view := page.SetupView{Frame: w.frame(c), Token: token, Name: name, Fields: fields}
		view.Frame.Path = "/setup"
		return show(c, http.StatusUnprocessableEntity, page.SetupPage(view))
	}
	secret, err := w.Accounts.Login(ctx, account.Attempt{Name: name, Password: password, Address: c.RemoteIP(), Browser: c.Request.UserAgent()})
	if err != nil {
		return err
	}
	setCookie(c, sessionCookie, secret, 0)
	notice(c, "administrator_created")
	return goTo(c, "/")
}

// addFieldError puts an *account.FieldError beside its field.
func addFieldError(c *gin.Context, fields map[string]string, err error) {
	var wrong *account.FieldError
	if errors.As(err, &wrong) {
		fields[wrong.Field] = accountText(c.Request.Context(), wrong)
	}
}

// loginPage is GET /login.
func (w *Web) loginPage(c *gin.Context) error {
	open, err := w.setUpOpen(c)
	if err != nil {
		return err
	}
	if open {
		return goTo(c, "/setup")
	}
	next := localPath(c.Query("next"), "/")
	if identity(c).UserID != 0 {
		return goTo(c, next)
	}
	return show(c, http.StatusOK, page.LoginPage(page.LoginView{Frame: w.frame(c), Next: next, Provider: w.providerName()}))
}

// login is POST /login.
func (w *Web) login(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	defer f.wipe()
	ctx, name, next := c.Request.Context(), f.text("name"), localPath(f.text("next"), "/")
	secret, err := w.Accounts.Login(ctx, account.Attempt{
		Name: name, Password: f.text("password"), Address: c.RemoteIP(), Browser: c.Request.UserAgent(),
	})
	if err == nil {
		setCookie(c, sessionCookie, secret, 0)
		return goTo(c, next)
	}
	if errors.Is(err, account.ErrCodeNeeded) && secret != "" {
		setCookie(c, loginCookie, secret, 0)
		return goTo(c, "/login/code?next="+url.QueryEscape(next))
	}
	status, wrong := http.StatusUnprocessableEntity, page.FieldText(ctx, "login_wrong")
	switch {
	case errors.Is(err, account.ErrTooManyTries):
		status, wrong = http.StatusTooManyRequests, page.FieldText(ctx, "login_wait")
	case errors.Is(err, account.ErrDisabled):
		wrong = page.FieldText(ctx, "login_disabled")
	case !errors.Is(err, account.ErrWrongCredentials):
		return err
	}
	view := page.LoginView{Frame: w.frame(c), Name: name, Next: next, Provider: w.providerName(), Fields: map[string]string{"name": wrong}}
	view.Frame.Path = "/login"
	return show(c, status, page.LoginPage(view))
}

// logout is POST /logout.
func (w *Web) logout(c *gin.Context) error {
	if err := w.Accounts.Logout(c.Request.Context(), identity(c).Session); err != nil {
		return err
	}
	setCookie(c, sessionCookie, "", -1)
	if identity(c).Provider {
		notice(c, "logged_out_here")
	} else {
		notice(c, "logged_out")
	}
	return goTo(c, "/login")
}

// setPreferences is POST /preferences: language and theme, kept in the browser.
func (w *Web) setPreferences(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	switch lang := f.text("lang"); lang {
	case i18n.English, i18n.Chinese:
		setCookie(c, langCookie, lang, preferenceAge)
	}
	switch theme := f.text("theme"); theme {
	case layout.ThemeAuto, layout.ThemeLight, layout.ThemeDark:
		setCookie(c, themeCookie, theme, preferenceAge)
	}
	return goTo(c, localPath(f.text("next"), "/"))
}
