package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/account"
	"hostler/ui/page"
)

const (
	usersPerPage    = 100
	tokensPerPage   = 1000 // on the users' page, which has no second page of tokens
	sessionsOfUsers = 200
)

// usersPage is GET /users.
func (w *Web) usersPage(c *gin.Context) error {
	return w.showUsers(c, http.StatusOK, page.UserForm{Role: account.RoleOperator})
}

func (w *Web) showUsers(c *gin.Context, status int, form page.UserForm) error {
	ctx := c.Request.Context()
	users, next, err := w.findUsers(c, usersPerPage)
	if err != nil {
		return err
	}
	tokens, err := w.DB.APITokens(ctx, 0, "", tokensPerPage)
	if err != nil {
		return err
	}
	rule, err := w.Accounts.SecondFactorRule(ctx)
	if err != nil {
		return err
	}
	v := page.UsersView{Frame: w.frame(c), SecondFactorOf: rule, Tokens: tokenViews(tokens), Next: next, Paged: c.Query("after") != "", Form: form}
	v.Frame.Path = "/users"
	for i := range users {
		v.Users = append(v.Users, userView(&users[i]))
	}
	return show(c, status, page.UsersPage(v))
}

// findUsers reads the page of users that the query asks for: after, which is a name.
func (w *Web) findUsers(c *gin.Context, limit int) (us []db.User, next string, err error) {
	us, err = w.DB.Users(c.Request.Context(), c.Query("after"), limit+1)
	if len(us) > limit {
		us = us[:limit]
		next = us[limit-1].Name
	}
	return us, next, err
}

func userView(u *db.User) page.User {
	return page.User{ID: u.ID, Name: u.Name, Role: u.Role, HostLabels: u.HostLabels, Disabled: u.DisabledAt != nil, Created: u.CreatedAt, LastLogin: at(u.LastLoginAt), SecondFactor: at(u.OTPSince), Provider: u.Issuer}
}

func tokenViews(ts []db.APIToken) []page.Token {
	views := make([]page.Token, len(ts))
	for i, t := range ts {
		views[i] = page.Token{ID: t.ID, Name: t.Name, Role: t.Role, HostLabels: t.HostLabels, CreatedBy: t.CreatedBy, LastUsed: at(t.LastUsedAt), Expires: at(t.ExpiresAt)}
		if t.User != nil {
			views[i].Owner = t.User.Name
		}
	}
	return views
}

func sessionViews(ss []db.Session, this int64) []page.Session {
	views := make([]page.Session, len(ss))
	for i, s := range ss {
		views[i] = page.Session{ID: s.ID, Address: s.Address, Browser: s.Browser, Begun: s.CreatedAt, LastUsed: s.LastUsedAt, This: s.ID == this}
	}
	return views
}

// addUser is POST /users.
func (w *Web) addUser(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	defer f.wipe()
	form := page.UserForm{Name: f.text("name"), Role: f.text("role"), Labels: f.text("labels"), Fields: map[string]string{}}
	_, err = w.Accounts.CreateLimitedUser(c.Request.Context(), identity(c).Name, form.Name, f.text("password"), form.Role, form.Labels)
	if err == nil {
		notice(c, "user_created")
		return goTo(c, "/users")
	}
	if err := accountFields(c, form.Fields, err); err != nil {
		return err
	}
	return w.showUsers(c, http.StatusUnprocessableEntity, form)
}

// accountFields puts what is wrong with a request about users or tokens beside its field. Any other error it returns.
func accountFields(c *gin.Context, fields map[string]string, err error) error {
	var wrong *account.FieldError
	switch {
	case errors.As(err, &wrong):
		fields[wrong.Field] = accountText(c.Request.Context(), wrong)
	case errors.Is(err, db.ErrDuplicate):
		fields["name"] = page.FieldText(c.Request.Context(), "name_taken")
	case errors.Is(err, db.ErrLastAdministrator):
		fields["role"] = page.FieldText(c.Request.Context(), "last_administrator")
	default:
		return err
	}
	return nil
}

// pathUser is the user whose number is in the path.
func (w *Web) pathUser(c *gin.Context) (*db.User, error) {
	id, err := pathID(c, "id")
	if err != nil {
		return nil, err
	}
	return w.DB.User(c.Request.Context(), id)
}

// userPage is GET /users/{id}.
func (w *Web) userPage(c *gin.Context) error {
	u, err := w.pathUser(c)
	if err != nil {
		return err
	}
	return w.showUser(c, http.StatusOK, u, nil)
}

