// Command agent measures what an agent with ten child agents costs and how soon it starts one again, on a lab host, and
// prints it beside supervisor, monit and runit, which run on this machine in the same run. "make bench-agent" builds what
// it needs and calls it as root.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hostler/e2e/bench/rig"
	"hostler/e2e/lab"
)

const (
	children = 10
	rounds   = 20          // of restarts
	idle     = time.Minute // of watching what an idle supervisor uses
	wait     = 30 * time.Second
)

// figures is what one supervisor costs.
type figures struct {
	memory  int64 // bytes resident
	cpu     float64
	restart []float64 // seconds from the kill to the first instruction of the new process
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var own figures
	var chatty float64
	err := rig.WithLab(ctx, lab.Options{Name: "bench-agent", Count: 1}, func(l *lab.Lab, dir string) (err error) {
		own, chatty, err = measureAgent(ctx, l, dir)
		return err
	})
	if err != nil {
		return err
	}
	rows := []rig.Row{
		{What: fmt.Sprintf("agent, RSS with %d children", children), Got: rig.Megabytes(own.memory), Wanted: "10 MB"},
		{What: "agent, CPU idle, step 10 s", Got: percent(own.cpu), Wanted: "0.1 %"},
		{What: "agent, CPU while a child writes 10,000 lines/s", Got: percent(chatty), Wanted: "1 %"},
		{What: "agent, kill -9 of a child to running again", Got: milliseconds(own.restart), Wanted: "10 ms"},
	}
	for _, arch := range []string{"amd64", "arm64"} {
		info, err := os.Stat("repo/agentbin/dist/hostler-agent-linux-" + arch)
		if err != nil {
			return err
		}
		rows = append(rows, rig.Row{What: "agent, binary for " + arch, Got: fmt.Sprintf("%.3f MB", float64(info.Size())/1e6), Wanted: "8 MB"})
	}
	for _, p := range peers {
		f, err := p.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		rows[0].Peer += p.name + " " + rig.Megabytes(f.memory) + "  "
		rows[1].Peer += p.name + " " + percent(f.cpu) + "  "
		rows[3].Peer += p.name + " " + milliseconds(f.restart) + "  "
	}
	return rig.Print(os.Stdout, rounds, rows, rig.InLab)
}

func percent(share float64) string { return fmt.Sprintf("%.2f %%", share*100) }

func milliseconds(values []float64) string {
	return fmt.Sprintf("%.1f ms", rig.Median(values)*1000)
}

// child is a program that notes when it has begun, in nanoseconds, and then does nothing.
const child = `date +%s%N >>STARTS; exec sleep 100000`

func measureAgent(ctx context.Context, l *lab.Lab, dir string) (f figures, chatty float64, err error) {
	s, err := rig.StartServer(ctx, l, dir)
	if err != nil {
		return f, 0, err
	}
	defer s.Stop()
	host := l.Hosts[0]
	id, err := s.Bootstrap(ctx, host.Name)
	if err != nil {
		return f, 0, err
	}
	if err := s.Await(ctx, id); err != nil {
		return f, 0, err
	}
	sh := func(script string) (string, error) { return host.Exec(ctx, "sh", "-euc", script) }
	if _, err := sh(definitions()); err != nil {
		return f, 0, err
	}
	starts := func() ([]int64, error) { return numbers(sh("cat /tmp/starts-1 2>/dev/null || :")) }
	if err := until(ctx, func() (bool, error) { n, err := starts(); return len(n) > 0, err }); err != nil {
		return f, 0, fmt.Errorf("the child agents do not start: %w", err)
	}
	share, memory, err := watchAgent(ctx, sh)
	if err != nil {
		return f, 0, err
	}
	f.cpu, f.memory = share, memory
	f.restart, err = restarts(ctx, func() (int64, error) {
		pid, err := killed()
		if err != nil {
			return 0, err
		}
		return kill(pid)
	}, starts)
	if err != nil {
		return f, 0, err
	}
	if _, err := sh(chattyDefinition); err != nil {
		return f, 0, err
	}
	if err := until(ctx, func() (bool, error) {
		out, err := sh("pgrep -fc '[s]eq 1000' || :") // the loop: what it starts is gone at once
		return strings.TrimSpace(out) != "0", err
	}); err != nil {
		return f, 0, fmt.Errorf("the chatty child agent does not start: %w", err)
	}
	chatty, _, err = watchAgent(ctx, sh)
	return f, chatty, err
}

