package supervise

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"syscall"
	"time"
)

// Readiness says how one sees that a child agent is of use.
type Readiness struct {
	Kind    string        // "none" (or ""), "delay", "tcp", "http", "command"
	Delay   time.Duration // delay: it is ready when it has run that long
	Address string        // tcp: "host:port" takes a connection
	URL     string        // http: GET is answered with a status below 400
	Command []string      // command: ends with 0; it runs as the child agent does
	Every   time.Duration // between tries
	Within  time.Duration // then it counts as not ready; it goes on running
}

// tryMost bounds one try.
const tryMost = 10 * time.Second

func (r *Readiness) check() error {
	missing := ""
	switch r.Kind {
	case "", "none", "delay":
	case "tcp":
		if _, _, err := net.SplitHostPort(r.Address); err != nil {
			missing = "address must be host:port"
		}
	case "http":
		if u, err := url.Parse(r.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			missing = "url must be one of http or https"
		}
	case "command":
		if len(r.Command) == 0 {
			missing = "command is missing"
		}
	default:
		missing = fmt.Sprintf("kind must be none, delay, tcp, http or command, not %.40q", r.Kind)
	}
	if missing == "" && r.Every <= 0 {
		missing = "every must be more than 0"
	}
	if missing != "" {
		return errors.New("[ready]: " + missing)
	}
	return nil
}

// await tries until it is ready; the error says how the last try failed.
func (r *Readiness) await(ctx context.Context, at *place) error {
	if r.Kind == "delay" {
		return pause(ctx, r.Delay)
	}
	end := time.Now().Add(r.Within)
	for {
		err := r.try(ctx, at)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("not ready after %v: %w", r.Within, err)
		}
		if err := pause(ctx, r.Every); err != nil {
			return err
		}
	}
}

func (r *Readiness) try(ctx context.Context, at *place) error {
	ctx, cancel := context.WithTimeout(ctx, tryMost)
	defer cancel()
	switch r.Kind {
	case "tcp":
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", r.Address)
		if err != nil {
			return err
		}
		return connection.Close()
	case "http":
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
		if err != nil {
			return err
		}
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
		if err != nil {
			return err
		}
		if answer.StatusCode >= http.StatusBadRequest {
			err = errors.New("the answer is " + answer.Status)
		}
		return errors.Join(err, answer.Body.Close())
	case "command":
		command := exec.CommandContext(ctx, r.Command[0], r.Command[1:]...)
		command.Dir, command.Env = at.directory, at.environment
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: at.who.Credential()}
		command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
		return command.Run()
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
