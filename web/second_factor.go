package web

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/account"
	"hostler/ui/page"
)

// pathSecondFactor is the page of one's own second factor, and the only one for those who lack one that is required of them.
const pathSecondFactor = "/account/second-factor"

// issuer is how apps call the server in their lists.
func (w *Web) issuer() string { return "Hostler " + w.Options.Advertise }

// secondFactorPage is GET /account/second-factor.
func (w *Web) secondFactorPage(c *gin.Context) error {
	return w.showSecondFactor(c, http.StatusOK, page.SecondFactorView{})
}

// showSecondFactor shows how it stands with one's own second factor; v has what is particular to the request.
func (w *Web) showSecondFactor(c *gin.Context, status int, v page.SecondFactorView) error {
	who := identity(c)
	f, err := w.Accounts.SecondFactor(c.Request.Context(), who)
	if err != nil {
		return err
	}
	v.Frame, v.Since, v.Codes, v.Required, v.Provider = w.frame(c), at(f.Since), int(f.Codes), f.Required, f.Provider != ""
	v.Frame.Path = pathSecondFactor
	if f.Offered != nil && f.Since == nil {
		v.Secret = f.Offered.Text()
		if v.QR, v.QRSize, err = qrPath(f.Offered.URL(w.issuer(), who.Name)); err != nil {
			return err
		}
	}
	return show(c, status, page.SecondFactorPage(v))
}

// offerSecondFactor is POST /account/second-factor/offer.
func (w *Web) offerSecondFactor(c *gin.Context) error {
	return w.changeSecondFactor(c, func(f *form) ([]string, error) {
		return nil, w.Accounts.OfferSecondFactor(c.Request.Context(), identity(c), c.RemoteIP(), f.text("password"))
	})
}

// confirmSecondFactor is POST /account/second-factor/confirm. The page that answers shows the recovery codes, and nothing shows
// them again.
func (w *Web) confirmSecondFactor(c *gin.Context) error {
	return w.changeSecondFactor(c, func(f *form) ([]string, error) {
		return w.Accounts.ConfirmSecondFactor(c.Request.Context(), identity(c), c.RemoteIP(), f.text("code"))
	})
}

// renewRecoveryCodes is POST /account/second-factor/codes.
func (w *Web) renewRecoveryCodes(c *gin.Context) error {
	return w.changeSecondFactor(c, func(f *form) ([]string, error) {
		return w.Accounts.RenewRecoveryCodes(c.Request.Context(), identity(c), c.RemoteIP(), f.text("password"), f.text("code"))
	})
}

// removeSecondFactor is POST /account/second-factor/remove.
func (w *Web) removeSecondFactor(c *gin.Context) error {
	return w.changeSecondFactor(c, func(f *form) ([]string, error) {
		err := w.Accounts.RemoveSecondFactor(c.Request.Context(), identity(c), c.RemoteIP(), f.text("password"), f.text("code"))
		if err == nil {
			notice(c, "second_factor_removed")
		}
		return nil, err
	})
}

// changeSecondFactor does what a form asks and shows the recovery codes that it made, or what is wrong.
func (w *Web) changeSecondFactor(c *gin.Context, change func(*form) ([]string, error)) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	defer f.wipe()
	codes, err := change(f)
	if err == nil && len(codes) == 0 || errors.Is(err, account.ErrSecondFactor) || errors.Is(err, db.ErrStale) {
		return goTo(c, pathSecondFactor) // in the last two cases another page has changed it, and this one was out of date
	}
	status, fields := http.StatusOK, map[string]string(nil)
	if err != nil {
		if status, fields, err = proofProblem(c, err); err != nil {
			return err
		}
	}
	return w.showSecondFactor(c, status, page.SecondFactorView{Made: codes, Fields: fields})
}

