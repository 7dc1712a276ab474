package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/bootstrap"
	"hostler/server/bootstrap/hostlist"
	"hostler/server/operation"
	"hostler/ui/page"
)

// maxParallel bounds how many hosts a request may have worked on at a time.
const maxParallel = 500

type bootstrapRequest struct {
	Hosts    string     `json:"hosts"` // as in a wizard: lines, commas, patterns, comments
	SSH      sshRequest `json:"ssh"`
	Cluster  string     `json:"cluster,omitempty"`
	Parallel int        `json:"parallel,omitempty"` // 0: the server's default
	Many     bool       `json:"many,omitempty"`     // more than hostlist.MaxHosts are meant
	// Versions are the families that are meant and where they get the agent from; none: all, from this server.
	Versions bootstrap.Sources `json:"versions,omitempty"`
}

// sshRequest is how to log in. Its secrets end up in bootstrap.Credentials, which overwrites them after use.
type sshRequest struct {
	User         string           `json:"user,omitempty"`
	Port         int              `json:"port,omitempty"`
	PrivateKey   secret           `json:"private_key,omitempty"`
	Passphrase   secret           `json:"passphrase,omitempty"`
	Password     secret           `json:"password,omitempty"`
	Become       bootstrap.Become `json:"become,omitempty"`        // sudo unless given
	SudoPassword secret           `json:"sudo_password,omitempty"` // what Become asks for
	Jump         *jumpRequest     `json:"jump,omitempty"`
	// Others are further sets, by the names that hosts ask for them with: "credentials=db".
	Others map[string]*sshRequest `json:"others,omitempty"`
}

// jumpRequest is the host through which the others are reached.
type jumpRequest struct {
	Host       string `json:"host"`
	User       string `json:"user,omitempty"`
	Port       int    `json:"port,omitempty"`
	PrivateKey secret `json:"private_key,omitempty"`
	Passphrase secret `json:"passphrase,omitempty"`
	Password   secret `json:"password,omitempty"`
}

func (r *jumpRequest) jump() *bootstrap.Jump {
	if r == nil {
		return nil
	}
	return &bootstrap.Jump{Address: r.Host, Login: &bootstrap.Credentials{
		User: r.User, Port: r.Port, PrivateKey: r.PrivateKey, Passphrase: r.Passphrase, Password: r.Password,
	}}
}

func (r *sshRequest) given() bool {
	return r.Jump != nil || len(r.PrivateKey)+len(r.Passphrase)+len(r.Password)+len(r.SudoPassword) > 0
}

// credentials hands the secrets over: whoever gets them wipes them.
func (r *sshRequest) credentials() *bootstrap.Credentials {
	return &bootstrap.Credentials{
		User: r.User, Port: r.Port, Become: r.Become, PrivateKey: r.PrivateKey, Passphrase: r.Passphrase, Password: r.Password, SudoPassword: r.SudoPassword,
		Jump: r.Jump.jump(),
	}
}

type startedReply struct {
	OperationID int64 `json:"operation_id"`
}

// createBootstrap is POST bootstraps. Nothing is started unless every field is right.
func (w *Web) createBootstrap(c *gin.Context) error {
	w.starting.Lock()
	defer w.starting.Unlock()
	return w.createOverSSH(c, bootstrap.Spec, w.refuseBusy)
}

// createCheck is POST checks: the same request, of which only the connections are tried.
func (w *Web) createCheck(c *gin.Context) error {
	anybody := func(context.Context, map[string]string, []string) error { return nil }
	return w.createOverSSH(c, bootstrap.CheckSpec, anybody)
}

// createOverSSH starts what a request asks for; refuse complains about hosts that it cannot be done to now.
func (w *Web) createOverSSH(c *gin.Context,
	spec func(cluster, by string, hosts []hostlist.Host, c *bootstrap.Credentials) operation.Spec,
	refuse func(ctx context.Context, fields map[string]string, hosts []string) error,
) error {
	var in bootstrapRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	o, err := w.startOverSSH(c, &in, spec, refuse, func(hosts []hostlist.Host) []hostlist.Host { return hosts })
	if err != nil {
		return err
	}
	c.Header("Location", api+"/operations/"+strconv.FormatInt(o.ID, 10))
	c.JSON(http.StatusCreated, startedReply{o.ID})
	return nil
}

// startOverSSH starts what a request asks for on those of its hosts that only chooses; the operation is nil when it
// chooses none of them. The request's secrets are wiped unless they are the operation's.
func (w *Web) startOverSSH(c *gin.Context, in *bootstrapRequest,
	spec func(cluster, by string, hosts []hostlist.Host, c *bootstrap.Credentials) operation.Spec,
	refuse func(ctx context.Context, fields map[string]string, hosts []string) error, only func([]hostlist.Host) []hostlist.Host,
) (*db.Operation, error) {
	ctx := c.Request.Context()
	credentials := in.SSH.credentials()
	hosts, fields := in.check(ctx, credentials)
	if given := len(hosts); given > 0 {
		if hosts = only(hosts); len(hosts) == 0 {
			credentials.Wipe()
			return nil, nil
		}
	}
	if err := refuse(ctx, fields, names(hosts)); err != nil {
		credentials.Wipe()
		return nil, err
	}
	if len(fields) == 0 {
		_, fields = w.askSources(ctx, in.Versions)
	}
	if len(fields) > 0 {
		credentials.Wipe()
		return nil, invalid(fields)
	}
	s := spec(in.Cluster, identity(c).Name, hosts, credentials)
	in.Versions.Put(&s)
	if in.Parallel > 0 {
		s.Parallel = in.Parallel
	}
	return w.Engine.Start(ctx, s)
}

