package download

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"hostler/agent/agenttest"
)

func checksum(text string) string { return fmt.Sprintf("SHA256:%x", sha256.Sum256([]byte(text))) }

func get(t *testing.T, d *Downloader, source Source) (string, error) {
	t.Helper()
	if source.Most == 0 {
		source.Most = 1 << 20
	}
	var to bytes.Buffer
	size, err := d.Get(t.Context(), source, &to)
	if err == nil && size != int64(to.Len()) {
		t.Errorf("%d bytes of %d", size, to.Len())
	}
	return to.String(), err
}

func TestHTTP(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/file", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "content") })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/file", http.StatusFound) })
	mux.HandleFunc("/etc", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	mux.HandleFunc("/toftp", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "ftp://127.0.0.1/x", http.StatusFound)
	})
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "content")
	})
	mux.HandleFunc("/silent", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "con")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	good := checksum("content")
	for name, test := range map[string]struct {
		url, checksum string
		most          int64
		want          error
		text          string
	}{
		"a file":                  {"/file", good, 7, nil, ""},
		"a redirect":              {"/moved", strings.ToUpper(good), 7, nil, ""},
		"a redirect to file://":   {"/etc", good, 7, ErrRead, "redirects to file:"},
		"a redirect to ftp://":    {"/toftp", good, 7, ErrRead, "redirects to ftp:"},
		"redirects without end":   {"/round", good, 7, ErrRead, "more than 5 times"},
		"another checksum":        {"/file", checksum("other"), 7, ErrChecksum, "SHA256:" + good[7:]},
		"no checksum":             {"/file", "", 7, ErrURL, "64 hexadecimal digits"},
		"another kind of it":      {"/file", "MD5:d41d8cd98f00b204e9800998ecf8427e", 7, ErrURL, ""},
		"too large":               {"/file", good, 6, ErrTooLarge, "more than 6 bytes"},
		"not there":               {"/none", good, 7, ErrRead, "404"},
		"broken off":              {"/short", good, 700, ErrRead, "unexpected EOF"},
		"a server that is silent": {"/silent", good, 7, ErrRead, "nothing came for"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Downloader{}
			if name == "a server that is silent" {
				d.Idle = 300 * time.Millisecond
			}
			text, err := get(t, d, Source{URL: server.URL + test.url, Checksum: test.checksum, Most: test.most})
			if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.text) || err == nil && text != "content" {
				t.Errorf("got %q, %v", text, err)
			}
		})
	}
}

func TestURLs(t *testing.T) {
	for _, url := range []string{
		"", "file:///etc/passwd", "/etc/passwd", "//host/x", "http://", "gopher://x/y", "ftp://host/", "ftp://host/dir/",
		"ftp://host/a%0d%0aDELE%20b", "ftp://us%0aer@host/x", "http://[::1", "ht tp://x",
	} {
		if _, err := get(t, &Downloader{}, Source{URL: url, Checksum: checksum("")}); !errors.Is(err, ErrURL) && !strings.Contains(fmt.Sprint(err), ErrURL.Error()) {
			t.Errorf("%q: got %v", url, err)
		}
	}
	_, err := get(t, &Downloader{}, Source{URL: "http://user:secret@127.0.0.1:1/x", Checksum: checksum("")})
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error without the password", err)
	}
}

func TestHTTPS(t *testing.T) {
	ca := agenttest.NewAuthority(t)
	cas := func() []*x509.Certificate { return []*x509.Certificate{ca.Certificate()} }
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path) }))
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{ca.ServerCertificate(t)}}
	server.StartTLS()
	t.Cleanup(server.Close)
	address := server.Listener.Addr().String()
	own := &Downloader{Server: address, Ours: func(host string) bool { return host == "127.0.0.1" }, CAs: cas}
	for _, url := range []string{"https://" + address + "/repo/x", "/repo/x"} {
		if text, err := get(t, own, Source{URL: url, Checksum: checksum("/repo/x")}); err != nil || text != "/repo/x" {
			t.Errorf("%s: got %q, %v", url, text, err)
		}
	}
	foreign := &Downloader{Ours: func(string) bool { return false }, CAs: cas}
	if _, err := get(t, foreign, Source{URL: "https://" + address + "/x", Checksum: checksum("/x")}); !errors.Is(err, ErrRead) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("the CA counts for another host: %v", err)
	}
}