// proofProblem is what is wrong with a password or a code by which somebody proves to be who is logged in. Any other error it returns.
func proofProblem(c *gin.Context, err error) (status int, fields map[string]string, other error) {
	ctx := c.Request.Context()
	switch {
	case errors.Is(err, account.ErrWrongCredentials):
		return http.StatusUnprocessableEntity, map[string]string{"password": page.FieldText(ctx, "old_wrong")}, nil
	case errors.Is(err, account.ErrWrongCode):
		return http.StatusUnprocessableEntity, map[string]string{"code": page.FieldText(ctx, "code_wrong")}, nil
	case errors.Is(err, account.ErrTooManyTries):
		return http.StatusTooManyRequests, map[string]string{"code": page.FieldText(ctx, "login_wait")}, nil
	}
	return 0, nil, err
}

// loginCodePage is GET /login/code: the second step of a login.
func (w *Web) loginCodePage(c *gin.Context) error {
	if secret, _ := c.Cookie(loginCookie); secret == "" {
		return goTo(c, "/login")
	}
	v := page.LoginCodeView{Frame: w.frame(c), Next: localPath(c.Query("next"), "/")}
	v.Frame.Path = "/login/code"
	return show(c, http.StatusOK, page.LoginCodePage(v))
}

// loginCode is POST /login/code.
func (w *Web) loginCode(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	next := localPath(f.text("next"), "/")
	secret, _ := c.Cookie(loginCookie)
	session, err := w.Accounts.LoginCode(c.Request.Context(), secret, f.text("code"), account.Attempt{Address: c.RemoteIP(), Browser: c.Request.UserAgent()})
	switch {
	case err == nil:
		setCookie(c, loginCookie, "", -1)
		setCookie(c, sessionCookie, session, 0)
		return goTo(c, next)
	case errors.Is(err, account.ErrNotLoggedIn), errors.Is(err, account.ErrWrongCredentials): // it took too long, or the password was changed meanwhile
		setCookie(c, loginCookie, "", -1)
		v := page.LoginView{Frame: w.frame(c), Next: next, Provider: w.providerName(), Fields: map[string]string{"name": page.FieldText(c.Request.Context(), "login_over")}}
		v.Frame.Path = "/login"
		return show(c, http.StatusUnprocessableEntity, page.LoginPage(v))
	}
	status, fields, err := proofProblem(c, err)
	if err != nil {
		return err
	}
	v := page.LoginCodeView{Frame: w.frame(c), Next: next, Fields: fields}
	v.Frame.Path = "/login/code"
	return show(c, status, page.LoginCodePage(v))
}

// resetSecondFactor is POST /users/{id}/second-factor/reset.
func (w *Web) resetSecondFactor(c *gin.Context) error {
	return w.changeUser(c, "second_factor_reset", func(_ *form, u *db.User) error {
		return w.Accounts.ResetSecondFactor(c.Request.Context(), identity(c).Name, u)
	})
}

// resetSecondFactorCall is POST users/{id}/second-factor/reset.
func (w *Web) resetSecondFactorCall(c *gin.Context) error {
	return w.answerUser(c, func(u *db.User) error { return w.Accounts.ResetSecondFactor(c.Request.Context(), identity(c).Name, u) })
}

// requireSecondFactor is POST /users/second-factor.
func (w *Web) requireSecondFactor(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	if err := w.Accounts.RequireSecondFactor(c.Request.Context(), identity(c).Name, f.text("required_of")); err != nil {
		return accountFailure(c, err) // the form offers nothing that is wrong
	}
	notice(c, "second_factor_required")
	return goTo(c, "/users")
}

// secondFactorRule says who has to have a second factor.
type secondFactorRule struct {
	RequiredOf string `json:"required_of"`
}

// getSecondFactorRule is GET second-factor.
func (w *Web) getSecondFactorRule(c *gin.Context) error {
	rule, err := w.Accounts.SecondFactorRule(c.Request.Context())
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, secondFactorRule{rule})
	return nil
}

// putSecondFactorRule is POST second-factor.
func (w *Web) putSecondFactorRule(c *gin.Context) error {
	var in secondFactorRule
	if err := decode(c, &in); err != nil {
		return err
	}
	if err := w.Accounts.RequireSecondFactor(c.Request.Context(), identity(c).Name, in.RequiredOf); err != nil {
		return accountFailure(c, err)
	}
	c.JSON(http.StatusOK, in)
	return nil
}
