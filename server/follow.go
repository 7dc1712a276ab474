package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

const (
	// followEach is how often an operation is looked at; one with many hosts is long to tell and looked at less often.
	followEach    = 200 * time.Millisecond
	followPerTask = time.Millisecond
	// cancelTimeout bounds the calls that end an operation on Ctrl-C.
	cancelTimeout = 10 * time.Second
	// groupHosts is how many hosts of a group are named.
	groupHosts = 12
)

// follow tells of each host when its work has ended, and then what they wrote, hosts that wrote the same together. On
// Ctrl-C it asks the server to cancel. It exits with 1 when not every host succeeded.
func follow(c *cobra.Command, api *client.Client, o *connection, id int64) error {
	ended, err := watch(c, api, o, id)
	if err != nil {
		return err
	}
	ctx := context.WithoutCancel(c.Context())
	if o.json {
		if err := printJSON(ctx, api, fmt.Sprintf("operations/%d/outcomes", id), c.OutOrStdout()); err != nil {
			return err
		}
	} else if err := printOutcomes(ctx, c, api, id); err != nil {
		return err
	}
	if ended.State != "done" {
		return exitError(1)
	}
	return nil
}

// watch waits for an operation's end, and tells of each host that has ended.
func watch(c *cobra.Command, api *client.Client, o *connection, id int64) (*client.Operation, error) {
	tell := func(*client.Operation) error { return nil }
	if !o.json {
		tell = lineTeller(c.ErrOrStderr())
	}
	return watchWith(c, api, id, tell)
}

// lineTeller writes a line for each host that has ended, and for each batch that begins.
func lineTeller(to io.Writer) func(*client.Operation) error {
	told, batch := map[int64]bool{}, 0
	return func(now *client.Operation) error {
		for i := range now.Tasks {
			t := &now.Tasks[i]
			if !t.Ended() || told[t.ID] {
				continue
			}
			told[t.ID] = true
			if _, err := fmt.Fprintln(to, taskLine(t)); err != nil {
				return err
			}
		}
		if n, line := batchLine(now); n > batch {
			batch = n
			if _, err := fmt.Fprintln(to, line); err != nil {
				return err
			}
		}
		return nil
	}
}

// watchWith waits for an operation's end; tell hears how far it is, and last that it has ended.
func watchWith(c *cobra.Command, api *client.Client, id int64, tell func(*client.Operation) error) (*client.Operation, error) {
	ctx, canceled := c.Context(), false
	for {
		now, err := api.Operation(ctx, id)
		if ctx.Err() != nil && !canceled {
			canceled = true
			if ctx, err = cancel(c, api, id); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := tell(now); err != nil {
			return nil, err
		}
		if now.Ended() {
			return now, nil
		}
		wait := time.NewTimer(followEach + time.Duration(len(now.Tasks))*followPerTask)
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		wait.Stop()
	}
}

// cancel asks the server to end an operation, and returns what bounds the waiting for that.
func cancel(c *cobra.Command, api *client.Client, id int64) (context.Context, error) {
	if _, err := fmt.Fprintf(c.ErrOrStderr(), "canceling operation %d\n", id); err != nil {
		return nil, err
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(c.Context()), cancelTimeout)
	defer stop()
	if err := api.Cancel(ctx, id); err != nil {
		return nil, err
	}
	return context.WithoutCancel(c.Context()), nil
}

// batchLine tells at which batch an operation is that has some; 0 when it has none, or has ended.
func batchLine(o *client.Operation) (number int, line string) {
	of, size := 0, map[int]int{}
	for i := range o.Tasks {
		t := &o.Tasks[i]
		of = max(of, t.Batch)
		size[t.Batch]++
		if !t.Ended() && (number == 0 || t.Batch < number) {
			number = t.Batch
		}
	}
	line = fmt.Sprintf("batch %d of %d, %d hosts; so far %d done, %d failed", number, of, size[number], o.Counts["done"], o.Counts["failed"])
	if o.StopAfter > 0 {
		line += fmt.Sprintf("; stops after %d failures", o.StopAfter)
	}
	return number, line
}

func taskLine(t *client.Task) string {
	text := t.Name + "  " + t.State
	if took := elapsed(t); took != "-" {
		text += "  " + took
	}
	if t.Error.Cause != "" {
		text += "  " + t.Error.Cause
	}
	return text
}

// elapsed is how long a task took.
func elapsed(t *client.Task) string {
	if t.StartedAt == nil || t.FinishedAt == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f s", t.FinishedAt.Sub(*t.StartedAt).Seconds())
}

// found is what a task found, or why it failed and what to do.
func found(t *client.Task) string {
	text := cmp.Or(t.Note, "-")
	if t.Error.Cause != "" {
		text = strings.TrimSpace(t.Error.Cause + " " + t.Error.Hint)
	}
	return printable(text)
}

func printOutcomes(ctx context.Context, c *cobra.Command, api *client.Client, id int64) error {
	outcomes, err := api.Outcomes(ctx, id)
	if err != nil {
		return err
	}
	for i := range outcomes.Groups {
		if err := printOutcome(c.OutOrStdout(), &outcomes.Groups[i]); err != nil {
			return err
		}
	}
	if outcomes.Rest > 0 {
		_, err = fmt.Fprintf(c.OutOrStdout(), "and %d more; see: hostler jobs list --operation %d\n", outcomes.Rest, id)
	}
	return err
}

// printOutcome prints what a group of hosts has in common.
func printOutcome(to io.Writer, g *client.Outcome) error {
	var names []string
	for i, h := range g.Hosts {
		if i == groupHosts {
			break
		}
		names = append(names, h.Name)
	}
	head := strings.Join(names, ", ")
	if more := g.Count - len(names); more > 0 {
		head += fmt.Sprintf(" and %d more", more)
	}
	how := g.State
	if g.ExitCode != nil {
		how += fmt.Sprintf(", exit status %d", *g.ExitCode)
	} else if g.State != "succeeded" && g.Message != "" {
		how += ": " + g.Message
	}
	if _, err := fmt.Fprintf(to, "== %s (%s)\n", head, how); err != nil {
		return err
	}
	for _, text := range []string{g.Stdout, g.Stderr} {
		if text == "" {
			continue
		}
		if _, err := fmt.Fprintln(to, strings.TrimSuffix(printable(text), "\n")); err != nil {
			return err
		}
	}
	return nil
}

// printable takes out what would move a terminal's cursor or do worse.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return -1
		}
		return r
	}, text)
}
