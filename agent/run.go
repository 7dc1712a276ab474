package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"hostler/agent/logfile"
	"hostler/agent/settings"
	"hostler/agent/state"
	"hostler/agent/upgrade"
	"hostler/agent/wire"
)

// stopTimeout is how long the agent takes to stop at most; what has not ended by then is safe to cut off,
// because everything on the disk is replaced atomically.
const stopTimeout = 900 * time.Millisecond

// beSmall trades a little of the processor for memory. The live heap is about a megabyte and a heartbeat
// makes some 50 kB of garbage, so collecting at 1 MB instead of Go's 4 MB costs one collection of a millisecond
// in some minutes. The limit gives memory back that one large answer or job needed. Two processors bound
// what the runtime keeps for each of them on a machine with hundreds.
func beSmall() {
	debug.SetGCPercent(25)
	debug.SetMemoryLimit(10 << 20)
	runtime.GOMAXPROCS(min(2, runtime.NumCPU()))
}

func runCommand(args []string, _ io.Writer) error {
	current, err := readConfig("run", args)
	if err != nil {
		return err
	}
	if err := upgrade.Start(current.StateDir); err != nil {
		fmt.Fprintln(os.Stderr, "hostler-agent: an upgrade is under way, and what is to be done is not known:", err)
	}
	syscall.Umask(0o022) // other users pass through directories of the agent, whoever has started it
	beSmall()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	started := time.Now()
	for err == nil && current != nil {
		current, err = serve(current, started, signals)
	}
	return err
}

// serve runs the agent until a signal ends it or an upgrade replaces it. It returns the settings to go on with, nil
// to stop.
func serve(s *settings.Settings, started time.Time, signals <-chan os.Signal) (*settings.Settings, error) {
	log, file := openLog(s)
	if file != nil {
		defer func() { _ = file.Close() }() // it never fails to its writer either
	}
	store, damage, err := state.Open(s.StateDir)
	if err != nil {
		log.Error("the agent cannot start", "error", err)
		return nil, err
	}
	defer func() { _ = store.Close() }() // the kernel gives the lock up in any case
	if damage != nil {
		log.Error("remembered settings are damaged; the agent starts without them", "error", damage)
	}
	for _, key := range s.Unknown {
		log.Warn("a setting is not known and not used", "file", s.Path, "setting", key)
	}
	log.Info("agent started", "version", version, "pid", os.Getpid(), "hostname", s.Hostname, "server", s.Host)
	store.Note(func(status *state.Status) { status.PID, status.Version = os.Getpid(), version })

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done, become := make(chan error, 1), make(chan string, 1)
	w, err := newWorker(s, store, started, become, log)
	if err != nil {
		log.Error("the agent cannot start", "error", err)
		return nil, err
	}
	go func() { defer close(done); done <- w.work(ctx) }()
	end, err := w.await(done, signals, become)
	if err != nil {
		log.Error("the agent cannot go on", "error", err)
		return nil, err
	}
	if end.again == nil && end.become == "" {
		halt(w.children, log)
		watchdog := time.AfterFunc(stopTimeout, func() { os.Exit(0) })
		defer watchdog.Stop()
	}
	cancel()
	<-done
	if end.become == "" {
		log.Info("agent stopped", "restarts", end.again != nil)
		return end.again, nil
	}
	log.Info("the agent becomes another version", "binary", end.become)
	log.Error("the agent goes on as it is", "error", upgrade.Exec(end.become))
	return s, nil
}

// ending is why the work ends, which is not for an error.
type ending struct {
	again  *settings.Settings // to go on with; nil: not for that
	become string             // the binary that takes this one's place; "": not for that
}

// await waits for the work to fail, for a signal to stop it, which may bring settings to go on with, or for an
// upgrade.
func (w *worker) await(done <-chan error, signals <-chan os.Signal, become <-chan string) (ending, error) {
	for {
		select {
		case err := <-done:
			return ending{}, err
		case binary := <-become:
			return ending{become: binary}, nil
		case received := <-signals:
			if received != syscall.SIGHUP {
				return ending{}, nil
			}
			again, err := settings.Read(w.settings.Path)
			if err == nil {
				return ending{again: again}, nil
			}
			w.log.Error("the new configuration is wrong; the agent goes on with the former", "error", err)
			w.events.Emit(wire.ConfigRefused(w.settings.Path, err, true))
		}
	}
}

// openLog logs to the file, and to a terminal as well where there is one. Under systemd there is none, and the
// journal would only hold everything twice. Without a file (nil) there is still standard error.
func openLog(s *settings.Settings) (*slog.Logger, *logfile.File) {
	file, err := logfile.Open(s.LogFile, s.LogSize, s.LogCount)
	if err != nil {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		log.Error("there is no log file", "error", err)
		return log, nil
	}
	var to io.Writer = file
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		to = io.MultiWriter(file, os.Stderr)
	}
	return slog.New(slog.NewTextHandler(to, nil)), file
}
