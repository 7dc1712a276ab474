package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"hostler/db"
	"hostler/e2e/bench/rig"
	"hostler/e2e/lab"
	"hostler/e2e/swarm"
	"hostler/internal/seal"
	"hostler/server/trust"
)

type forty struct{ wall, cpu, sshWall, sshCPU float64 }

// roundOfForty bootstraps forty names of four hosts with a setup script that does nothing. All phases run;
// the agents, which nobody installs, are played by a swarm that enrols with tokens minted for the tasks.
func roundOfForty(ctx context.Context) (f forty, err error) {
	err = rig.WithLab(ctx, lab.Options{Name: "bench", Count: 4, Aliases: 10}, func(l *lab.Lab, dir string) error {
		script := filepath.Join(dir, "empty.sh")
		if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600); err != nil {
			return err
		}
		s, err := rig.StartServer(ctx, l, dir, "--setup-script", script)
		if err != nil {
			return err
		}
		defer s.Stop()
		before, started := s.CPU(), time.Now()
		id, err := s.Bootstrap(ctx, "node[1-4]-a[1-10].lab.test")
		if err != nil {
			return err
		}
		if err := playAgents(ctx, s, id); err != nil {
			return err
		}
		f.wall, f.cpu = time.Since(started).Seconds(), s.CPU()-before
		var targets []string
		for _, h := range l.Hosts {
			targets = append(targets, h.Aliases...)
		}
		f.sshWall, f.sshCPU, err = bareSSH(ctx, l, targets)
		return err
	})
	return f, err
}

// playAgents joins one agent per task, lets all beat until the operation is done, and returns then.
func playAgents(ctx context.Context, s *rig.Server, id int64) (err error) {
	o, err := s.Operation(ctx, id)
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, "sqlite:"+filepath.Join(s.Data, "hostler.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	dir := filepath.Join(s.Data, "ca")
	master, err := seal.Source{Environ: os.LookupEnv, Kept: filepath.Join(s.Data, "master.key")}.Find()
	if err != nil {
		return err
	}
	ca, err := trust.OpenCA(d, dir, master, db.Now)
	if err != nil {
		return err
	}
	beat, stop := context.WithCancel(ctx)
	var agents sync.WaitGroup
	defer agents.Wait()
	defer stop()
	where := swarm.Server{Name: s.Lab.Server.Name, Handshake: 8440, Secured: 8441, CA: ca.PEM(), Dial: s.Dial}
	failed := make(chan error, len(o.Tasks))
	for _, t := range o.Tasks {
		token, err := ca.MintToken(ctx, trust.TokenSpec{Hostname: t.Name, TaskID: &t.ID, Uses: 1, Lifetime: time.Minute})
		if err != nil {
			return err
		}
		agents.Go(func() {
			if err := beatUntil(beat, where, t.Name, token); err != nil {
				failed <- fmt.Errorf("%s: %w", t.Name, err)
			}
		})
	}
	return s.Until(ctx, "done", func() (bool, error) {
		select {
		case err := <-failed:
			return false, err
		default:
		}
		o, err := s.Operation(ctx, id)
		if err != nil || o.State == "running" || o.State == "pending" {
			return false, err
		}
		return true, s.Await(ctx, id)
	})
}

func beatUntil(ctx context.Context, s swarm.Server, name, token string) error {
	a, err := swarm.Join(ctx, s, name, token)
	if err != nil {
		return err
	}
	defer a.Close()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := a.Beat(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