// check finds the hosts that are meant, and what is wrong with the request.
func (in *bootstrapRequest) check(ctx context.Context, credentials *bootstrap.Credentials) (hosts []hostlist.Host, fields map[string]string) {
	fields = map[string]string{}
	list := hostlist.Read(in.Hosts)
	switch {
	case len(in.Hosts) > maxHosts:
		fields["hosts"] = tooManyBytes(maxHosts)
	case len(list.Problems) > 0:
		fields["hosts"] = problemLines(ctx, list.Problems)
	case len(list.Hosts) > hostlist.MaxHosts && !in.Many:
		fields["many"] = page.FieldText(ctx, "many")
	}
	if in.Parallel < 0 || in.Parallel > maxParallel {
		fields["parallel"] = "this must be a number from 1 to " + strconv.Itoa(maxParallel)
	}
	if len(in.Cluster) > maxCluster {
		fields["cluster"] = tooManyBytes(maxCluster)
	}
	var wrong *bootstrap.FieldError
	if errors.As(in.Versions.Check(), &wrong) {
		fields[wrong.Field] = credentialText(ctx, wrong)
	}
	in.SSH.checkOthers(fields, list.Hosts, credentials)
	if err := checkCredentials(credentials); err != nil {
		fields["ssh."+err.Field] = sentence(err.Message, err.Hint)
	}
	refuseKeys(ctx, fields, map[string]*string{"hosts": &in.Hosts, "cluster": &in.Cluster, "ssh.user": &in.SSH.User})
	return list.Hosts, fields
}

// checkOthers takes further sets of credentials over, and complains about those that hosts ask for in vain.
func (r *sshRequest) checkOthers(fields map[string]string, hosts []hostlist.Host, to *bootstrap.Credentials) {
	for name, other := range r.Others {
		if other == nil {
			other = &sshRequest{}
		}
		set := other.credentials()
		to.With(name, set)
		if len(other.Others) > 0 {
			fields["ssh.others."+name] = "further credentials have none themselves"
		} else if err := checkCredentials(set); err != nil {
			fields["ssh.others."+name+"."+err.Field] = sentence(err.Message, err.Hint)
		}
	}
	for _, h := range hosts {
		if _, ok := r.Others[h.Credentials]; h.Credentials != "" && !ok {
			fields["ssh.others."+h.Credentials] = "line " + strconv.Itoa(h.Line) + " of the hosts names these credentials"
		}
	}
}

// checkCredentials checks what a person gave; nil when it is right.
func checkCredentials(c *bootstrap.Credentials) *bootstrap.FieldError {
	given := map[string][]byte{"passphrase": c.Passphrase, "password": c.Password, "sudo_password": c.SudoPassword}
	if c.Jump != nil && c.Jump.Login != nil {
		given["jump.passphrase"], given["jump.password"] = c.Jump.Login.Passphrase, c.Jump.Login.Password
	}
	for field, value := range given {
		if len(value) > maxField {
			return &bootstrap.FieldError{Field: field, Code: "too_long", Message: "This is too long."}
		}
	}
	var wrong *bootstrap.FieldError
	if errors.As(c.Check(), &wrong) {
		return wrong
	}
	return nil
}

// problemLines writes the first problems of a host list, one per line.
func problemLines(ctx context.Context, problems []hostlist.Problem) string {
	const most = 20
	var b strings.Builder
	for i, p := range problems {
		if i == most {
			b.WriteString("\n…")
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		if p.Line > 0 && p.Code != hostlist.CodeEmpty {
			b.WriteString("line " + strconv.Itoa(p.Line) + ": ")
		}
		b.WriteString(problemText(ctx, p))
	}
	return b.String()
}

// again completes credentials that are given anew for an operation with the user and the port that it was
// started with, and checks them. On an error they are wiped.
func (w *Web) again(ctx context.Context, operationID int64, c *bootstrap.Credentials) error {
	o, err := w.DB.Operation(ctx, operationID)
	if err != nil {
		c.Wipe()
		return err
	}
	params := bootstrapParams(o)
	if c.User == "" {
		c.User = params.User
	}
	if c.Port == 0 {
		c.Port = params.Port
	}
	if c.Become == "" {
		c.Become = params.Become
	}
	if was := params.Jump; was != nil {
		c.GoThrough(was.Host, was.User, was.Port)
	}
	if wrong := checkCredentials(c); wrong != nil {
		c.Wipe()
		return wrong
	}
	return nil
}

// giveAgain lets an operation go on with new credentials: tasks that wait for them, or else those that failed.
func (w *Web) giveAgain(ctx context.Context, operationID int64, c *bootstrap.Credentials, actor string) (int, error) {
	counts, err := w.DB.CountTasks(ctx, operationID)
	if err != nil {
		c.Wipe()
		return 0, err
	}
	if waits(counts) {
		return w.Engine.Unlock(ctx, operationID, c)
	}
	return w.Engine.Retry(ctx, operationID, nil, c, actor)
}

var _ operation.Secrets = (*bootstrap.Credentials)(nil)
