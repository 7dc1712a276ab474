// Command jobs measures, on a lab host with the installed agent, how long a command takes from the call of the API
// until its result is there: with the wake channel, and without it. The peer is ssh to the same host. "make
// bench-agent" builds what it needs and calls it as root.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"hostler/e2e/bench/rig"
	"hostler/e2e/lab"
)

const (
	rounds = 20
	step   = 2 // seconds between heartbeats
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var rows []rig.Row
	err := rig.WithLab(ctx, lab.Options{Name: "bench-jobs", Count: 1}, func(l *lab.Lab, dir string) (err error) {
		rows, err = measure(ctx, l, dir)
		return err
	})
	if err != nil {
		return err
	}
	return rig.Print(os.Stdout, rounds, rows, rig.InLab)
}

func measure(ctx context.Context, l *lab.Lab, dir string) ([]rig.Row, error) {
	s, err := rig.StartServer(ctx, l, dir, "--step", fmt.Sprintf("%ds", step))
	if err != nil {
		return nil, err
	}
	defer s.Stop()
	host := l.Hosts[0]
	id, err := s.Bootstrap(ctx, host.Name)
	if err != nil {
		return nil, err
	}
	if err := s.Await(ctx, id); err != nil {
		return nil, err
	}
	woken, err := times(func() error { return command(ctx, s, host.Name) })
	if err != nil {
		return nil, err
	}
	peer, err := times(func() error {
		_, err := rig.SSH(ctx, l, host.Name, "true")
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := withoutWake(ctx, host); err != nil {
		return nil, err
	}
	plain, err := times(func() error { return command(ctx, s, host.Name) })
	if err != nil {
		return nil, err
	}
	return []rig.Row{
		{What: "command to an idle host, result known", Got: rig.Seconds(woken), Wanted: "1 s", Peer: "ssh host true: " + rig.Seconds(peer)},
		{What: fmt.Sprintf("  without the wake channel, step %d s", step), Got: rig.Seconds(plain), Wanted: "one step"},
	}, nil
}

// times takes the time of each round, in seconds, after one that warms everything up.
func times(do func() error) ([]float64, error) {
	if err := do(); err != nil {
		return nil, err
	}
	var took []float64
	for range rounds {
		started := time.Now()
		if err := do(); err != nil {
			return nil, err
		}
		took = append(took, time.Since(started).Seconds())
	}
	return took, nil
}

// command runs one that does nothing and waits for its result.
func command(ctx context.Context, s *rig.Server, host string) error {
	in := map[string]any{"targets": map[string]any{"hosts": host}, "exec": map[string]any{"command": []string{"true"}}}
	var started struct {
		OperationID int64 `json:"operation_id"`
	}
	if err := s.Call(ctx, http.MethodPost, "/api/v1/commands", in, &started); err != nil {
		return err
	}
	return s.Await(ctx, started.OperationID)
}

// withoutWake makes the agent of a host go by its heartbeats alone.
func withoutWake(ctx context.Context, host *lab.Host) error {
	const script = `sed -i 's/^\[agent\]$/[agent]\nwake = no/' /etc/hostler-agent/agent.ini && grep -q '^wake = no' /etc/hostler-agent/agent.ini &&
systemctl restart hostler-agent`
	out, err := host.Exec(ctx, "sh", "-c", script)
	if err != nil {
		return fmt.Errorf("cannot take the wake channel away: %w\n%s", err, strings.TrimSpace(out))
	}
	return nil
}
