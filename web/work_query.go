package web

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/server/fleet"
	"hostler/server/job"
	"hostler/server/remote"
	"hostler/ui/page"
)

// workActions are the actions that the forms start unless somebody chooses another one.
var workActions = map[string]string{
	"/commands/new": wire.ActionExec, "/pushes/new": wire.ActionPush, "/fetches/new": wire.ActionFetch,
	"/agent-upgrades/new": wire.ActionUpgradeAgent, "/child-agents/new": wire.ActionInstall, "/child-agents/manage": wire.ActionRestart,
	"/child-agents/configure": wire.ActionConfigure, "/host-checks/new": wire.ActionCheck,
	"/host-removals/new": wire.ActionRemoveAgent,
}

// workView is a form with what a page needs beside what was typed.
func (w *Web) workView(c *gin.Context, form page.WorkForm) page.WorkView {
	v := page.WorkView{
		Frame: w.frame(c), Form: form, Preview: previewOf(c.Request.Context(), form.Hosts), Version: w.Remote.Version,
		Defaults: page.WorkDefaults{Expires: int(remote.DefaultExpiry / time.Second), Parallel: remote.DefaultPar},
	}
	action := workActions[c.FullPath()]
	v.Defaults.Timeout = int(job.DefaultTimeout(action) / time.Second)
	if action == wire.ActionUpgradeAgent {
		v.Defaults.Parallel, v.Agents = remote.DefaultUpgrade, w.agentVersions(c.Request.Context())
	}
	if form.MatchState+form.MatchSearch != "" {
		v.Matching = w.Fleet.Count(c.Request.Context(), fleet.Filter{State: db.HostState(form.MatchState), Search: form.MatchSearch})
	}
	return v
}

// agentVersions counts the hosts by the versions of their agents, the most frequent first.
func (w *Web) agentVersions(ctx context.Context) []page.AgentVersion {
	counts := map[string]int{}
	for _, h := range w.Fleet.Find(ctx, fleet.Filter{}) {
		counts[h.AgentVersion]++
	}
	all := make([]page.AgentVersion, 0, len(counts))
	for version, n := range counts {
		all = append(all, page.AgentVersion{Version: version, Hosts: n})
	}
	slices.SortFunc(all, func(a, b page.AgentVersion) int {
		return cmp.Or(cmp.Compare(b.Hosts, a.Hosts), cmp.Compare(a.Version, b.Version))
	})
	return all
}

// newWork is GET of a page with such a form. The query fills it in: ?hosts= and ?host= say where, by names and by numbers,
// ?match= by the filter of the list of hosts, ?name= to which child agent, ?archive= from which of the repository, ?job= and ?operation= as it was done before.
func (w *Web) newWork(c *gin.Context, which workPage) error {
	form := page.WorkForm{}
	var leftOut []string
	var err error
	switch {
	case c.Query("job") != "":
		form, leftOut, err = w.formOfJob(c.Request.Context(), c.Query("job"))
	case c.Query("operation") != "":
		form, leftOut, err = w.formOfOperation(c)
	}
	if err != nil {
		return err
	}
	if err := w.chosen(c, &form); err != nil {
		return err
	}
	if name := c.Query("name"); name != "" {
		form.Name = name
		if err := w.fillKnown(c, &form); err != nil {
			return err
		}
	}
	if c.Query("gone") != "" {
		form.Action = page.RemoveGone
	}
	v := w.workView(c, form)
	if v.Known, err = w.knownVersions(c); err != nil {
		return err
	}
	v.LeftOut = strings.Join(leftOut, ", ")
	return show(c, 200, which(v))
}

// chosen fills in the hosts that a list had when its button was pressed.
func (w *Web) chosen(c *gin.Context, form *page.WorkForm) error {
	if hosts := c.Query("hosts"); hosts != "" {
		form.Hosts = hosts
	}
	if c.Query("match") != "" {
		form.MatchState, form.MatchSearch = c.Query("match_state"), strings.TrimSpace(c.Query("match_search"))
		form.Match = form.MatchState+form.MatchSearch != ""
		form.All = !form.Match
		return nil
	}
	var ids []int64
	for _, text := range c.QueryArray("host") {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return badQuery("host", "this is not the number of a host")
		}
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		w.choose(c.Request.Context(), form, ids)
	}
	return nil
}

