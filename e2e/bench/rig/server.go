package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	listen = "127.0.0.1:8080"
	// Site is where the pages are, in the lab's network.
	Site     = "http://" + listen
	pollEach = 50 * time.Millisecond
	patience = 3 * time.Minute
)

// Server is a running "hostler serve" in a lab.
type Server struct {
	Lab   *lab.Lab
	Data  string        // its data directory
	Ready time.Duration // from the start of the process to readiness

	args  []string
	token string
	cmd   *exec.Cmd
	log   bytes.Buffer
	http  *http.Client
}

// StartServer starts the built server and waits until it is ready.
func StartServer(ctx context.Context, l *lab.Lab, dir string, args ...string) (*Server, error) {
	return StartProgram(ctx, Program("hostler"), l, dir, args...)
}

// StartProgram is StartServer with another binary.
func StartProgram(ctx context.Context, program string, l *lab.Lab, dir string, args ...string) (*Server, error) {
	s := &Server{Lab: l, Data: filepath.Join(dir, "data"), http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: l.Dial}}}
	s.args = append([]string{"serve", "--data", s.Data, "--listen", listen, "--advertise", l.Server.Name, "--log-level", "warn"}, args...)
	if err := s.start(ctx, program); err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, program, "token", "create", "bench", "--data", s.Data).Output()
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("cannot make a token: %w", err)
	}
	s.token = strings.TrimSpace(string(out))
	return s, nil
}

// Become ends the server and starts another binary on the same data.
func (s *Server) Become(ctx context.Context, program string) error {
	s.Stop()
	s.http.CloseIdleConnections()
	return s.start(ctx, program)
}

// Kill ends the server as a loss of power would, and starts a binary on what it has left.
func (s *Server) Kill(ctx context.Context, program string) error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = s.cmd.Wait() // it was killed
	s.http.CloseIdleConnections()
	return s.start(ctx, program)
}

func (s *Server) start(ctx context.Context, program string) error {
	s.cmd = s.Lab.Command(ctx, program, s.args...)
	s.cmd.Stderr = &s.log
	started := time.Now()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	var last error
	if err := s.Until(ctx, "ready", func() (bool, error) { last = s.Call(ctx, http.MethodGet, "/readyz", nil, nil); return last == nil, nil }); err != nil {
		s.Stop()
		return errors.Join(err, last)
	}
	s.Ready = time.Since(started)
	return nil
}

// Stop ends the server and waits for it.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}

// Published waits until the server has built and published the agent's packages, which it does beside its first work.
func (s *Server) Published(ctx context.Context) error {
	return s.Until(ctx, "done with the agent's packages", func() (bool, error) { return Published(s.Data) })
}

// Published says whether the server with that data directory has published the agent's packages.
func Published(data string) (bool, error) {
	for _, r := range []string{"apt", "yum", "static"} {
		_, err := os.Stat(filepath.Join(data, "repo", "repositories", r, "channels", "stable", "current"))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// Dial connects to a port of the server in the lab, whatever name it is called by.
func (s *Server) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return s.Lab.Dial(ctx, network, net.JoinHostPort(s.Lab.Server.Address.String(), port))
}

// Bootstrap starts one on hosts given as a pattern and returns the operation.
func (s *Server) Bootstrap(ctx context.Context, hosts string) (int64, error) {
	return s.overSSH(ctx, "/api/v1/bootstraps", hosts)
}

// Check starts a check of the connections to hosts given as a pattern and returns the operation.
func (s *Server) Check(ctx context.Context, hosts string) (int64, error) {
	return s.overSSH(ctx, "/api/v1/checks", hosts)
}

func (s *Server) overSSH(ctx context.Context, path, hosts string) (int64, error) {
	key, err := os.ReadFile(s.Lab.Keys["ed25519"])
	if err != nil {
		return 0, err
	}
	in := map[string]any{"hosts": hosts, "ssh": map[string]any{"user": "root", "private_key": string(key)}}
	var out struct {
		OperationID int64 `json:"operation_id"`
	}
	err = s.Call(ctx, http.MethodPost, path, in, &out)
	return out.OperationID, err
}

// Operation is the part of the API's answer that is needed here.
type Operation struct {
	State string `json:"state"`
	Tasks []struct {
		ID    int64           `json:"id"`
		Name  string          `json:"name"`
		State string          `json:"state"`
		Error json.RawMessage `json:"error"`
	} `json:"tasks"`
}

// Operation reads an operation.
func (s *Server) Operation(ctx context.Context, id int64) (Operation, error) {
	var o Operation
	err := s.Call(ctx, http.MethodGet, fmt.Sprintf("/api/v1/operations/%d", id), nil, &o)
	return o, err
}

// Await polls until the newest operation, which has the id, is done; a failed one is an error that says why. It asks for
// the state alone: reading hundreds of tasks again and again would be part of what is measured.
func (s *Server) Await(ctx context.Context, id int64) error {
	return s.Until(ctx, "done", func() (bool, error) {
		var newest struct {
			Items []Operation `json:"items"`
		}
		err := s.Call(ctx, http.MethodGet, "/api/v1/operations?limit=1", nil, &newest)
		if err != nil || newest.Items[0].State == "pending" || newest.Items[0].State == "running" {
			return false, err
		}
		if newest.Items[0].State == "done" {
			return true, nil
		}
		o, err := s.Operation(ctx, id)
		if err != nil {
			return false, err
		}
		for _, t := range o.Tasks {
			if t.State != "done" {
				return false, fmt.Errorf("%s is %s: %s", t.Name, t.State, t.Error)
			}
		}
		return false, fmt.Errorf("the operation is %s", o.State)
	})
}

// Until asks again and again until something is reached or fails, for a while at most.
func (s *Server) Until(ctx context.Context, what string, reached func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
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

// Call is one call of the API; in and out are JSON, or nil. A *[]byte gets the answer as it is.
func (s *Server) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, Site+path, body)
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
	if raw, ok := out.(*[]byte); ok {
		*raw = text
		return nil
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// PID is the server's process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// CPU is what the server has used of the processor so far, in seconds.
func (s *Server) CPU() float64 { return ProcessCPU(s.PID()) }
