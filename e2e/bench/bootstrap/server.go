package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hostler/e2e/lab"
)

const (
	listen   = "127.0.0.1:8080"
	pollEach = 20 * time.Millisecond
)

// server is a running "hostler serve" in a lab.
type server struct {
	lab   *lab.Lab
	data  string
	token string
	cmd   *exec.Cmd
	log   bytes.Buffer
	http  *http.Client
	ready time.Duration // from the start of the process to readiness
}

// startServer starts the built server and waits until it is ready.
func startServer(ctx context.Context, l *lab.Lab, dir string, args ...string) (*server, error) {
	s := &server{lab: l, data: filepath.Join(dir, "data"), http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: l.Dial}}}
	args = append([]string{"serve", "--data", s.data, "--listen", listen, "--advertise", l.Server.Name, "--log-level", "warn"}, args...)
	s.cmd = l.Command(ctx, program("hostler"), args...)
	s.cmd.Stderr = &s.log
	started := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	var last error
	if err := s.until(ctx, "ready", func() (bool, error) { last = s.call(ctx, http.MethodGet, "/readyz", nil, nil); return last == nil, nil }); err != nil {
		s.stop()
		return nil, errors.Join(err, last)
	}
	s.ready = time.Since(started)
	out, err := exec.CommandContext(ctx, program("hostler"), "token", "create", "bench", "--data", s.data).Output()
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("cannot make a token: %w", err)
	}
	s.token = strings.TrimSpace(string(out))
	return s, nil
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// dial connects to a port of the server in the lab, whatever name it is called by.
func (s *server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return s.lab.Dial(ctx, network, net.JoinHostPort(s.lab.Server.Address.String(), port))
}

// bootstrap starts one on hosts given as a pattern and returns the operation.
func (s *server) bootstrap(ctx context.Context, hosts string) (int64, error) {
	key, err := os.ReadFile(s.lab.Keys["ed25519"])
	if err != nil {
		return 0, err
	}
	in := map[string]any{"hosts": hosts, "ssh": map[string]any{"user": "root", "private_key": string(key)}}
	var out struct {
		OperationID int64 `json:"operation_id"`
	}
	err = s.call(ctx, http.MethodPost, "/api/v1/bootstraps", in, &out)
	return out.OperationID, err
}

// operation is the part of the API's answer that is needed here.
type operation struct {
	State string `json:"state"`
	Tasks []struct {
		ID    int64           `json:"id"`
		Name  string          `json:"name"`
		State string          `json:"state"`
		Error json.RawMessage `json:"error"`
	} `json:"tasks"`
}

func (s *server) operation(ctx context.Context, id int64) (operation, error) {
	var o operation
	err := s.call(ctx, http.MethodGet, fmt.Sprintf("/api/v1/operations/%d", id), nil, &o)
	return o, err
}

// await polls until the operation is done; a failed one is an error that says why.
func (s *server) await(ctx context.Context, id int64) error {
	return s.until(ctx, "done", func() (bool, error) {
		o, err := s.operation(ctx, id)
		if err != nil || o.State == "pending" || o.State == "running" {
			return false, err
		}
		if o.State == "done" {
			return true, nil
		}
		for _, t := range o.Tasks {
			if t.State != "done" {
				return false, fmt.Errorf("%s is %s: %s", t.Name, t.State, t.Error)
			}
		}
		return false, fmt.Errorf("the operation is %s", o.State)
	})
}

func (s *server) until(ctx context.Context, what string, reached func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(pollEach)
	defer tick.Stop()
	for {
		ok, err := reached()
		if ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the server was not %s in time: %w\n%s", what, ctx.Err(), s.log.String())
		}
	}
}

func (s *server) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+listen+path, body)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