func (w *Web) showUser(c *gin.Context, status int, u *db.User, fields map[string]string) error {
	ctx := c.Request.Context()
	sessions, err := w.DB.Sessions(ctx, u.ID, w.Options.Now(), sessionsOfUsers)
	if err != nil {
		return err
	}
	tokens, err := w.DB.APITokens(ctx, u.ID, "", tokensPerPage)
	if err != nil {
		return err
	}
	last, err := w.DB.IsLastAdministrator(ctx, u)
	if err != nil {
		return err
	}
	who := identity(c)
	v := page.UserView{
		Frame: w.frame(c), User: userView(u), Last: last,
		Sessions: sessionViews(sessions, who.SessionID), Tokens: tokenViews(tokens), Fields: fields,
	}
	v.Frame.Path = userPath(u)
	return show(c, status, page.UserPage(v))
}

func userPath(u *db.User) string { return "/users/" + strconv.FormatInt(u.ID, 10) }

// setUserRole is POST /users/{id}/role.
func (w *Web) setUserRole(c *gin.Context) error {
	return w.changeUser(c, "role_changed", func(f *form, u *db.User) error {
		return w.Accounts.SetRole(c.Request.Context(), identity(c).Name, u, f.text("role"))
	})
}

// limitUser is POST /users/{id}/limit.
func (w *Web) limitUser(c *gin.Context) error {
	return w.changeUser(c, "user_limited", func(f *form, u *db.User) error {
		return w.Accounts.SetHostLabels(c.Request.Context(), identity(c).Name, u, f.text("labels"))
	})
}

// setUserPassword is POST /users/{id}/password.
func (w *Web) setUserPassword(c *gin.Context) error {
	return w.changeUser(c, "password_set", func(f *form, u *db.User) error {
		return w.Accounts.SetPassword(c.Request.Context(), identity(c).Name, u, f.text("password"))
	})
}

// disableUser is POST /users/{id}/disable.
func (w *Web) disableUser(c *gin.Context) error {
	return w.changeUser(c, "user_disabled", func(_ *form, u *db.User) error {
		return w.Accounts.Disable(c.Request.Context(), identity(c).Name, u)
	})
}

// enableUser is POST /users/{id}/enable.
func (w *Web) enableUser(c *gin.Context) error {
	return w.changeUser(c, "user_enabled", func(_ *form, u *db.User) error {
		return w.Accounts.Enable(c.Request.Context(), identity(c).Name, u)
	})
}

// removeUser is POST /users/{id}/remove.
func (w *Web) removeUser(c *gin.Context) error {
	return w.changeUser(c, "user_removed", func(_ *form, u *db.User) error {
		return w.Accounts.Remove(c.Request.Context(), identity(c).Name, u)
	})
}

// changeUser does something to the user of a path and says so, or what is wrong.
func (w *Web) changeUser(c *gin.Context, done string, change func(*form, *db.User) error) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	defer f.wipe()
	u, err := w.pathUser(c)
	if err != nil {
		return err
	}
	if err := change(f, u); err != nil {
		fields := map[string]string{}
		if err := accountFields(c, fields, err); err != nil {
			return err
		}
		return w.showUser(c, http.StatusUnprocessableEntity, u, fields)
	}
	notice(c, done)
	if done == "user_removed" {
		return goTo(c, "/users")
	}
	return goTo(c, userPath(u))
}

// endSession is POST /sessions/{id}/end.
func (w *Web) endSession(c *gin.Context) error {
	return w.endOne(c, "session_ended", "/users", func(id int64) error { return w.Accounts.EndSession(c.Request.Context(), 0, id) })
}

// endAPIToken is POST /tokens/{id}/end.
func (w *Web) endAPIToken(c *gin.Context) error {
	return w.endOne(c, "token_ended", "/users", func(id int64) error { return w.endTokenOf(c, 0, id) })
}

// endOne ends what a form names; what is gone already is what was wanted. The form's page is shown again.
func (w *Web) endOne(c *gin.Context, done, otherwise string, end func(id int64) error) error {
	id, err := pathID(c, "id")
	if err != nil {
		return err
	}
	if err := end(id); err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	notice(c, done)
	back := formPath(c)
	if back == "/" {
		back = otherwise
	}
	return goTo(c, localPath(back, otherwise))
}

// endTokenOf ends a token; db.ErrNotFound when it is not the user's. userID 0 is anybody.
func (w *Web) endTokenOf(c *gin.Context, userID, id int64) error {
	t, err := w.DB.APIToken(c.Request.Context(), id)
	if err != nil {
		return err
	}
	if userID != 0 && (t.UserID == nil || *t.UserID != userID) {
		return db.ErrNotFound
	}
	return w.Accounts.EndToken(c.Request.Context(), identity(c).Name, t)
}