// choose makes a form one for just these hosts. Their names are put where somebody would type them; those that share theirs
// with another host, as one that was installed anew does with what it was before, keep their numbers.
func (w *Web) choose(ctx context.Context, form *page.WorkForm, ids []int64) {
	names := w.Fleet.Names(ctx, ids)
	sharing := map[string]int{}
	for _, name := range names {
		sharing[name] = 0
	}
	same := w.Fleet.Select(ctx, func(h *db.Host) bool {
		_, wanted := sharing[h.Name]
		return wanted
	})
	for i := range same {
		sharing[same[i].Name]++
	}
	var typed []string
	for i := range same {
		switch h := &same[i]; {
		case names[h.ID] == "":
		case sharing[h.Name] == 1:
			typed = append(typed, h.Name)
		default:
			form.Chosen = append(form.Chosen, chosenHost(&h.Host))
		}
	}
	form.Hosts = strings.Join(slices.Sorted(slices.Values(typed)), "\n")
}

// chosenHosts are hosts as the form shows them that were chosen by their numbers.
func (w *Web) chosenHosts(ctx context.Context, ids []int64) (chosen []page.ChosenHost) {
	for _, h := range w.Fleet.Select(ctx, func(h *db.Host) bool { return slices.Contains(ids, h.ID) }) {
		chosen = append(chosen, chosenHost(&h.Host))
	}
	return chosen
}

func chosenHost(h *db.Host) page.ChosenHost {
	return page.ChosenHost{ID: h.ID, Name: h.Name, Address: h.Address, State: string(h.State)}
}

// formOfJob is the form that made a job.
func (w *Web) formOfJob(ctx context.Context, id string) (form page.WorkForm, leftOut []string, err error) {
	j, err := w.Jobs.Find(ctx, id)
	if err != nil {
		return form, nil, err
	}
	form, leftOut = formOf(&j.Payload)
	w.choose(ctx, &form, []int64{j.HostID})
	form.Uploads = pushed(j.Content)
	if j.Timeout > 0 {
		form.Timeout = strconv.Itoa(j.Timeout)
	}
	return form, leftOut, nil
}

// formOf is the form that made a job. Its environment may be secret: only the names of the variables are told.
func formOf(p *wire.Job) (form page.WorkForm, leftOut []string) {
	form = page.WorkForm{Name: p.Name, Action: p.Action, URL: p.URL, Checksum: p.Checksum, Version: p.Version, Definition: p.Definition}
	if e := p.Exec; e != nil {
		form.Script, form.Interpreter, form.User, form.Group, form.Directory = e.Script, e.Interpreter, e.User, e.Group, e.Directory
		if e.Script == "" {
			form.Script = shellWords(e.Command)
		}
	}
	if f := p.Push; f != nil {
		form.Path, form.Mode, form.Owner, form.Backup = f.Path, f.Mode, f.Owner, f.Backup
	}
	if f := p.Fetch; f != nil {
		form.Path = f.Path
	}
	if p.Action == wire.ActionRemoveAgent {
		form.Action = page.RemoveStop
		if p.Remove != nil && p.Remove.KeepChildren {
			form.Action = page.RemoveKeep
		}
	}
	fillLimits(&form, p.Limits)
	return form, slices.Sorted(maps.Keys(p.Envs))
}

