package bootstrap

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"golang.org/x/crypto/ssh"
)

// errNoTerminal means that the host's SSH server gives the user no terminal.
var errNoTerminal = errors.New("the SSH server gives no terminal")

// ready is what gate says when it wants the command's standard input.
const ready = "ready"

// openTerminal starts a program on a terminal that echoes nothing; it translates lines until gate tells it otherwise, as
// programs that ask for passwords expect.
func (c *connection) openTerminal(ctx context.Context, request []byte) (*process, error) {
	modes := []byte{
		53, 0, 0, 0, 0, // ECHO, RFC 4254 section 8
		70, 0, 0, 0, 0, // OPOST
		0,
	}
	terminal := ssh.Marshal(struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{"dumb", 200, 24, 0, 0, string(modes)})
	return c.openWith(ctx, func(channel ssh.Channel) error {
		if err := ask(channel, "pty-req", terminal, errNoTerminal); err != nil {
			return err
		}
		return ask(channel, "exec", request, errRefused)
	})
}

// dialog is what is said on a terminal before the command runs: a password is given only to who asks for one, and never
// to the command.
type dialog struct {
	once  sync.Once
	asked chan struct{} // closed by the question
	begun chan struct{} // closed when the command waits for its standard input
	start sync.Once
}

func newDialog() *dialog { return &dialog{asked: make(chan struct{}), begun: make(chan struct{})} }

// question reports whether a line that has no end yet asks for the password, the first time that one does.
func (d *dialog) question(line []byte) (asks bool) {
	line = bytes.TrimSpace(line)
	if !bytes.HasSuffix(line, []byte(":")) || !bytes.Contains(bytes.ToLower(line), []byte("password")) {
		return false
	}
	select {
	case <-d.begun:
		return false
	default:
	}
	d.once.Do(func() { close(d.asked); asks = true })
	return asks
}

func (d *dialog) begin() { d.start.Do(func() { close(d.begun) }) }

// answer gives the password when it is asked for, and the command's standard input once it runs.
func (p *process) answer(d *dialog, cmd command) {
	select {
	case <-d.asked:
		line := cmd.as.line()
		_, _ = p.channel.Write(line)
		clear(line)
	case <-d.begun: // there was no need to ask
	case <-p.ended:
		return
	}
	select {
	case <-d.begun:
		_, _ = p.channel.Write(cmd.stdin)
	case <-p.ended:
	}
}
