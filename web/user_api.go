package web

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/account"
)

type usersReply struct {
	Items []account.Person `json:"items"`
	Next  string           `json:"next"` // for ?after=; "" on the last page
}

type tokensReply struct {
	Items []account.Program `json:"items"`
	Next  string            `json:"next"`
}

type sessionsReply struct {
	Items []account.Browser `json:"items"`
}

// accountReply is who asks, as GET account tells.
type accountReply struct {
	Name   string          `json:"name"`
	Role   string          `json:"role"`
	Limit  db.Limit        `json:"limit"` // labels of the hosts that it is about, as tags; "": all
	Token  bool            `json:"token"` // it is a program's token
	Rights []account.Right `json:"rights"`
}

type userRequest struct {
	Name     string `json:"name"`
	Password secret `json:"password"`
	Role     string `json:"role"`
	Labels   string `json:"host_labels,omitempty"` // tags; "" for all hosts
}

type roleRequest struct {
	Role string `json:"role"`
}

type limitRequest struct {
	Labels string `json:"host_labels"` // tags; "" for all hosts
}

type passwordRequest struct {
	Password secret `json:"password"`
}

type tokenRequest struct {
	Name      string `json:"name"`
	Role      string `json:"role"`
	Labels    string `json:"host_labels,omitempty"` // as of a user
	ExpiresIn int64  `json:"expires_in,omitempty"`  // seconds; 0: not by itself
}

// tokenMadeReply is the only time that a token's secret is told.
type tokenMadeReply struct {
	account.Program
	Secret string `json:"token"`
}

