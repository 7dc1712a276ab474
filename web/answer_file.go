package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"hostler/db"
	"hostler/server/bootstrap"
	"hostler/server/bootstrap/answer"
	"hostler/server/bootstrap/hostlist"
	"hostler/ui/page"
)

type answersRequest struct {
	Answers string `json:"answers"` // an answer file
}

type answersReply struct {
	Problems []answerProblem `json:"problems"`
	Hosts    int             `json:"hosts"`   // all that the file lists
	Known    int             `json:"known"`   // those that are managed already, which would be left alone
	Managed  []string        `json:"managed"` // the names of the first of them
}

type answerProblem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Key     string `json:"key"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// checkAnswers is POST answers/check: what is wrong with an answer file, and what it would install.
func (w *Web) checkAnswers(c *gin.Context) error {
	var in answersRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	ctx := c.Request.Context()
	file, problems := answer.Read([]byte(in.Answers))
	reply := answersReply{Problems: make([]answerProblem, len(problems)), Managed: []string{}}
	for i, p := range problems {
		reply.Problems[i] = answerProblem{Line: p.Line, Column: p.Column, Key: p.Key, Code: p.Code, Message: answerText(ctx, p)}
	}
	if len(problems) == 0 {
		hosts := hostlist.Read(file.Hosts).Hosts
		reply.Hosts = len(hosts)
		reply.Known, reply.Managed = w.managed(ctx, hosts)
	}
	c.JSON(http.StatusOK, reply)
	return nil
}

type installRequest struct {
	Answers string `json:"answers"` // an answer file
	// SSH has the secrets, which the file has not. What else it says wins over the file.
	SSH sshRequest `json:"ssh,omitzero"`
}

type installReply struct {
	OperationID int64    `json:"operation_id,omitempty"` // none when nothing is to be done
	Hosts       int      `json:"hosts"`                  // all that the file lists
	Known       int      `json:"known"`                  // those that are managed already, and left alone
	Managed     []string `json:"managed"`                // the names of the first of them
}

// createInstall is POST installs: what a file lists is bootstrapped, but for hosts that are managed already. So the same
// request changes nothing once it has succeeded.
func (w *Web) createInstall(c *gin.Context) error {
	var in installRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	ctx := c.Request.Context()
	file, problems := answer.Read([]byte(in.Answers))
	if len(problems) > 0 || file.Method == answer.MethodManual {
		in.SSH.credentials().Wipe()
		return invalid(map[string]string{"answers": cmp.Or(answerLines(ctx, problems), page.AnswerText(ctx, answer.CodeManual, nil))})
	}
	w.starting.Lock()
	defer w.starting.Unlock()
	var reply installReply
	o, err := w.startOverSSH(c, bootstrapOf(file, in.SSH), bootstrap.Spec, w.refuseBusy, func(hosts []hostlist.Host) []hostlist.Host {
		reply.Hosts = len(hosts)
		reply.Known, reply.Managed = w.managed(ctx, hosts)
		known := w.Fleet.AllNames(ctx)
		return slices.DeleteFunc(hosts, func(h hostlist.Host) bool { return known[h.Name] })
	})
	if err != nil {
		return err
	}
	if o == nil {
		c.JSON(http.StatusOK, reply)
		return nil
	}
	reply.OperationID = o.ID
	c.Header("Location", api+"/operations/"+strconv.FormatInt(o.ID, 10))
	c.JSON(http.StatusCreated, reply)
	return nil
}

// bootstrapOf is the request that a file stands for, with what is given beside it.
func bootstrapOf(f *answer.File, given sshRequest) *bootstrapRequest {
	given.complete(&f.SSH)
	for name, login := range f.Credentials {
		if given.Others == nil {
			given.Others = map[string]*sshRequest{}
		}
		if given.Others[name] == nil {
			given.Others[name] = &sshRequest{}
		}
		given.Others[name].complete(login)
	}
	return &bootstrapRequest{Hosts: f.Hosts, SSH: given, Cluster: f.Cluster, Parallel: f.Parallel, Many: f.Many, Versions: f.Versions}
}

// complete takes from a file what is not given.
func (r *sshRequest) complete(l *answer.Login) {
	r.User, r.Port, r.Become = cmp.Or(r.User, l.User), cmp.Or(r.Port, l.Port), cmp.Or(r.Become, l.Become)
	if l.Jump == nil {
		return
	}
	if r.Jump == nil {
		r.Jump = &jumpRequest{}
	}
	r.Jump.Host, r.Jump.User, r.Jump.Port = cmp.Or(r.Jump.Host, l.Jump.Host), cmp.Or(r.Jump.User, l.Jump.User), cmp.Or(r.Jump.Port, l.Jump.Port)
}

// answerText is what is wrong with a file, in the context's language.
func answerText(ctx context.Context, p answer.Problem) string {
	switch {
	case p.Host != nil:
		return problemText(ctx, *p.Host)
	case p.Field != nil:
		return credentialText(ctx, p.Field)
	}
	return page.AnswerText(ctx, p.Code, p.Args)
}

// answerLines are the problems of a file, one per line.
func answerLines(ctx context.Context, problems []answer.Problem) string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = page.AnswerLine(ctx, p.Line, p.Column, answerText(ctx, p))
	}
	return strings.Join(lines, "\n")
}

// answersName is what an answer file is called when it is saved.
const answersName = "answers.yaml"

// sendAnswers sends an answer file to be saved.
func sendAnswers(c *gin.Context, f *answer.File) error {
	c.Header("Content-Disposition", `attachment; filename="`+answersName+`"`)
	c.Data(http.StatusOK, "application/yaml; charset=utf-8", []byte(f.String()))
	return nil
}

// saveDraftAnswers is GET /wizards/{id}/answers.yaml.
func (w *Web) saveDraftAnswers(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	return sendAnswers(c, draftAnswers(d))
}

// draftAnswers is a draft as an answer file.
func draftAnswers(d *db.Draft) *answer.File {
	f := &answer.File{Cluster: d.Cluster, Method: d.Method, Hosts: d.Hosts}
	f.Many = len(hostlist.Read(d.Hosts).Hosts) > hostlist.MaxHosts
	f.Versions = sourcesOf(d)
	if f.Method == answer.MethodManual {
		return f
	}
	f.SSH = answer.Login{User: d.SSHUser, Port: d.SSHPort, Become: bootstrap.Become(d.SSHBecome)}
	if d.JumpHost != "" {
		f.SSH.Jump = &answer.Jump{Host: d.JumpHost, User: d.JumpUser, Port: d.JumpPort}
	}
	return f
}

// saveAnswers is GET operations/{id}/answers, and GET /operations/{id}/answers.yaml for pages: a bootstrap as an answer
// file. Operations of other kinds have none.
func (w *Web) saveAnswers(c *gin.Context) error {
	n, err := pathID(c, "id")
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	o, err := w.DB.Operation(ctx, n)
	if err != nil {
		return err
	}
	if o.Kind != bootstrap.KindName {
		return db.ErrNotFound
	}
	tasks, err := w.DB.Tasks(ctx, n)
	if err != nil {
		return err
	}
	f, err := operationAnswers(o, tasks)
	if err != nil {
		return err
	}
	return sendAnswers(c, f)
}

// operationAnswers is a bootstrap as an answer file, its hosts one to a line.
func operationAnswers(o *db.Operation, tasks []db.Task) (*answer.File, error) {
	p := bootstrapParams(o)
	f := &answer.File{
		Cluster: o.Cluster, Method: answer.MethodSSH, Parallel: o.Parallel, Many: len(tasks) > hostlist.MaxHosts,
		SSH: answer.Login{User: p.User, Port: p.Port, Become: p.Become}, Versions: p.Sources,
	}
	if j := p.Jump; j != nil {
		f.SSH.Jump = &answer.Jump{Host: j.Host, User: j.User, Port: j.Port}
	}
	lines := make([]string, len(tasks))
	for i := range tasks {
		said, err := bootstrap.ParamsOf(&tasks[i])
		if err != nil {
			return nil, err
		}
		h := hostlist.Host{Name: tasks[i].Name, Settings: hostlist.Settings{
			User: said.User, Port: said.Port, Address: said.Address, Credentials: said.Credentials, Labels: said.Labels,
		}}
		if h.Credentials != "" {
			if f.Credentials == nil {
				f.Credentials = map[string]*answer.Login{}
			}
			f.Credentials[h.Credentials] = &answer.Login{}
		}
		lines[i] = h.String()
	}
	f.Hosts = strings.Join(lines, "\n")
	return f, nil
}

// loadAnswers is POST /wizards/{id}/answers: a draft is filled from an answer file. What is not right changes nothing.
func (w *Web) loadAnswers(c *gin.Context) error {
	d, err := w.draft(c)
	if err != nil {
		return err
	}
	form, err := readForm(c)
	if err != nil {
		return err
	}
	defer form.wipe()
	ctx := c.Request.Context()
	text := form.take("answers") // it may hold a secret, which is refused
	defer clear(text)
	f, problems := answer.Read(text)
	said := answerLines(ctx, problems)
	if form.tooLarge["answers"] {
		said = page.AnswerText(ctx, answer.CodeTooLarge, map[string]string{"limit": strconv.Itoa(answer.MaxBytes)})
	}
	if said != "" {
		if wantsJSON(c) {
			return invalid(map[string]string{"answers": said})
		}
		return show(c, http.StatusUnprocessableEntity, page.WizardStartPage(page.WizardStartView{
			Frame: w.frame(c), Draft: w.draftFor(c, d), Answers: strings.Split(said, "\n"),
		}))
	}
	fillDraft(d, f)
	if err := w.DB.SaveDraft(ctx, d); err != nil {
		return err
	}
	if f.Parallel != 0 || len(f.Credentials) > 0 {
		notice(c, "answers_partly")
	} else {
		notice(c, "answers_loaded")
	}
	step := page.WizardHosts
	if !rightCluster(d.Cluster) {
		step = page.WizardStart
	}
	return goTo(c, wizardPath(d.ID, step))
}

// fillDraft takes over what a file says. It is checked again by the steps of the wizard.
func fillDraft(d *db.Draft, f *answer.File) {
	d.Hosts, d.Method, d.Step = f.Hosts, cmp.Or(f.Method, answer.MethodSSH), page.WizardHosts
	if d.Cluster = cmp.Or(f.Cluster, d.Cluster); !rightCluster(d.Cluster) {
		d.Step = page.WizardStart
	}
	keepSources(d, f.Versions)
	d.SSHUser, d.SSHPort, d.SSHBecome = truncate(f.SSH.User, maxUser), f.SSH.Port, string(f.SSH.Become)
	jump := cmp.Or(f.SSH.Jump, &answer.Jump{})
	d.JumpHost, d.JumpUser, d.JumpPort = truncate(jump.Host, maxUser), truncate(jump.User, maxUser), jump.Port
}
