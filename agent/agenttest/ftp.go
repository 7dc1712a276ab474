package agenttest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// FTP is an ftp server on loopback, as far as a client needs one that reads files.
type FTP struct {
	Address string            // "127.0.0.1:port"
	Files   map[string]string // path without the first slash -> content
	User    string            // "" lets anybody in
	Pass    string
	NoEPSV  bool   // knows PASV only
	HangAt  string // the command after which it says nothing more
	Short   bool   // sends half a file and breaks off
	Evil    bool   // points at another machine for the data

	listener net.Listener
	serving  sync.WaitGroup
	mu       sync.Mutex
	open     []io.Closer
	commands []string
}

// NewFTP starts a server that ends with its test. Set its fields before it is asked.
func NewFTP(t testing.TB) *FTP {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &FTP{Address: listener.Addr().String(), Files: map[string]string{}, listener: listener}
	f.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.keep(conn)
			f.serving.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // no error of an end matters
		f.mu.Lock()
		for _, c := range f.open {
			_ = c.Close() // it may be closed
		}
		f.mu.Unlock()
		f.serving.Wait()
	})
	return f
}

// Commands returns what clients have said.
func (f *FTP) Commands() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.commands...)
}

func (f *FTP) keep(c io.Closer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = append(f.open, c)
}

func (f *FTP) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }() // the client may have
	say := func(format string, args ...any) { fmt.Fprintf(conn, format+"\r\n", args...) }
	say("220-Welcome\r\n to the test\r\n220 server")
	var data net.Listener
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		verb, argument, _ := strings.Cut(lines.Text(), " ")
		f.mu.Lock()
		f.commands = append(f.commands, lines.Text())
		f.mu.Unlock()
		if verb == f.HangAt {
			continue
		}
		switch verb {
		case "USER":
			if f.User == "" {
				say("230 welcome")
			} else {
				say("331 and the password?")
			}
		case "PASS":
			if argument != f.Pass {
				say("530 no")
				continue
			}
			say("230-two\r\n230 lines")
		case "TYPE":
			say("200 " + argument)
		case "EPSV", "PASV":
			if verb == "EPSV" && f.NoEPSV {
				say("500 what?")
				continue
			}
			data = f.listen()
			f.port(say, verb, data)
		case "RETR":
			f.retrieve(say, argument, data)
		default:
			say("502 no")
		}
	}
}

func (f *FTP) listen() net.Listener {
	data, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	f.keep(data)
	return data
}

func (f *FTP) port(say func(string, ...any), verb string, data net.Listener) {
	port := data.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // it listens on TCP
	address := "127,0,0,1"
	if f.Evil {
		address = "192,0,2,1"
	}
	if verb == "EPSV" {
		say("229 here (|||%d|)", port)
		return
	}
	say("227 here (%s,%d,%d)", address, port>>8, port&255)
}

func (f *FTP) retrieve(say func(string, ...any), path string, data net.Listener) {
	content, known := f.Files[path]
	if !known || data == nil {
		say("550 %s: no such file", path)
		return
	}
	say("150 here it comes")
	conn, err := data.Accept()
	if err != nil {
		return
	}
	if f.Short {
		content = content[:len(content)/2]
	}
	_, _ = io.WriteString(conn, content) // a client that goes away is its own matter
	_ = conn.Close()                     // likewise
	if f.Short {
		say("426 broken off")
		return
	}
	say("226 done")
}
