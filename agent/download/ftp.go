package download

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxReplyLine  = 1024 // bytes
	maxReplyLines = 200
)

// session is a control connection (RFC 959), passive and binary.
type session struct {
	conn  net.Conn
	lines *bufio.Reader
	idle  time.Duration
}

// openFTP returns the file's content. The connections are closed with it, and when ctx ends.
func openFTP(ctx context.Context, address *url.URL, idle time.Duration) (io.ReadCloser, error) {
	path, user, password, err := ftpParts(address)
	if err != nil {
		return nil, err
	}
	port := address.Port()
	if port == "" {
		port = "21"
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address.Hostname(), port))
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, lines: bufio.NewReaderSize(conn, maxReplyLine), idle: idle}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	file, err := s.retrieve(ctx, dialer, path, user, password)
	if err != nil {
		stop()
		return nil, errors.Join(err, conn.Close())
	}
	stopFile := context.AfterFunc(ctx, func() { _ = file.Close() })
	return &transfer{Conn: file, session: s, stop: func() { stop(); stopFile() }}, nil
}

// ftpParts takes a URL apart. A control character in a part would be a command of its own to the server.
func ftpParts(address *url.URL) (path, user, password string, err error) {
	path = strings.TrimPrefix(address.Path, "/")
	user, password = "anonymous", "hostler-agent@"
	if address.User != nil {
		user = address.User.Username()
		password, _ = address.User.Password()
	}
	for _, part := range []string{path, user, password} {
		if strings.ContainsFunc(part, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "", "", "", fmt.Errorf("%w: it has a control character in it", ErrURL)
		}
	}
	if path == "" || strings.HasSuffix(path, "/") {
		return "", "", "", fmt.Errorf("%w: it names no file", ErrURL)
	}
	return path, user, password, nil
}

// retrieve logs in and begins the transfer.
func (s *session) retrieve(ctx context.Context, dialer *net.Dialer, path, user, password string) (net.Conn, error) {
	if _, err := s.expect("", 2); err != nil {
		return nil, err
	}
	code, err := s.expect("USER "+user, 2, 3)
	if err != nil {
		return nil, err
	}
	if code/100 == 3 {
		if _, err := s.expect("PASS "+password, 2); err != nil {
			return nil, err
		}
	}
	if _, err := s.expect("TYPE I", 2); err != nil {
		return nil, err
	}
	port, err := s.passive()
	if err != nil {
		return nil, err
	}
	// The address in the reply is not used: behind a translating router it is wrong, and a malicious one would
	// point at somebody else.
	host, _, err := net.SplitHostPort(s.conn.RemoteAddr().String())
	if err != nil {
		return nil, err
	}
	file, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("no data connection: %w", err)
	}
	if _, err := s.expect("RETR "+path, 1); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// passive asks for a port for the data: with EPSV (RFC 2428), or with PASV where the server does not know that.
func (s *session) passive() (int, error) {
	code, text, err := s.command("EPSV")
	if err != nil {
		return 0, err
	}
	if code == 229 {
		return parseEPSV(text)
	}
	code, text, err = s.command("PASV")
	if err != nil {
		return 0, err
	}
	if code != 227 {
		return 0, fmt.Errorf("the ftp server refuses passive mode: %d %.200q", code, text)
	}
	return parsePASV(text)
}

const digits = "0123456789"

// isNumber says whether a text is a number of at most so many digits.
func isNumber(text string, most int) bool {
	return text != "" && len(text) <= most && strings.Trim(text, digits) == ""
}

// parseEPSV takes the port out of "(|||6446|)" (RFC 2428, 3). Any other visible character may stand where the bars do.
func parseEPSV(text string) (int, error) {
	for _, rest := range strings.Split(text, "(")[1:] {
		if bar := rest[:min(1, len(rest))]; bar > " " && bar <= "~" {
			rest, begins := strings.CutPrefix(rest, bar+bar+bar)
			port, _, ends := strings.Cut(rest, bar+")")
			if begins && ends && isNumber(port, 5) {
				return checkPort(port, "0", text)
			}
		}
	}
	return 0, fmt.Errorf("cannot understand the ftp server's port: %.200q", text)
}

