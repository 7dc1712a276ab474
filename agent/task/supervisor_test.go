package task

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"hostler/agent/ini"
	"hostler/agent/wire"
)

// children starts and stops what definitions say, and no more: what the jobs need of a supervisor.
type children struct {
	t   *testing.T
	dir string

	mu    sync.Mutex
	known map[string]*child
}

type child struct {
	file    *ini.File
	envs    map[string]string
	limits  *wire.Limits
	process *exec.Cmd
	ended   chan struct{}
	status  wire.ChildState
}

func newChildren(t *testing.T, dir string) *children {
	s := &children{t: t, dir: dir, known: map[string]*child{}}
	t.Cleanup(func() {
		for name := range maps.Clone(s.known) {
			s.Stop(context.Background(), name)
		}
	})
	return s
}

func (s *children) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]bool{}
	paths, _ := filepath.Glob(filepath.Join(s.dir, "*.ini"))
	for _, path := range paths {
		file, err := ini.Read(path)
		name := strings.TrimSuffix(filepath.Base(path), ".ini")
		if err != nil || file.Get("agent", "name").Text != name || !filepath.IsAbs(file.Get("agent", "command").Text) {
			continue
		}
		seen[name] = true
		if s.known[name] == nil {
			s.known[name] = &child{status: wire.ChildStopped}
		}
		s.known[name].file = file
	}
	maps.DeleteFunc(s.known, func(name string, _ *child) bool { return !seen[name] })
}

func (s *children) Children() (all []wire.ChildAgent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, c := range s.known {
		line := wire.ChildAgent{Name: name, Version: c.file.Get("agent", "version").Text, Status: c.status, Limits: c.limits}
		if c.status == wire.ChildRunning {
			line.PID, line.Ready = c.process.Process.Pid, c.file.Get("agent", "readiness").Text != "never"
		}
		all = append(all, line)
	}
	return all
}

func (s *children) Configure(name string, envs map[string]string, limits *wire.Limits) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limits != nil && limits.Memory == "plenty" {
		return errors.New("no such size")
	}
	if envs != nil {
		s.known[name].envs = envs
	}
	if limits != nil {
		s.known[name].limits = limits
	}
	return nil
}

func (s *children) Start(_ context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.known[name]
	if c.status == wire.ChildRunning {
		return nil
	}
	words := strings.Fields(c.file.Get("agent", "command").Text)
	c.process = exec.Command(words[0], words[1:]...)
	for key, value := range c.envs {
		c.process.Env = append(c.process.Env, key+"="+value)
	}
	if err := c.process.Start(); err != nil {
		return err
	}
	process, ended := c.process, make(chan struct{})
	c.ended, c.status = ended, wire.ChildRunning
	go func() {
		process.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.process == process && c.status == wire.ChildRunning {
			c.status = wire.ChildFatal
		}
		close(ended)
	}()
	return nil
}

func (s *children) Stop(_ context.Context, name string) error {
	s.mu.Lock()
	c := s.known[name]
	if c == nil || c.status != wire.ChildRunning {
		if c != nil {
			c.status = wire.ChildStopped
		}
		s.mu.Unlock()
		return nil
	}
	c.status = wire.ChildStopped
	c.process.Process.Kill()
	ended := c.ended
	s.mu.Unlock()
	<-ended
	return nil
}

func (s *children) Restart(ctx context.Context, name string) error {
	return errors.Join(s.Stop(ctx, name), s.Start(ctx, name))
}

func (s *children) Remove(ctx context.Context, name string) error { return s.Stop(ctx, name) }

func (s *children) LogPath(name string, stream wire.Stream) string {
	return filepath.Join(s.dir, name+"."+string(stream))
}

// one returns the child agent of that name as it is now.
func (s *children) one(name string) wire.ChildAgent {
	s.t.Helper()
	c, known := find(s, name)
	if !known {
		s.t.Errorf("there is no child agent %s", name)
	}
	return c
}

// isGone says whether there is no process of that number.
func isGone(pid int) bool {
	_, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid)))
	return err != nil
}