// getAccount is GET account.
func (w *Web) getAccount(c *gin.Context) error {
	who := identity(c)
	reply := accountReply{Name: who.Name, Role: who.Role, Limit: who.Limit, Token: who.Token, Rights: []account.Right{}}
	for _, r := range account.Rights {
		if who.May(r) {
			reply.Rights = append(reply.Rights, r)
		}
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// listUsers is GET users.
func (w *Web) listUsers(c *gin.Context) error {
	limit, err := queryInt(c, "limit", usersPerPage, 1, 1000)
	if err != nil {
		return err
	}
	us, next, err := w.findUsers(c, int(limit))
	if err != nil {
		return err
	}
	reply := usersReply{Items: make([]account.Person, len(us)), Next: next}
	for i := range us {
		reply.Items[i] = account.DescribeUser(&us[i])
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// createUser is POST users.
func (w *Web) createUser(c *gin.Context) error {
	var in userRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	defer clear(in.Password)
	u, err := w.Accounts.CreateLimitedUser(c.Request.Context(), identity(c).Name, in.Name, string(in.Password), in.Role, in.Labels)
	if err != nil {
		return accountFailure(c, err)
	}
	c.JSON(http.StatusCreated, account.DescribeUser(u))
	return nil
}

// accountFailure answers with what is wrong with single fields.
func accountFailure(c *gin.Context, err error) error {
	fields := map[string]string{}
	if err := accountFields(c, fields, err); err != nil {
		return err
	}
	return invalid(fields)
}

// answerUser does something to the user of a path and answers with what the user is then.
func (w *Web) answerUser(c *gin.Context, change func(u *db.User) error) error {
	u, err := w.pathUser(c)
	if err == nil && change != nil {
		if err = change(u); err != nil {
			return accountFailure(c, err)
		}
		u, err = w.DB.User(c.Request.Context(), u.ID)
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, account.DescribeUser(u))
	return nil
}

// getUser is GET users/{id}.
func (w *Web) getUser(c *gin.Context) error { return w.answerUser(c, nil) }

// putUserRole is POST users/{id}/role.
func (w *Web) putUserRole(c *gin.Context) error {
	var in roleRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	return w.answerUser(c, func(u *db.User) error { return w.Accounts.SetRole(c.Request.Context(), identity(c).Name, u, in.Role) })
}

// putUserLimit is POST users/{id}/limit.
func (w *Web) putUserLimit(c *gin.Context) error {
	var in limitRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	return w.answerUser(c, func(u *db.User) error {
		return w.Accounts.SetHostLabels(c.Request.Context(), identity(c).Name, u, in.Labels)
	})
}

// putUserPassword is POST users/{id}/password.
func (w *Web) putUserPassword(c *gin.Context) error {
	var in passwordRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	defer clear(in.Password)
	return w.answerUser(c, func(u *db.User) error {
		return w.Accounts.SetPassword(c.Request.Context(), identity(c).Name, u, string(in.Password))
	})
}

// disableUserCall is POST users/{id}/disable.
func (w *Web) disableUserCall(c *gin.Context) error {
	return w.answerUser(c, func(u *db.User) error { return w.Accounts.Disable(c.Request.Context(), identity(c).Name, u) })
}

// enableUserCall is POST users/{id}/enable.
func (w *Web) enableUserCall(c *gin.Context) error {
	return w.answerUser(c, func(u *db.User) error { return w.Accounts.Enable(c.Request.Context(), identity(c).Name, u) })
}

// removeUserCall is POST users/{id}/remove.
func (w *Web) removeUserCall(c *gin.Context) error {
	u, err := w.pathUser(c)
	if err != nil {
		return err
	}
	if err := w.Accounts.Remove(c.Request.Context(), identity(c).Name, u); err != nil {
		return accountFailure(c, err)
	}
	c.JSON(http.StatusOK, account.DescribeUser(u))
	return nil
}

// listTokens is GET tokens.
func (w *Web) listTokens(c *gin.Context) error {
	limit, err := queryInt(c, "limit", usersPerPage, 1, 1000)
	if err != nil {
		return err
	}
	ts, err := w.DB.APITokens(c.Request.Context(), 0, c.Query("after"), int(limit)+1)
	if err != nil {
		return err
	}
	reply := tokensReply{Items: []account.Program{}}
	if len(ts) > int(limit) {
		ts = ts[:limit]
		reply.Next = ts[limit-1].Name
	}
	for i := range ts {
		reply.Items = append(reply.Items, account.DescribeToken(&ts[i]))
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// createToken is POST tokens. The token belongs to the person who asks, or whose token asks.
func (w *Web) createToken(c *gin.Context) error {
	var in tokenRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	who := identity(c)
	lifetime := time.Duration(-1) // more seconds than a Duration has are too many in any case
	if in.ExpiresIn >= 0 && in.ExpiresIn < 1<<32 {
		lifetime = time.Duration(in.ExpiresIn) * time.Second
	}
	t, secret, err := w.Accounts.CreateToken(c.Request.Context(), account.TokenSpec{
		Name: in.Name, Role: in.Role, Labels: in.Labels, Lifetime: lifetime, Maker: who, By: who.Name,
	})
	if err != nil {
		return accountFailure(c, err)
	}
	c.JSON(http.StatusCreated, tokenMadeReply{account.DescribeToken(t), secret})
	return nil
}

// endTokenCall is POST tokens/{id}/end.
func (w *Web) endTokenCall(c *gin.Context) error {
	id, err := pathID(c, "id")
	if err != nil {
		return err
	}
	if err := w.endTokenOf(c, 0, id); err != nil {
		return err
	}
	c.JSON(http.StatusOK, struct{}{})
	return nil
}

// listSessions is GET sessions.
func (w *Web) listSessions(c *gin.Context) error {
	all, err := w.Accounts.Sessions(c.Request.Context(), 0)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, sessionsReply{all})
	return nil
}

// endSessionCall is POST sessions/{id}/end.
func (w *Web) endSessionCall(c *gin.Context) error {
	id, err := pathID(c, "id")
	if err != nil {
		return err
	}
	if err := w.Accounts.EndSession(c.Request.Context(), 0, id); err != nil {
		return err
	}
	c.JSON(http.StatusOK, struct{}{})
	return nil
}