func TestFTP(t *testing.T) {
	content := strings.Repeat("\r\n\x00binary", 100_000)
	for name, test := range map[string]struct {
		change func(*agenttest.FTP)
		url    string
		want   error
		text   string
	}{
		"anonymous":              {func(*agenttest.FTP) {}, "ftp://%s/dir/file-1..rpm", nil, ""},
		"a user":                 {func(f *agenttest.FTP) { f.User, f.Pass = "bob", "s e" }, "ftp://bob:s%%20e@%s/dir/file-1..rpm", nil, ""},
		"PASV":                   {func(f *agenttest.FTP) { f.NoEPSV, f.Evil = true, true }, "ftp://%s/dir/file-1..rpm", nil, ""},
		"a wrong password":       {func(f *agenttest.FTP) { f.User, f.Pass = "bob", "x" }, "ftp://bob:y@%s/dir/file-1..rpm", ErrRead, "530"},
		"no such file":           {func(*agenttest.FTP) {}, "ftp://%s/none", ErrRead, "550"},
		"broken off":             {func(f *agenttest.FTP) { f.Short = true }, "ftp://%s/dir/file-1..rpm", ErrRead, "not whole"},
		"hangs after a greeting": {func(f *agenttest.FTP) { f.HangAt = "USER" }, "ftp://%s/dir/file-1..rpm", ErrRead, "timeout"},
		"hangs before the file":  {func(f *agenttest.FTP) { f.HangAt = "RETR" }, "ftp://%s/dir/file-1..rpm", ErrRead, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			server := agenttest.NewFTP(t)
			server.Files["dir/file-1..rpm"] = content
			test.change(server)
			d := &Downloader{}
			if strings.HasPrefix(name, "hangs") {
				d.Idle = 300 * time.Millisecond
			}
			text, err := get(t, d, Source{URL: fmt.Sprintf(test.url, server.Address), Checksum: checksum(content)})
			if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.text) || err == nil && text != content {
				t.Errorf("got %d bytes, %v", len(text), err)
			}
		})
	}
}

func TestAHangingFTPServerEndsWithTheContext(t *testing.T) {
	server := agenttest.NewFTP(t)
	server.HangAt = "TYPE"
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := (&Downloader{}).Get(ctx, Source{URL: "ftp://" + server.Address + "/x", Checksum: checksum("")}, &bytes.Buffer{})
		done <- err
	}()
	agenttest.Eventually(t, "the server hangs", func() bool {
		said := server.Commands()
		return len(said) > 0 && said[len(said)-1] == "TYPE I"
	})
	cancel()
	if err := agenttest.Receive(t, done); err == nil {
		t.Error("no error")
	}
}

func TestAListenerThatNeverSpeaks(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // connections wait in its queue and are never accepted
	for _, scheme := range []string{"ftp", "http"} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err := (&Downloader{}).Get(ctx, Source{URL: scheme + "://" + listener.Addr().String() + "/x", Checksum: checksum("")}, &bytes.Buffer{})
		cancel()
		if !errors.Is(err, ErrRead) {
			t.Errorf("%s: got %v", scheme, err)
		}
	}
}

func TestAFullDiskIsToldAsSuch(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1<<20)) }))
	t.Cleanup(server.Close)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	if _, err := (&Downloader{}).Get(t.Context(), Source{URL: server.URL, Checksum: checksum(""), Most: 2 << 20}, full); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

