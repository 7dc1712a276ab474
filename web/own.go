package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/server/account"
	"hostler/ui/page"
)

// accountPage is GET /account: one's own.
func (w *Web) accountPage(c *gin.Context) error {
	return w.showAccount(c, http.StatusOK, page.OwnView{})
}

// showAccount shows one's own account; v has what is particular to the request.
func (w *Web) showAccount(c *gin.Context, status int, v page.OwnView) error {
	ctx, who := c.Request.Context(), identity(c)
	u, err := w.DB.User(ctx, who.UserID)
	if err != nil {
		return err
	}
	sessions, err := w.DB.Sessions(ctx, u.ID, w.Options.Now(), sessionsOfUsers)
	if err != nil {
		return err
	}
	tokens, err := w.DB.APITokens(ctx, u.ID, "", tokensPerPage)
	if err != nil {
		return err
	}
	v.Frame, v.User, v.Sessions, v.Tokens = w.frame(c), userView(u), sessionViews(sessions, who.SessionID), tokenViews(tokens)
	v.Frame.Path = "/account"
	v.Roles = account.RolesBelow(u.Role)
	if v.Form.Role == "" {
		v.Form.Role, v.Form.Expires = u.Role, page.TokenLifetimes[1]
	}
	return show(c, status, page.OwnPage(v))
}

// changePassword is POST /account/password.
func (w *Web) changePassword(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	defer f.wipe()
	ctx, who, fields := c.Request.Context(), identity(c), map[string]string{}
	status, password := http.StatusUnprocessableEntity, f.text("password")
	if f.text("confirm") != password {
		fields["confirm"] = page.FieldText(ctx, "password_differs")
	}
	addFieldError(c, fields, account.CheckPassword(who.Name, password))
	if len(fields) == 0 {
		err = w.Accounts.ChangePassword(ctx, who, c.RemoteIP(), f.text("old"), password)
		switch {
		case err == nil:
			notice(c, "password_set")
			return goTo(c, "/account")
		case errors.Is(err, account.ErrWrongCredentials):
			fields["old"] = page.FieldText(ctx, "old_wrong")
		case errors.Is(err, account.ErrTooManyTries):
			status, fields["old"] = http.StatusTooManyRequests, page.FieldText(ctx, "login_wait")
		default:
			return err
		}
	}
	return w.showAccount(c, status, page.OwnView{Password: fields})
}

// createOwnToken is POST /account/tokens. The page that answers shows the token, and nothing shows it again.
func (w *Web) createOwnToken(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	v := page.OwnView{Form: page.TokenForm{Name: f.text("name"), Role: f.text("role"), Expires: f.text("expires"), Labels: f.text("labels"), Fields: map[string]string{}}}
	days, err := strconv.Atoi(v.Form.Expires)
	if err != nil && v.Form.Expires != "" || days < 0 || days > 10*365 {
		v.Form.Fields["expires"] = page.FieldText(c.Request.Context(), "expires_invalid")
		return w.showAccount(c, http.StatusUnprocessableEntity, v)
	}
	who := identity(c)
	_, secret, err := w.Accounts.CreateToken(c.Request.Context(), account.TokenSpec{
		Name: v.Form.Name, Role: v.Form.Role, Labels: v.Form.Labels, Lifetime: time.Duration(days) * 24 * time.Hour, Maker: who, By: who.Name,
	})
	if err != nil {
		if err := accountFields(c, v.Form.Fields, err); err != nil {
			return err
		}
		return w.showAccount(c, http.StatusUnprocessableEntity, v)
	}
	return w.showAccount(c, http.StatusOK, page.OwnView{Made: secret})
}

// endOwnSession is POST /account/sessions/{id}/end.
func (w *Web) endOwnSession(c *gin.Context) error {
	who := identity(c)
	return w.endOne(c, "session_ended", "/account", func(id int64) error { return w.Accounts.EndSession(c.Request.Context(), who.UserID, id) })
}

// endOtherSessions is POST /account/end-other-sessions.
func (w *Web) endOtherSessions(c *gin.Context) error {
	if _, err := w.Accounts.EndOtherSessions(c.Request.Context(), identity(c)); err != nil {
		return err
	}
	notice(c, "sessions_ended")
	return goTo(c, "/account")
}

// endOwnToken is POST /account/tokens/{id}/end.
func (w *Web) endOwnToken(c *gin.Context) error {
	who := identity(c)
	return w.endOne(c, "token_ended", "/account", func(id int64) error { return w.endTokenOf(c, who.UserID, id) })
}
