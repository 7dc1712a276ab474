package trust

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hostler/db"
)

// Bounds of the program that decides.
const (
	programTime    = 10 * time.Second
	programOutput  = 4 << 10 // bytes that are kept of what it says
	programsAtOnce = 4       // others wait for a place, as long as the program might take
)

// SignRuleRequest asks for a rule.
type SignRuleRequest struct {
	Host     string `json:"host"`               // a host name or a pattern: "*.example"
	Networks string `json:"networks,omitempty"` // address ranges, separated by commas
	Note     string `json:"note,omitempty"`
}

// NewSignRule makes a rule: hosts without a token that it matches are signed at once. What is wrong with the request is a
// *FieldError.
func (c *CA) NewSignRule(ctx context.Context, r SignRuleRequest, by string) (*db.SignRule, error) {
	rule := &db.SignRule{Note: r.Note, CreatedBy: by, CreatedAt: c.now()}
	var err error
	if rule.Host, err = parseHosts(r.Host); err != nil {
		return nil, &FieldError{Field: "host", Code: "enrol_host", Message: err.Error()}
	}
	if rule.Host == "" {
		return nil, &FieldError{Field: "host", Code: "required", Message: "say which names it is for"}
	}
	if rule.Networks, err = parseNetworks(r.Networks); err != nil {
		return nil, &FieldError{Field: "networks", Code: "enrol_networks", Message: err.Error()}
	}
	if len(r.Note) > maxTokenText {
		return nil, &FieldError{Field: "note", Code: "enrol_text", Message: fmt.Sprintf("this has more than %d bytes", maxTokenText)}
	}
	err = c.db.CreateSignRule(ctx, rule)
	if errors.Is(err, db.ErrDuplicate) {
		return nil, &FieldError{Field: "host", Code: "enrol_rules", Message: fmt.Sprintf("there are %d rules already: remove one", db.MaxSignRules)}
	}
	return rule, err
}

// Verdict is what a rule or the program said of a host that came without a token.
type Verdict struct {
	Request *db.EnrolRequest
	By      string // "rule:3", or "program"
	Signed  bool
	Output  string // what the program said, or why it said nothing
}

// OnVerdict calls fn with each verdict. Call it before anything is served.
func (c *CA) OnVerdict(fn func(ctx context.Context, v Verdict)) { c.told = fn }

// SetProgram has a program decide on hosts that no rule matches: its argument is the host's name, on standard input is the
// certificate request in PEM, and it signs by exiting with 0. Only who runs the server may be able to change it.
func (c *CA) SetProgram(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return fmt.Errorf("cannot use the program that decides on enrolments: %w", err)
	case !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		return fmt.Errorf("cannot use the program that decides on enrolments: %s is not executable", path)
	case info.Mode()&0o022 != 0:
		return fmt.Errorf("cannot use the program that decides on enrolments: others than its owner may change %s", path)
	}
	c.program, c.programs = path, make(chan struct{}, programsAtOnce)
	return nil
}

// Program is the program that decides; "" when there is none.
func (c *CA) Program() string { return c.program }

// ruleFor finds the rule that signs a host; nil when none does.
func (c *CA) ruleFor(ctx context.Context, hostname string, from netip.Addr) (*db.SignRule, error) {
	rules, err := c.db.SignRules(ctx)
	if err != nil {
		return nil, err
	}
	for i := range rules {
		if r := &rules[i]; r.Host != "" && matchHost(r.Host, hostname) && matchNetwork(r.Networks, from) {
			return r, nil
		}
	}
	return nil, nil
}

// autosign decides on a host that has just come and is in nobody's way, and reports whether it is signed. No lock is held:
// the program takes its time.
func (c *CA) autosign(ctx context.Context, q *db.EnrolRequest, from netip.Addr) (bool, error) {
	rule, err := c.ruleFor(ctx, q.Hostname, from)
	if err != nil {
		return false, err
	}
	v := Verdict{Request: q}
	switch {
	case rule != nil:
		v.By, v.Signed = "rule:"+strconv.FormatInt(rule.ID, 10), true
	case c.program != "":
		v.By = "program"
		v.Signed, v.Output = c.ask(ctx, q)
	default:
		return false, nil
	}
	if v.Signed {
		signed, err := c.signAmongOthers(ctx, q.ID, v.By)
		if err != nil {
			return false, err
		}
		v.Signed = signed
	}
	c.told(ctx, v)
	return v.Signed, nil
}

// signAmongOthers signs one request as if all were: a host that claims another's name meanwhile is left.
func (c *CA) signAmongOthers(ctx context.Context, id int64, by string) (bool, error) {
	c.admitting.Lock()
	defer c.admitting.Unlock()
	requests, err := c.db.ChosenEnrolRequests(ctx, db.EnrolChoice{IDs: []int64{id}}, 0, 1)
	if err != nil || len(requests) == 0 {
		return false, err
	}
	if requests, err = c.withoutConflict(ctx, requests); err != nil {
		return false, err
	}
	signed, err := c.signThese(ctx, requests, false, by)
	return len(signed) == 1, err
}

// ask runs the program. What it says is kept in part, and nothing that it does can keep it running.
func (c *CA) ask(ctx context.Context, q *db.EnrolRequest) (signed bool, output string) {
	ctx, cancel := context.WithTimeout(ctx, c.programTime)
	defer cancel()
	select {
	case c.programs <- struct{}{}:
		defer func() { <-c.programs }()
	case <-ctx.Done():
		return false, "not asked: it was busy with other hosts for " + c.programTime.String()
	}
	var out limited
	p := exec.CommandContext(ctx, c.program, q.Hostname)
	p.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "HOSTLER_ADDRESS=" + q.Address, "HOSTLER_FINGERPRINT=" + q.KeyHash}
	p.Stdin, p.Stdout, p.Stderr = strings.NewReader(q.CSR), &out, &out
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.Cancel = func() error { return syscall.Kill(-p.Process.Pid, syscall.SIGKILL) }
	p.WaitDelay = time.Second // for what left its group and has its output open
	err := p.Run()
	output = strings.ToValidUTF8(strings.TrimSpace(out.String()), "?")
	var exit *exec.ExitError
	switch {
	case err == nil:
		return true, output
	case ctx.Err() != nil:
		return false, strings.TrimSpace(output + " [it took longer than " + c.programTime.String() + "]")
	case errors.As(err, &exit):
		return false, output
	case errors.Is(err, fs.ErrNotExist):
		return false, "the program is gone"
	}
	return false, strings.TrimSpace(output + " [" + err.Error() + "]")
}

// limited keeps the beginning of what is written.
type limited struct{ b bytes.Buffer }

// Write implements io.Writer; it takes everything.
func (l *limited) Write(p []byte) (int, error) {
	if room := programOutput - l.b.Len(); room > 0 {
		l.b.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (l *limited) String() string { return l.b.String() }