func TestPortsOfFTPReplies(t *testing.T) {
	for _, c := range []struct {
		parse func(string) (int, error)
		text  string
		want  int // 0: it is refused
	}{
		{parseEPSV, "Entering Extended Passive Mode (|||6446|)", 6446},
		{parseEPSV, "Entering (extended) Passive Mode (|||6446|).", 6446},
		{parseEPSV, "(!!!1!)", 1},
		{parseEPSV, "(~~~65535~)", 65535},
		{parseEPSV, "(1112341)", 234},
		{parseEPSV, "()))1)))", 1},
		{parseEPSV, "(|||00021|)", 21},
		{parseEPSV, "", 0},
		{parseEPSV, "(", 0},
		{parseEPSV, "((((", 0},
		{parseEPSV, "(|", 0},
		{parseEPSV, "(|||", 0},
		{parseEPSV, "(||||)", 0},
		{parseEPSV, "|||6446|", 0},
		{parseEPSV, "(|||0|)", 0},
		{parseEPSV, "(|||65536|)", 0},
		{parseEPSV, "(|||000021|)", 0},
		{parseEPSV, "(|||99999999999999999999|)", 0},
		{parseEPSV, "(|||6446!)", 0},
		{parseEPSV, "(|!|6446|)", 0},
		{parseEPSV, "(||6446|)", 0},
		{parseEPSV, "(|||6446|", 0},
		{parseEPSV, "(|||64 46|)", 0},
		{parseEPSV, "(|||-1|)", 0},
		{parseEPSV, "(|||+1|)", 0},
		{parseEPSV, "(|||0x1|)", 0},
		{parseEPSV, "(   6446 )", 0},
		{parseEPSV, "(\x00\x00\x006446\x00)", 0},
		{parseEPSV, "(ééé6446é)", 0},
		{parseEPSV, "(|||\u0661|)", 0},
		{parseEPSV, "(|1|127.0.0.1|6446|)", 0},
		{parsePASV, "Entering Passive Mode (127,0,0,1,25,46)", 25<<8 | 46},
		{parsePASV, "Entering Passive Mode. 127,0,0,1,0,46.", 46},
		{parsePASV, "=1,2,3,4,255,255", 65535},
		{parsePASV, "1 of 2, at (1,2,3,4,001,000),", 256},
		{parsePASV, "", 0},
		{parsePASV, "(127,0,0,1,25)", 0},
		{parsePASV, "(127,0,0,1,25,)", 0},
		{parsePASV, "(127,0,0,1,,25,46)", 0},
		{parsePASV, "(127,0,0,1,25,46,7)", 0},
		{parsePASV, "(127,0,0,1,0,0)", 0},
		{parsePASV, "(127,0,0,1,256,1)", 0},
		{parsePASV, "(127,0,0,1,1,256)", 0},
		{parsePASV, "(1270,0,0,1,25,46)", 0},
		{parsePASV, "(127,0,0,1,25,4600)", 0},
		{parsePASV, "(127,0,0,1,-25,46)", 0},
		{parsePASV, "(127,0,0,1, 25,46)", 0},
		{parsePASV, "(127.0.0.1.25.46)", 0},
		{parsePASV, "127,0,0,1,2\x005,46", 0},
		{parsePASV, "127,0,0,1,2\xff,46", 0},
		{parsePASV, ",,,,,", 0},
		{parsePASV, "127,0,0,1,\u0662\u0665,46", 0},
	} {
		if got, err := c.parse(c.text); got != c.want || (err == nil) != (c.want != 0) {
			t.Errorf("%q: got %d, %v; want %d", c.text, got, err, c.want)
		}
	}
}

// What the parsers take has these shapes, whatever a server writes.
var (
	replyShape = regexp.MustCompile(`^[1-5][0-9][0-9]([ -]|$)`)
	epsvShape  = regexp.MustCompile(`\(([!-~])([!-~])([!-~])([0-9]{1,5})([!-~])\)`)
	pasvShape  = regexp.MustCompile(`([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3}),([0-9]{1,3})`)
)

func FuzzFTPReply(f *testing.F) {
	for _, seed := range []string{"220 hello\r\n", "220-a\r\n b\r\n220 c\r\n", "227 (1,2,3,4,5,6)\r\n", "229 (|||1|)\r\n", "22", "999 x\n", "220-\n220-\n", "", "2", "022 x\n", "622 x\n", "22a x\n", "2222\n", "220\tx\n", "220\n", "227 1,2,3,4,5,6\n", "229 (((((1((\n", "\xff20 \n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code, line, err := readReply(bufio.NewReaderSize(strings.NewReader(text), maxReplyLine))
		if err == nil && (code < 100 || code > 599 || strings.ContainsRune(line, '\n')) {
			t.Errorf("%q is %d %q", text, code, line)
		}
		for shape, parse := range map[*regexp.Regexp]func(string) (int, error){epsvShape: parseEPSV, pasvShape: parsePASV} {
			for _, text := range []string{line, text} {
				if port, err := parse(text); err == nil && (port < 1 || port > 65535 || !shape.MatchString(text)) {
					t.Errorf("%q names port %d", text, port)
				}
			}
		}
		if got, want := isReply(text), replyShape.MatchString(text); got != want {
			t.Errorf("%q begins a reply: %t, want %t", text, got, want)
		}
	})
}