// parsePASV takes the port out of "(127,0,0,1,25,46)" (RFC 959, 4.1.2). Servers write what they like around the numbers
// (RFC 1123, 4.1.2.6).
func parsePASV(text string) (int, error) {
	for numbers := range strings.FieldsFuncSeq(text, func(r rune) bool { return !strings.ContainsRune(digits+",", r) }) {
		six := strings.Split(strings.Trim(numbers, ","), ",")
		if len(six) == 6 && !slices.ContainsFunc(six, func(n string) bool { return !isNumber(n, 3) }) {
			return checkPort(six[5], six[4], text)
		}
	}
	return 0, fmt.Errorf("cannot understand the ftp server's port: %.200q", text)
}

func checkPort(low, high, text string) (int, error) {
	l, errLow := strconv.Atoi(low)
	h, errHigh := strconv.Atoi(high)
	if port := h<<8 + l; errLow == nil && errHigh == nil && h < 256 && (h == 0 || l < 256) && port > 0 && port < 1<<16 {
		return port, nil
	}
	return 0, fmt.Errorf("cannot understand the ftp server's port: %.200q", text)
}

// expect sends a command ("" sends none) and returns the reply's code, which must be of one of the classes.
func (s *session) expect(command string, classes ...int) (int, error) {
	code, text, err := s.command(command)
	if err != nil {
		return 0, err
	}
	for _, class := range classes {
		if code/100 == class {
			return code, nil
		}
	}
	return 0, fmt.Errorf("the ftp server refuses: %d %.200q", code, text)
}

func (s *session) command(command string) (code int, text string, err error) {
	if err := s.conn.SetDeadline(time.Now().Add(s.idle)); err != nil {
		return 0, "", err
	}
	if command != "" {
		if _, err := io.WriteString(s.conn, command+"\r\n"); err != nil {
			return 0, "", fmt.Errorf("the ftp server does not listen: %w", err)
		}
	}
	return readReply(s.lines)
}

// readReply reads one reply, which may have several lines (RFC 959, 4.2), and returns its code and last line.
func readReply(lines *bufio.Reader) (code int, text string, err error) {
	first := ""
	for range maxReplyLines {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return 0, "", fmt.Errorf("cannot read the ftp server's reply: %w", err)
		}
		text := strings.TrimRight(string(line), "\r\n")
		switch {
		case first == "" && !isReply(text):
			return 0, "", fmt.Errorf("cannot understand the ftp server's reply: %.200q", text)
		case first == "":
			first = text[:3]
			if len(text) > 3 && text[3] == '-' {
				continue
			}
		case !strings.HasPrefix(text, first) || len(text) > 3 && text[3] != ' ':
			continue
		}
		code, err := strconv.Atoi(first)
		return code, strings.TrimPrefix(text[3:], " "), err
	}
	return 0, "", errors.New("cannot read the ftp server's reply: it has no end")
}

// isReply says whether a line begins as the first one of a reply does: with a code, and a blank or a dash behind it.
func isReply(line string) bool {
	if len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return false
	}
	code := line[:min(3, len(line))]
	return len(code) == 3 && isNumber(code, 3) && code[0] >= '1' && code[0] <= '5'
}

// transfer is the data connection. Its end counts only when the server confirms it: a connection that broke looks
// the same.
type transfer struct {
	net.Conn
	*session
	stop func()
	done bool
}

func (t *transfer) Read(p []byte) (int, error) {
	if err := t.SetReadDeadline(time.Now().Add(t.idle)); err != nil {
		return 0, err
	}
	n, err := t.Conn.Read(p)
	if !errors.Is(err, io.EOF) || t.done {
		return n, err
	}
	t.done = true
	if _, err := t.expect("", 2); err != nil {
		return n, fmt.Errorf("the file is not whole: %w", err)
	}
	return n, io.EOF
}

func (t *transfer) Close() error {
	t.stop()
	return errors.Join(t.Conn.Close(), t.conn.Close())
}
