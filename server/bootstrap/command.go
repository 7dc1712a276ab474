package bootstrap

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// errRefused means that the host's SSH server does not start what it was asked for.
var errRefused = errors.New("the SSH server refuses the request")

// command is a program to run on the host.
type command struct {
	as    privilege
	argv  []string
	stdin []byte
	// line gets every line of output as it arrives, without its end; errors says that it is from standard
	// error. It is called by one goroutine at a time, and not after the command's end. May be nil.
	line func(text string, errors bool)
}

// outcome is how a command ended.
type outcome struct {
	status  int    // exit status; -1 when a signal ended it
	signal  string // without SIG
	started bool   // the user's shell ran it at all
	// noTerminal tells that the command needed a terminal and the SSH server gives none.
	noTerminal bool
}

func (o outcome) String() string {
	if o.signal != "" {
		return "signal " + o.signal
	}
	return "exit status " + strconv.Itoa(o.status)
}

const (
	// drain is how long output is waited for after a command's end: a daemon that it left behind may hold
	// the pipe open for ever.
	drain   = time.Second
	maxLine = 16 << 10 // bytes; longer lines are cut
	// maxGroups is how many process groups are remembered. A command announces one, or two with sudo.
	maxGroups = 4
)

// command runs a program and waits for its end. When ctx ends first, everything that the program started on
// the host is killed, and the error is ctx's cause.
func (c *connection) command(ctx context.Context, cmd command) (outcome, error) {
	p, out, read, err := c.start(ctx, cmd)
	switch {
	case errors.Is(err, errRefused):
		return outcome{status: -1}, nil
	case errors.Is(err, errNoTerminal):
		return outcome{status: -1, noTerminal: true}, nil
	case err != nil:
		return outcome{}, err
	}
	select {
	case <-p.ended:
		waitFor(read, drain)
	case <-ctx.Done():
		c.kill(ctx, cmd.as, out.groups())
		waitFor(p.ended, drain)
	}
	_ = p.channel.Close()
	groups := out.close()
	if ctx.Err() != nil {
		return outcome{}, context.Cause(ctx)
	}
	o, ok := p.outcome()
	if !ok {
		return outcome{}, c.lost(ctx, io.ErrUnexpectedEOF)
	}
	o.started = len(groups) > 0
	return o, nil
}

// start begins a program; read is closed when its output has ended.
func (c *connection) start(ctx context.Context, cmd command) (p *process, out *output, read <-chan struct{}, err error) {
	out = &output{nonce: "hostler-" + rand.Text(), line: cmd.line}
	request := ssh.Marshal(struct{ Command string }{cmd.shellLine(out.nonce)})
	if !cmd.as.terminal() {
		if p, err = c.open(ctx, "exec", request); err != nil {
			return nil, nil, nil, err
		}
		read = p.stream(out)
		c.wg.Go(func() { p.feed(cmd) })
		return p, out, read, nil
	}
	if p, err = c.openTerminal(ctx, request); err != nil {
		return nil, nil, nil, err
	}
	out.dialog = newDialog()
	read = p.stream(out)
	c.wg.Go(func() { p.answer(out.dialog, cmd) })
	return p, out, read, nil
}

// feed gives a program its standard input, a password first where sudo reads one from there.
func (p *process) feed(cmd command) {
	var input []byte
	if cmd.as.password != nil {
		input = cmd.as.line()
	}
	input = append(input, cmd.stdin...)
	_, _ = p.channel.Write(input)
	_ = p.channel.CloseWrite()
}

// kill ends process groups on the host, first politely, and returns when they are gone or after a while. ctx
// has ended already.
func (c *connection) kill(ctx context.Context, as privilege, groups []int) {
	if len(groups) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.limits.Kill)
	defer cancel()
	argv := []string{"sh", "-c", killer, "sh"}
	for _, g := range groups {
		argv = append(argv, strconv.Itoa(g))
	}
	p, _, _, err := c.start(ctx, command{as: as, argv: argv})
	if err != nil {
		return
	}
	defer func() { _ = p.channel.Close() }()
	select {
	case <-p.ended:
	case <-ctx.Done():
	}
}

