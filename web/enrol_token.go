package web

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/audit"
	"hostler/server/event"
	"hostler/server/trust"
	"hostler/ui/page"
)

const (
	enrolTokensPerPage = 100
	admittedShown      = 100 // hosts that a token's page lists
)

// enrolTokenReply is an enrolment token in the API, without its secret.
type enrolTokenReply struct {
	ID        int64              `json:"id"`
	State     db.EnrolTokenState `json:"state"`
	Note      string             `json:"note"`
	Host      string             `json:"host"`     // a host name or a pattern; "" for any
	Networks  string             `json:"networks"` // separated by commas; "" for any
	Cluster   string             `json:"cluster"`
	Tags      string             `json:"tags"`
	Uses      int                `json:"uses"`
	UsesLeft  int                `json:"uses_left"`
	CreatedBy string             `json:"created_by"` // "" for a bootstrap
	CreatedAt time.Time          `json:"created_at"`
	ExpiresAt time.Time          `json:"expires_at"`
	EndedAt   *time.Time         `json:"ended_at"`
	EndedBy   string             `json:"ended_by"`
}

type enrolTokensReply struct {
	Items []enrolTokenReply `json:"items"`
	Next  string            `json:"next"` // for ?after=; "" on the last page
}

// newEnrolTokenReply is the only answer of the API that holds the secret; the page of an open token shows it, too.
type newEnrolTokenReply struct {
	enrolTokenReply
	Token string `json:"token"`
	CAPin string `json:"ca_pin"`
}

func (w *Web) enrolTokenReply(t *db.EnrolToken) enrolTokenReply {
	return enrolTokenReply{
		ID: t.ID, State: t.State(w.Options.Now()), Note: t.Note, Host: t.Hostname, Networks: t.Networks, Cluster: t.Cluster, Tags: t.Tags,
		Uses: t.Uses, UsesLeft: t.UsesLeft, CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, EndedAt: t.EndedAt, EndedBy: t.EndedBy,
	}
}

// listEnrolTokens is GET enrol-tokens.
func (w *Web) listEnrolTokens(c *gin.Context) error {
	limit, err := queryInt(c, "limit", enrolTokensPerPage, 1, 1000)
	if err != nil {
		return err
	}
	tokens, next, err := w.findEnrolTokens(c, int(limit))
	if err != nil {
		return err
	}
	reply := enrolTokensReply{Items: make([]enrolTokenReply, len(tokens)), Next: next}
	for i := range tokens {
		reply.Items[i] = w.enrolTokenReply(&tokens[i])
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

// findEnrolTokens reads the page of tokens that the query asks for: state, after.
func (w *Web) findEnrolTokens(c *gin.Context, limit int) (ts []db.EnrolToken, next string, err error) {
	q := db.EnrolTokenQuery{State: db.EnrolTokenState(c.Query("state")), Now: w.Options.Now(), Limit: limit}
	if q.State != "" && !slices.Contains(db.EnrolTokenStates, q.State) {
		return nil, "", badQuery("state", "there is no such state")
	}
	if q.Before, err = queryInt(c, "after", 0, 1, 1<<62); err != nil {
		return nil, "", err
	}
	ts, last, err := w.DB.EnrolTokens(c.Request.Context(), q)
	if last > 0 {
		next = strconv.FormatInt(last, 10)
	}
	return ts, next, err
}

// createEnrolToken is POST enrol-tokens.
func (w *Web) createEnrolToken(c *gin.Context) error {
	var in trust.TokenRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	secret, t, err := w.newEnrolToken(c, in)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, newEnrolTokenReply{w.enrolTokenReply(t), secret, w.CA.Pin()})
	return nil
}

func (w *Web) newEnrolToken(c *gin.Context, in trust.TokenRequest) (string, *db.EnrolToken, error) {
	actor := identity(c).Name
	secret, t, err := w.CA.NewToken(c.Request.Context(), in, actor)
	if err != nil {
		return "", nil, err
	}
	w.made.put(t.ID, draftToken{secret, t.ExpiresAt}, w.Options.Now())
	w.recordEnrolToken(c, event.AdmissionMade, t)
	return secret, t, nil
}

// recordEnrolToken records what somebody did with a token.
func (w *Web) recordEnrolToken(c *gin.Context, kind string, t *db.EnrolToken) {
	was, became := any(nil), any(w.enrolTokenReply(t))
	if kind == event.AdmissionEnded {
		was, became = became, nil
	}
	audit.About(c.Request.Context(), "enrolment token "+strconv.FormatInt(t.ID, 10), was, became)
	w.Events.Record(c.Request.Context(), db.Event{
		Kind: kind, Actor: identity(c).Name, Params: map[string]string{
			"token": strconv.FormatInt(t.ID, 10), "note": t.Note, "scope": t.Hostname, "networks": t.Networks,
			"uses": strconv.Itoa(t.Uses), "expires": t.ExpiresAt.Format(time.RFC3339), "address": c.RemoteIP(),
		},
	})
}

// endEnrolToken is POST enrol-tokens/{id}/end.
func (w *Web) endEnrolToken(c *gin.Context) error {
	t, err := w.endToken(c)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, w.enrolTokenReply(t))
	return nil
}

// endToken ends the token that the path names. To end one twice is no error.
func (w *Web) endToken(c *gin.Context) (*db.EnrolToken, error) {
	ctx := c.Request.Context()
	t, err := w.enrolToken(c)
	if err != nil {
		return nil, err
	}
	ended, err := w.CA.EndToken(ctx, t.ID, identity(c).Name)
	if err != nil {
		return nil, err
	}
	w.made.forget(t.ID)
	if t.DraftID != nil {
		w.tokens.forget(*t.DraftID)
	}
	if ended {
		w.recordEnrolToken(c, event.AdmissionEnded, t)
	}
	return w.DB.EnrolTokenByID(ctx, t.ID)
}