// killed finds the first child's process, which this machine sees under a number of its own.
func killed() (int, error) {
	entries, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		command, _ := os.ReadFile(entry) // it may have ended
		if string(command) == "sleep\x00100000\x00" {
			return strconv.Atoi(filepath.Base(filepath.Dir(entry)))
		}
	}
	return 0, errors.New("the child does not run")
}

// kill ends a process and says when, in nanoseconds.
func kill(pid int) (int64, error) {
	now := time.Now().UnixNano()
	return now, syscall.Kill(pid, syscall.SIGKILL)
}

// definitions makes ten child agents; the first one, which is killed, notes its starts.
func definitions() string {
	var b strings.Builder
	b.WriteString("mkdir -p /etc/hostler-agent/agents.d; cd /etc/hostler-agent/agents.d\n")
	for i := 1; i <= children; i++ {
		command := "/bin/sleep 200000"
		if i == 1 {
			command = `"/bin/sh -c '` + strings.ReplaceAll(child, "STARTS", "/tmp/starts-1") + `'"`
		}
		fmt.Fprintf(&b, "cat >child%d.ini <<'EOF'\n[agent]\nname = child%d\ncommand = %s\n[restart]\npolicy = fast\nstable = 1ms\nEOF\n", i, i, command)
	}
	return b.String()
}

// chattyDefinition makes one that writes 10,000 lines a second in bursts of a thousand.
const chattyDefinition = `cat >/etc/hostler-agent/agents.d/chatty.ini <<'EOF'
[agent]
name = chatty
command = "/bin/sh -c 'while :; do seq 1000; sleep 0.1; done'"
EOF
`

// watchAgent is the share of one core that the agent uses over a while, and its memory at the end.
func watchAgent(ctx context.Context, sh func(string) (string, error)) (share float64, memory int64, err error) {
	const look = `pid=$(systemctl show -P MainPID hostler-agent); cut -d' ' -f14,15 /proc/$pid/stat; cat /proc/$pid/status`
	before, err := sh(look)
	if err != nil {
		return 0, 0, err
	}
	if err := sleep(ctx, idle); err != nil {
		return 0, 0, err
	}
	after, err := sh(look)
	return (ticks(after) - ticks(before)) / 100 / idle.Seconds(), rig.Resident(after), err
}

// ticks adds up the two numbers of the first line.
func ticks(text string) (sum float64) {
	line, _, _ := strings.Cut(text, "\n")
	for word := range strings.FieldsSeq(line) {
		n, _ := strconv.ParseFloat(word, 64)
		sum += n
	}
	return sum
}

// restarts kills a child again and again; kill says when it did, starts when the child has begun so far.
func restarts(ctx context.Context, kill func() (int64, error), starts func() ([]int64, error)) ([]float64, error) {
	var took []float64
	for range rounds {
		before, err := starts()
		if err != nil {
			return nil, err
		}
		killed, err := kill()
		if err != nil {
			return nil, err
		}
		var now []int64
		err = until(ctx, func() (bool, error) {
			now, err = starts()
			return len(now) > len(before), err
		})
		if err != nil {
			return nil, fmt.Errorf("a child does not come back: %w", err)
		}
		took = append(took, float64(now[len(before)]-killed)/1e9)
		// Several supervisors slow down for a child that ends at once.
		if err := sleep(ctx, 1500*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return took, nil
}

func numbers(text string, err error) (list []int64, _ error) {
	if err != nil {
		return nil, err
	}
	for word := range strings.FieldsSeq(text) {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

func until(ctx context.Context, reached func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		ok, err := reached()
		if ok || err != nil {
			return err
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
