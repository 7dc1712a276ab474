// Package removal takes the agent off its host. A process of its own does that, because the agent ends on the way: it has been
// told all that it needs before anything is removed, runs the setup script's "uninstall", and tells the server how that
// ended. The package never decides whether to.
package removal

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hostler/agent/link"
	"hostler/agent/state"
	"hostler/agent/upgrade"
	"hostler/agent/wire"
)

// Argument is the agent's hidden command that makes it the process that removes it. The order comes on standard input.
const Argument = "remove-agent"

const (
	// failedFile says, in the job's directory, why the agent is still there.
	failedFile = "removal-failed"
	// tellFor is how long the server is told the end, should it not answer, and tellEvery how often.
	tellFor   = 10 * time.Minute
	tellEvery = 2 * time.Second
	// endMost is how long an agent may take to end that no service manager has ended.
	endMost = 10 * time.Second
	// maxOutput bounds what is remembered of what the script says, in bytes.
	maxOutput = 64 << 10
)

// Order is what the process is told. Nothing of it is on the disk: all that is there may go.
type Order struct {
	Job          string   `json:"job"`
	Dir          string   `json:"dir"`    // the job's
	Script       string   `json:"script"` // setup-agent.sh
	Arguments    []string `json:"arguments"`
	URL          string   `json:"url"` // that takes results
	Certificates [][]byte `json:"certificates"`
	Key          []byte   `json:"key"` // PKCS #8
	CAs          [][]byte `json:"cas"`
	PID          int      `json:"pid"` // the agent's
	Started      string   `json:"started"`
}

// Keep puts into the order who the agent is and whom it trusts.
func (o *Order) Keep(identity tls.Certificate, cas []*x509.Certificate) (err error) {
	o.Certificates = identity.Certificate
	if o.Key, err = x509.MarshalPKCS8PrivateKey(identity.PrivateKey); err != nil {
		return fmt.Errorf("cannot hand the key over: %w", err)
	}
	for _, ca := range cas {
		o.CAs = append(o.CAs, ca.Raw)
	}
	return nil
}

// Start starts the process. ended receives when it has ended, which the agent mostly does not live to see.
func (o *Order) Start() (ended <-chan error, err error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("cannot write the order: %w", err)
	}
	remover := exec.Command("/proc/self/exe", Argument) //nolint:noctx // it is to outlive every context
	remover.Args[0] = os.Args[0]
	remover.Dir = "/"
	remover.Stdin = bytes.NewReader(text)
	remover.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := remover.Start(); err != nil {
		return nil, fmt.Errorf("cannot start the agent's removal: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- remover.Wait() }()
	return done, nil
}

// Failed is why an earlier removal left the agent where it is; nil when there was none.
func Failed(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, failedFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read how the removal ended: %w", err)
	}
	return errors.New(string(text))
}

// Main is the process. What it is told is whole, or it does nothing: an agent that is killed while it tells it is still there.
func Main(ctx context.Context, in io.Reader, log *slog.Logger) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("cannot read the order: %w", err)
	}
	var o Order
	if err := json.Unmarshal(text, &o); err != nil {
		return fmt.Errorf("cannot read the order: %w", err)
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	began := time.Now()
	result := wire.JobResult{ID: o.Job, Message: "the agent is removed"}
	if err := o.uninstall(ctx); err != nil {
		log.Error("the agent is not removed", "error", err)
		result.ErrCode, result.Message = wire.ErrCodeFailed, err.Error()
		if err := o.restore(ctx, err); err != nil {
			result.Message += "; " + err.Error()
		}
	}
	result.Elapsed = max(1, time.Since(began).Milliseconds())
	return o.tell(ctx, client, result)
}

func (o *Order) client() (client *http.Client, err error) {
	key, err := x509.ParsePKCS8PrivateKey(o.Key)
	if err != nil {
		return nil, fmt.Errorf("cannot use the key: %w", err)
	}
	cas := make([]*x509.Certificate, len(o.CAs))
	for i, der := range o.CAs {
		if cas[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("cannot use the server's CA: %w", err)
		}
	}
	return link.NewClient(&tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: link.Pool(cas),
		Certificates: []tls.Certificate{{Certificate: o.Certificates, PrivateKey: key}},
	}), nil
}

// uninstall runs the script, and ends an agent that no service manager knew.
func (o *Order) uninstall(ctx context.Context) error {
	if err := o.run(ctx, append([]string{"uninstall"}, o.Arguments...)...); err != nil {
		return err
	}
	return o.end()
}

// run runs the script. It is an argument and no file: nothing of it is left behind.
func (o *Order) run(ctx context.Context, args ...string) error {
	script := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", o.Script, "setup-agent.sh"}, args...)...)
	script.Dir = "/"
	var said bytes.Buffer
	script.Stdout, script.Stderr = &said, &said
	err := script.Run()
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s (%w)", lastWords(said.Bytes()), err)
}

// lastWords is what the script says of its failure, or else its last line.
func lastWords(said []byte) string {
	lines := strings.Split(strings.TrimSpace(string(said[max(0, len(said)-maxOutput):])), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if _, cause, found := strings.Cut(lines[i], "hostler: error "); found {
			return cause
		}
	}
	return lines[len(lines)-1]
}

// end ends the agent that ordered this, should it live.
func (o *Order) end() error {
	lives := func() bool { return o.Started != "" && upgrade.StartTime(o.PID) == o.Started }
	if !lives() {
		return nil
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	signal := syscall.SIGTERM
	for deadline := time.Now().Add(endMost); lives(); <-tick.C {
		if time.Now().After(deadline) {
			signal = syscall.SIGKILL
		}
		if err := syscall.Kill(o.PID, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("cannot end the agent: %w", err)
		}
	}
	return nil
}

// restore has the agent go on that could not be removed, and tells it why it is still there.
func (o *Order) restore(ctx context.Context, cause error) error {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("cannot keep why the removal failed: %w", err)
	}
	if err := state.WriteFile(filepath.Join(o.Dir, failedFile), []byte(cause.Error()), 0o600); err != nil {
		return fmt.Errorf("cannot keep why the removal failed: %w", err)
	}
	if o.Started != "" && upgrade.StartTime(o.PID) == o.Started {
		return nil // nothing has ended it
	}
	if err := o.run(ctx, "start"); err != nil {
		return fmt.Errorf("the agent does not start again: %w", err)
	}
	return nil
}

// tell tells the server until it has taken it. What refuses the certificate has no more use for it.
func (o *Order) tell(ctx context.Context, client *http.Client, result wire.JobResult) error {
	ctx, cancel := context.WithTimeout(ctx, tellFor)
	defer cancel()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		var reply wire.ResultReply
		err := link.Post(ctx, client, o.URL, []wire.JobResult{result}, &reply)
		if err == nil && reply.ErrCode == 0 {
			return nil
		}
		if refusal, refused := link.AsRefusal(err); refused && refusal.Status < 500 {
			return fmt.Errorf("cannot tell the server: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}