// enrolToken finds the token that the path names.
func (w *Web) enrolToken(c *gin.Context) (*db.EnrolToken, error) {
	n, err := pathID(c, "id")
	if err != nil {
		return nil, err
	}
	return w.DB.EnrolTokenByID(c.Request.Context(), n)
}

// enrolTokensPage is GET /trust/tokens.
func (w *Web) enrolTokensPage(c *gin.Context) error {
	tokens, next, err := w.findEnrolTokens(c, enrolTokensPerPage)
	if err != nil {
		return err
	}
	v := page.EnrolTokensView{Frame: w.frame(c), State: c.Query("state"), Next: next, Paged: c.Query("after") != ""}
	for i := range tokens {
		v.Tokens = append(v.Tokens, w.enrolTokenView(&tokens[i]))
	}
	return show(c, http.StatusOK, page.EnrolTokensPage(v))
}

func (w *Web) enrolTokenView(t *db.EnrolToken) page.EnrolToken {
	return page.EnrolToken{
		ID: t.ID, State: string(t.State(w.Options.Now())), Note: t.Note, Host: t.Hostname, Networks: t.Networks, Cluster: t.Cluster, Tags: t.Tags,
		Uses: t.Uses, UsesLeft: t.UsesLeft, By: t.CreatedBy, Created: t.CreatedAt, Expires: t.ExpiresAt, Ended: at(t.EndedAt), EndedBy: t.EndedBy,
		DraftID: id(t.DraftID),
	}
}

// newEnrolTokenPage is GET /trust/tokens/new. ?host= fills in whom it is for.
func (w *Web) newEnrolTokenPage(c *gin.Context) error {
	form := page.EnrolTokenForm{Host: c.Query("host"), Uses: "1", Minutes: strconv.Itoa(int(trust.TokenLifetime / time.Minute))}
	return show(c, http.StatusOK, page.NewEnrolTokenPage(page.NewEnrolTokenView{Frame: w.frame(c), Form: form}))
}

// newEnrolTokenForm is POST /trust/tokens/new.
func (w *Web) newEnrolTokenForm(c *gin.Context) error {
	f, err := readForm(c)
	if err != nil {
		return err
	}
	form := page.EnrolTokenForm{
		Host: f.text("host"), Networks: f.text("networks"), Uses: f.text("uses"), Minutes: f.text("minutes"),
		Cluster: f.text("cluster"), Tags: f.text("tags"), Note: f.text("note"),
	}
	in, fields := readEnrolToken(c, form)
	if len(fields) == 0 {
		_, t, err := w.newEnrolToken(c, in)
		if err == nil {
			return goTo(c, "/trust/tokens/"+strconv.FormatInt(t.ID, 10))
		}
		var wrong *trust.FieldError
		if !errors.As(err, &wrong) {
			return err
		}
		name := strings.Replace(wrong.Field, "lifetime", "minutes", 1)
		fields = map[string]string{name: page.FieldText(c.Request.Context(), wrong.Code)}
	}
	return show(c, http.StatusUnprocessableEntity, page.NewEnrolTokenPage(page.NewEnrolTokenView{Frame: w.frame(c), Form: form, Fields: fields}))
}

// readEnrolToken reads the numbers of the form. An empty field leaves the choice to package trust; a zero does not.
func readEnrolToken(c *gin.Context, form page.EnrolTokenForm) (in trust.TokenRequest, fields map[string]string) {
	in = trust.TokenRequest{Host: form.Host, Networks: form.Networks, Cluster: form.Cluster, Tags: form.Tags, Note: form.Note}
	fields = map[string]string{}
	number := func(name, text string) int {
		if text == "" {
			return 0
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			fields[name] = page.FieldText(c.Request.Context(), "number_invalid")
		}
		if n == 0 {
			n = -1
		}
		return int(n)
	}
	in.Uses = number("uses", form.Uses)
	in.Lifetime = number("minutes", form.Minutes) * int(time.Minute/time.Second)
	return in, fields
}

// enrolTokenPage is GET /trust/tokens/{id}: what it is for, whom it has admitted, and, as long as this server knows the
// secret, the commands.
func (w *Web) enrolTokenPage(c *gin.Context) error {
	t, err := w.enrolToken(c)
	if err != nil {
		return err
	}
	v := page.EnrolTokenView{Frame: w.frame(c), Token: w.enrolTokenView(t)}
	if secret, ok := w.secretOf(t); ok {
		v.Secret, v.Groups = secret, append(w.commands(secret), carriedCommands(t))
	}
	admitted, err := w.DB.AdmittedBy(c.Request.Context(), t.ID, admittedShown)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range admitted {
		if sn := admitted[i].AgentSN; !seen[sn] { // a renewal is the same host
			seen[sn] = true
			v.Admitted = append(v.Admitted, w.certificateView(&admitted[i]))
		}
	}
	requests, err := w.DB.EnrolRequestsOfToken(c.Request.Context(), t.ID, admittedShown)
	if err != nil {
		return err
	}
	if v.Door, err = w.enrolDoor(c, requests); err != nil {
		return err
	}
	return show(c, http.StatusOK, page.EnrolTokenPage(v))
}

// endEnrolTokenForm is POST /trust/tokens/{id}/end.
func (w *Web) endEnrolTokenForm(c *gin.Context) error {
	if _, err := w.endToken(c); err != nil {
		return err
	}
	notice(c, "enrol_token_ended")
	return goTo(c, "/trust/tokens")
}
