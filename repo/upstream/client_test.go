package upstream

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"hostler/repo/upstream/upstreamtest"
)

var content = bytes.Repeat([]byte("0123456789abcdef"), 20_000)

func sumOf(data []byte) Sum {
	sum := sha256.Sum256(data)
	return Sum{"sha256", hex.EncodeToString(sum[:]), int64(len(data))}
}

func serve(t *testing.T, do http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(do)
	t.Cleanup(s.Close)
	return s.URL
}

func fetch(t *testing.T, c *Client, address string, want Sum) ([]byte, error) {
	t.Helper()
	body := c.Open(t.Context(), address, want)
	defer func() { _ = body.Close() }()
	return io.ReadAll(body)
}

// breaking sends a part, promises all and hangs up.
func breaking(w http.ResponseWriter, data []byte, part int) {
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data[:part])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func TestATransferGoesOnWhereItBrokeOff(t *testing.T) {
	for name, ranges := range map[string]bool{"with ranges": true, "without ranges": false} {
		t.Run(name, func(t *testing.T) {
			var asked, sent atomic.Int64
			address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				n := asked.Add(1)
				data := content
				if from, found := strings.CutPrefix(r.Header.Get("Range"), "bytes="); found && ranges {
					at, err := strconv.Atoi(strings.TrimSuffix(from, "-"))
					if err != nil {
						t.Errorf("asked for %q", from)
					}
					data = content[at:]
					w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", at, len(content)-1, len(content)))
					w.WriteHeader(http.StatusPartialContent)
				}
				if n < 3 {
					sent.Add(int64(len(data) / 3))
					breaking(w, data, len(data)/3)
				}
				sent.Add(int64(len(data)))
				_, _ = w.Write(data)
			})
			got, err := fetch(t, newClient(t, upstreamtest.Loopback), address, sumOf(content))
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
			if ranges && sent.Load() != int64(len(content)) {
				t.Errorf("%d bytes were sent for %d", sent.Load(), len(content))
			}
		})
	}
}

func TestWhatIsNoFile(t *testing.T) {
	other := bytes.Clone(content)
	other[7] ^= 1
	for name, c := range map[string]struct {
		do   http.HandlerFunc
		code string
	}{
		"another content": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(other) }, CodeChanged},
		"more": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(content[:len(content):len(content)], 1))
		}, CodeChanged},
		"ever cut off": {func(w http.ResponseWriter, _ *http.Request) { breaking(w, content, 0) }, CodeUnreachable},
		"another part": {func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Range") == "" {
				breaking(w, content, 1000)
			}
			w.Header().Set("Content-Range", "bytes 0-9/10")
			w.WriteHeader(http.StatusPartialContent)
		}, CodeUnreadable},
		"redirects without end": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x"+r.URL.Path, http.StatusFound) }, CodeRefused},
		"a file of the server": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, CodeAddress},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fetch(t, newClient(t, upstreamtest.Loopback), serve(t, c.do)+"/x", sumOf(content))
			wantCode(t, err, c.code)
		})
	}
}

// TestAddressesOfItsOwnAreNotAsked has an upstream on another loopback address lead to one that is not allowed.
func TestAddressesOfItsOwnAreNotAsked(t *testing.T) {
	reached := false
	secret := serve(t, func(http.ResponseWriter, *http.Request) { reached = true })
	listener, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	to := secret
	front := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to, http.StatusFound)
	})}}
	front.Start()
	t.Cleanup(front.Close)
	c := newClient(t, []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(secret, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, to = range []string{secret, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port, "http://169.254.169.254/latest", "http://[fe80::1]/", "http://0.0.0.0:" + port, "http://224.0.0.1/"} {
		_, err := fetch(t, c, front.URL, sumOf(content))
		wantCode(t, err, CodeAddress)
	}
	_, err = fetch(t, newClient(t, nil), secret, sumOf(content))
	wantCode(t, err, CodeAddress)
	if reached {
		t.Error("it was asked")
	}
}

func TestAProxyIsAsked(t *testing.T) {
	asked := ""
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		_, _ = w.Write(content)
	})
	client := func(allow ...netip.Prefix) *Client {
		c, err := NewClient(Options{Proxy: proxy, Pause: noPause, Allow: allow})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	c := client(netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128"))
	if got, err := fetch(t, c, "http://upstream.example/file", sumOf(content)); err != nil || !bytes.Equal(got, content) || asked != "http://upstream.example/file" {
		t.Errorf("got %d bytes, %v; the proxy was asked for %q", len(got), err, asked)
	}
	c, asked = client(), ""
	for _, address := range []string{
		"http://127.0.0.1/x", "http://localhost/x", "http://a.localhost./x", "http://169.254.169.254/",
		"http://upstream.example/file", // by a proxy that is the server's own address
	} {
		_, err := fetch(t, c, address, sumOf(content))
		wantCode(t, err, CodeAddress)
	}
	if asked != "" {
		t.Errorf("a proxy at an address that is not to be asked was asked for %q", asked)
	}
}

// TestBandwidthIsBounded counts time as the limiter does: reading is free, only waiting takes time.
func TestBandwidthIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{limit: rate.NewLimiter(64<<10, burst)}
		began := time.Now()
		n, err := io.Copy(io.Discard, c.paced(t.Context(), io.NopCloser(bytes.NewReader(make([]byte, 640<<10)))))
		if took := time.Since(began); err != nil || n != 640<<10 || took < 8*time.Second || took > 11*time.Second {
			t.Errorf("%d bytes at 64 KiB a second took %s, %v", n, took, err)
		}
	})
}

func TestASilentUpstreamIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		defer func() { _ = w.Close() }()
		c := &Client{}
		began := time.Now()
		_, err := io.Copy(io.Discard, c.paced(t.Context(), r))
		if err == nil || time.Since(began) != stall {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestAddressesThatAreNotTaken(t *testing.T) {
	for _, text := range []string{"", "debian", "ftp://x/", "http://", "http://user:secret@x/", "http://x/?a=b", "http://x/#a", "file:///etc"} {
		if _, err := ParseURL(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if _, err := ParseURL("https://deb.example:8443/debian/"); err != nil {
		t.Error(err)
	}
}