// shellWords writes a command as a line of a script that means the same.
func shellWords(command []string) string {
	words := make([]string, len(command))
	for i, word := range command {
		words[i] = word
		if !plainWord.MatchString(word) {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// plainWord is a word that means itself in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./-]+$`)

func fillLimits(form *page.WorkForm, l *wire.Limits) {
	if l != nil {
		form.CPU, form.Memory, form.PIDs, form.Files = l.CPU, l.Memory, positive(l.PIDs), positive(l.Files)
	}
}

// formOfOperation is the form that made an operation, for the hosts of ?only=: those of its tasks that are not done, those
// of one group, or all.
func (w *Web) formOfOperation(c *gin.Context) (form page.WorkForm, leftOut []string, err error) {
	ctx := c.Request.Context()
	n, err := queryInt(c, "operation", 0, 1, 1<<62)
	if err != nil {
		return form, nil, err
	}
	o, err := w.DB.Operation(ctx, n)
	if err != nil {
		return form, nil, err
	}
	p := workParams(o)
	if againPath(p.Action) == "" {
		return form, nil, badQuery("operation", "this is not work on hosts that could be done again")
	}
	shared, err := w.DB.OperationJob(ctx, n)
	switch {
	case err == nil:
		form, leftOut = formOf(&shared.Payload)
		if shared.Payload.Timeout > 0 {
			form.Timeout = strconv.Itoa(shared.Payload.Timeout)
		}
	case !errors.Is(err, db.ErrNotFound): // what was to be done is forgotten after a while; the hosts are not
		return form, nil, err
	}
	form.Uploads, form.Parallel, form.Batch, form.StopAfter = pushed(p.Content), positive(o.Parallel), positive(o.Batch), positive(o.MaxFailures)
	form.Expires = positive(p.ExpiresIn)
	if p.Gone {
		form.Action = page.RemoveGone
	}
	ids, err := w.hostsOf(ctx, n, c.Query("only"))
	w.choose(ctx, &form, ids)
	return form, leftOut, err
}

func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// againPath is the form that makes an action; "" for those without one.
func againPath(action string) string {
	switch action {
	case wire.ActionUpgrade:
		return "/child-agents/new"
	case wire.ActionStart, wire.ActionStop, wire.ActionUninstall:
		return "/child-agents/manage"
	}
	for path, a := range workActions {
		if a == action {
			return path
		}
	}
	return ""
}

// onlyFailed means the tasks of an operation that have ended and are not done, but for those that somebody took out.
const onlyFailed = "failed"

// hostsOf are the hosts of an operation: all, or only those that are meant.
func (w *Web) hostsOf(ctx context.Context, operationID int64, only string) ([]int64, error) {
	if only != "" && only != onlyFailed {
		group, err := outcomeOf(only)
		if err != nil {
			return nil, err
		}
		return w.DB.OutcomeHosts(ctx, operationID, group)
	}
	tasks, err := w.DB.Tasks(ctx, operationID)
	var ids []int64
	for i := range tasks {
		if tasks[i].HostID != nil && (only == "" || tasks[i].State == db.Failed || tasks[i].State == db.Canceled) {
			ids = append(ids, *tasks[i].HostID)
		}
	}
	return ids, err
}

// outcomeKey names a group of an operation's jobs in an address.
func outcomeKey(g *outcomeReply) string {
	exit := ""
	if g.ExitCode != nil {
		exit = strconv.Itoa(*g.ExitCode)
	}
	return strings.Join([]string{string(g.State), strconv.Itoa(g.ErrCode), exit, g.OutputHash}, "~")
}

// outcomeOf reads what outcomeKey wrote.
func outcomeOf(key string) (db.Outcome, error) {
	parts := strings.Split(key, "~")
	if len(parts) != 4 {
		return db.Outcome{}, badQuery("only", "there is no such group")
	}
	g := db.Outcome{State: db.JobState(parts[0]), OutputHash: parts[3]}
	code, err := strconv.Atoi(parts[1])
	g.ErrCode = code
	if parts[2] != "" && err == nil {
		var exit int
		exit, err = strconv.Atoi(parts[2])
		g.ExitCode = &exit
	}
	if err != nil {
		return g, badQuery("only", "there is no such group")
	}
	return g, nil
}

// pushed is the file that a job or an operation pushed; none if it pushed none.
func pushed(content string) []page.Upload {
	if content == "" {
		return nil
	}
	return []page.Upload{{ID: content}}
}
