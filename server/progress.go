package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"hostler/server/client"
)

const (
	// barHosts is how many hosts at work have a bar of their own.
	barHosts = 8
	barWidth = 30
	hostBar  = 10
)

// teller chooses how to tell of an operation at work: bars on a terminal, a line per host elsewhere, nothing for programs.
func teller(c *cobra.Command, o *connection) func(*client.Operation) error {
	if o.json {
		return func(*client.Operation) error { return nil }
	}
	to, ok := c.ErrOrStderr().(*os.File)
	if !ok || !term.IsTerminal(int(to.Fd())) {
		return lineTeller(c.ErrOrStderr())
	}
	bars := bars{to: to, told: map[int64]bool{}, width: func() int {
		width, _, err := term.GetSize(int(to.Fd()))
		if err != nil || width <= 0 {
			return 80
		}
		return width
	}}
	return bars.tell
}

// bars draws how far an operation is at the end of what was written, anew each time. What has ended stays above.
type bars struct {
	to    io.Writer
	width func() int
	told  map[int64]bool
	drawn int // lines that are drawn anew
}

func (b *bars) tell(o *client.Operation) error {
	var out strings.Builder
	if b.drawn > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", b.drawn)
	}
	out.WriteString("\r\x1b[J")
	width := b.width() - 1 // a full line would be two on some terminals
	for i := range o.Tasks {
		if t := &o.Tasks[i]; t.Ended() && !b.told[t.ID] {
			b.told[t.ID] = true
			out.WriteString(printable(taskLine(t)) + "\n")
		}
	}
	lines := drawing(o)
	for _, line := range lines {
		if r := []rune(line); len(r) > width {
			line = string(r[:width])
		}
		out.WriteString(line + "\n")
	}
	b.drawn = len(lines)
	_, err := io.WriteString(b.to, out.String())
	return err
}

// drawing is how far an operation is; nothing once it has ended.
func drawing(o *client.Operation) []string {
	if o.Ended() || len(o.Tasks) == 0 {
		return nil
	}
	ended, failed, working := 0, 0, []string(nil)
	for i := range o.Tasks {
		t := &o.Tasks[i]
		switch {
		case t.Ended():
			if ended++; t.State == "failed" {
				failed++
			}
		case t.State != "pending" && len(working) < barHosts:
			working = append(working, hostLine(t))
		}
	}
	head := fmt.Sprintf("%s %d/%d", bar(ended, len(o.Tasks), barWidth), ended, len(o.Tasks))
	if failed > 0 {
		head += fmt.Sprintf(", %d failed", failed)
	}
	return append([]string{head}, working...)
}

func hostLine(t *client.Task) string {
	done, title := 0, t.State
	for _, s := range t.Steps {
		switch s.State {
		case "done", "skipped":
			done++
		case "running":
			title = s.Title
		}
	}
	return fmt.Sprintf("  %s %s: %s", bar(done, len(t.Steps), hostBar), printable(t.Name), printable(title))
}

func bar(done, of, width int) string {
	filled := width * done / max(of, 1)
	return "[" + strings.Repeat("#", filled) + strings.Repeat("-", width-filled) + "]"
}