func waitFor(done <-chan struct{}, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// process is what one session runs on the host.
type process struct {
	connection *connection
	channel    ssh.Channel
	ended      chan struct{} // closed when the program has ended, or nothing more can be known of it

	mu     sync.Mutex
	result *outcome
}

// watch takes note of how the program ended. The channel may stay open long after that.
func (p *process) watch(requests <-chan *ssh.Request) {
	var once sync.Once
	end := func() { once.Do(func() { close(p.ended) }) }
	defer end()
	for r := range requests {
		var o outcome
		switch r.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if ssh.Unmarshal(r.Payload, &m) == nil {
				o.status = int(m.Status)
			}
		case "exit-signal":
			var m struct {
				Signal  string
				Core    bool
				Message string
				Lang    string
			}
			if ssh.Unmarshal(r.Payload, &m) == nil {
				o.status, o.signal = -1, m.Signal
			}
		}
		if r.WantReply {
			_ = r.Reply(false, nil)
		}
		if strings.HasPrefix(r.Type, "exit-") {
			p.mu.Lock()
			p.result = &o
			p.mu.Unlock()
			end()
		}
	}
}

// outcome returns how the program ended; false when the host never told.
func (p *process) outcome() (outcome, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.result == nil {
		return outcome{}, false
	}
	return *p.result, true
}

// stream reads both outputs; the returned channel is closed when both have ended.
func (p *process) stream(out *output) <-chan struct{} {
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() { out.read(p.channel, false) })
	readers.Go(func() { out.read(p.channel.Stderr(), true) })
	p.connection.wg.Go(func() {
		readers.Wait()
		close(done)
	})
	return done
}

// output cuts what a command prints into lines and picks the announcements of its process groups out of them.
type output struct {
	nonce  string
	line   func(text string, errors bool)
	dialog *dialog // on a terminal; or nil

	mu     sync.Mutex
	pgids  []int
	closed bool
}

func (o *output) read(r io.Reader, errors bool) {
	buffer := make([]byte, 0, 4096)
	chunk := make([]byte, 4096)
	for {
		n, err := r.Read(chunk)
		buffer = append(buffer, chunk[:n]...)
		for {
			i := bytes.IndexByte(buffer, '\n')
			if i < 0 && len(buffer) >= maxLine {
				o.emit(buffer[:maxLine], errors)
				buffer = append(buffer[:0], buffer[maxLine:]...)
				continue
			}
			if i < 0 {
				break
			}
			o.emit(buffer[:i], errors)
			buffer = append(buffer[:0], buffer[i+1:]...)
		}
		if o.dialog != nil && o.dialog.question(buffer) {
			buffer = buffer[:0]
		}
		if err != nil {
			if len(buffer) > 0 {
				o.emit(buffer, errors)
			}
			return
		}
	}
}

func (o *output) emit(line []byte, errors bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	text := string(bytes.TrimRight(line, "\r"))
	if rest, ok := strings.CutPrefix(text, o.nonce+" "); ok && !errors && o.nonce != "" {
		if o.dialog != nil && rest == ready {
			o.dialog.begin()
		}
		if id, err := strconv.Atoi(rest); err == nil && id > 1 && len(o.pgids) < maxGroups {
			o.pgids = append(o.pgids, id)
		}
		return
	}
	if o.line != nil {
		// A terminal has one output for both.
		o.line(text, errors || o.dialog != nil && strings.HasPrefix(text, errorPrefix))
	}
}

// groups returns the process groups announced until now.
func (o *output) groups() []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pgids
}

// close makes sure that no line is handed on any more.
func (o *output) close() []int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return o.pgids
}

var _ fmt.Stringer = outcome{}
