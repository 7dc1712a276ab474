package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hostler/server/client"
)

// Local is a running "hostler serve" on this machine, without a lab.
type Local struct {
	Base      string // of pages and API
	Handshake string // address of the enrolment port
	Secured   string // address of the port of enrolled agents
	CA        []byte
	PID       int
	API       *client.Client

	cmd *exec.Cmd
	log bytes.Buffer
}

// StartLocal starts the built server on free ports, with its data in dir, and waits until it is ready. database is the URL of its
// database; "" stands for its own in dir.
func StartLocal(ctx context.Context, dir, database string) (*Local, error) {
	ports, err := freePorts(ctx, 3)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	where := []string{"--data", data}
	if database != "" {
		where = append(where, "--db", database)
	}
	s := &Local{Base: "http://" + ports[0], Handshake: ports[1], Secured: ports[2]}
	s.cmd = exec.CommandContext(ctx, Program("hostler"), append([]string{
		"serve", "--advertise", "127.0.0.1", "--log-level", "warn",
		"--listen", ports[0], "--handshake", s.Handshake, "--secured", s.Secured,
	}, where...)...)
	s.cmd.Stderr = &s.log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.PID = s.cmd.Process.Pid
	if err := s.open(ctx, data, where); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%w\n%s", err, s.log.String())
	}
	return s, nil
}

func (s *Local) open(ctx context.Context, data string, where []string) error {
	if err := s.ready(ctx, data); err != nil {
		return err
	}
	token, err := exec.CommandContext(ctx, Program("hostler"), append([]string{"token", "create", "bench"}, where...)...).Output()
	if err != nil {
		return fmt.Errorf("cannot make a token: %w", err)
	}
	if s.API, err = client.New(s.Base, strings.TrimSpace(string(token)), ""); err != nil {
		return err
	}
	s.CA, err = os.ReadFile(filepath.Join(data, "ca", "ca.pem"))
	return err
}

// ready waits until the server answers, and until it has packed the agents: that is the work of a first start.
func (s *Local) ready(ctx context.Context, data string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(pollEach)
	defer tick.Stop()
	for {
		err := s.answers(ctx)
		if err == nil {
			var published bool
			if published, err = Published(data); published {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

func (s *Local) answers(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base+"/readyz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_ = answer.Body.Close() // only its status counts
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", answer.Status)
	}
	return nil
}

// Stop ends it.
func (s *Local) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait() // it was told to end
}

// freePorts finds addresses that nobody listens on now.
func freePorts(ctx context.Context, n int) ([]string, error) {
	var found []string
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all at once, or one would be found twice
		found = append(found, l.Addr().String())
	}
	return found, nil
}
