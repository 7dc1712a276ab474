package web

import (
	"context"
	"crypto/x509"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"

	"hostler/server/job"
)

// Limits of one wake channel. There is one for every host, and nearly all of them are idle.
const (
	wakePing  = time.Minute
	wakePong  = wakePing + 30*time.Second
	wakeWrite = 5 * time.Second // an agent that does not take a few bytes in this time is gone
	wakeBye   = time.Second / 2 // a revoked certificate's channel is cut within a second
	wakeRead  = 512             // bytes of one message of the agent, which has nothing to say
)

var wakeUpgrader = websocket.Upgrader{
	HandshakeTimeout: wakeWrite, ReadBufferSize: 256, WriteBufferSize: 256, WriteBufferPool: &sync.Pool{},
	// The certificate says who asks; no browser has one.
	CheckOrigin: func(*http.Request) bool { return true },
	Error:       func(http.ResponseWriter, *http.Request, int, error) {},
}

// wakeHub holds the channel of every host that opened one, and hands on what the bus says.
type wakeHub struct {
	web    *Web
	ctx    context.Context // ends with the hub
	stop   context.CancelFunc
	cancel func() // ends the subscription
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[int64]*wakeConn // by host: a newer one replaces an older one
}

// wakeConn is one channel. A goroutine reads it; others that come and go write.
type wakeConn struct {
	host int64
	ws   *websocket.Conn
	leaf *x509.Certificate

	mu      sync.Mutex
	writing bool
	again   bool // asked for while something was written
}

func newWakeHub(w *Web) *wakeHub {
	ctx, stop := context.WithCancel(context.Background())
	return &wakeHub{web: w, ctx: ctx, stop: stop, conns: map[int64]*wakeConn{}}
}

// has says whether a host can be woken.
func (h *wakeHub) has(host int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conns[host] != nil
}

func (h *wakeHub) start() (err error) {
	h.cancel, err = h.web.Bus.Subscribe(job.WakeTopic+".*", func(topic string, _ []byte) {
		if id, err := strconv.ParseInt(strings.TrimPrefix(topic, job.WakeTopic+"."), 10, 64); err == nil {
			h.wake(id)
		}
	})
	if err != nil {
		return err
	}
	lapsed := h.web.Bus.OnLapse(h.wakeAll)
	unsubscribe := h.cancel
	h.cancel = func() { unsubscribe(); lapsed() }
	h.wg.Go(h.keepAlive)
	h.wg.Go(h.checkCertificates)
	return nil
}

// openWake is GET /agent/wake. The handler returns at once: what it and the HTTP server hold of a request would be most
// of what an idle channel costs.
func (w *Web) openWake(c *gin.Context) error {
	id, _, err := w.Fleet.Identify(c.Request.Context(), certificate(c))
	if err != nil {
		return err
	}
	leaf := c.Request.TLS.PeerCertificates[0]
	ws, err := wakeUpgrader.Upgrade(c.Writer, c.Request, nil)
	if err != nil {
		return err
	}
	conn := &wakeConn{host: id, ws: ws, leaf: leaf}
	if !w.wakes.add(conn) {
		return ws.Close()
	}
	// A revocation while the channel was being opened found neither it nor its connection.
	if w.CA.CheckRevoked(serialOf(leaf)) != nil {
		return ws.Close()
	}
	// What was queued while the channel was being opened woke nobody.
	w.wakes.nudge(conn)
	return nil
}

// add takes a new channel and begins to read it; false when the hub is closed.
func (h *wakeHub) add(c *wakeConn) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	if old := h.conns[c.host]; old != nil {
		_ = old.ws.Close() // ends its reader
	}
	h.conns[c.host] = c
	h.wg.Go(func() { h.read(c) })
	return true
}

// read waits for the channel's end; pongs prove that the agent is there.
func (h *wakeHub) read(c *wakeConn) {
	defer h.remove(c)
	c.ws.SetReadLimit(wakeRead)
	extend := func(string) error { return c.ws.SetReadDeadline(time.Now().Add(wakePong)) }
	c.ws.SetPongHandler(extend)
	if extend("") != nil {
		return
	}
	for {
		if _, _, err := c.ws.NextReader(); err != nil {
			return
		}
	}
}

func (h *wakeHub) remove(c *wakeConn) {
	_ = c.ws.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.conns[c.host] == c {
		delete(h.conns, c.host)
	}
}

// wake tells a host's agent to report now. It never blocks.
func (h *wakeHub) wake(id int64) {
	h.mu.Lock()
	c := h.conns[id]
	h.mu.Unlock()
	if c != nil {
		h.nudge(c)
	}
}

// wakeAll tells all agents to report: messages were lost, and nobody knows for whom.
func (h *wakeHub) wakeAll() {
	for _, c := range h.all() {
		h.nudge(c)
	}
}

func (h *wakeHub) all() []*wakeConn {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.conns))
}

// nudge writes a message unless one is being written: then another follows.
func (h *wakeHub) nudge(c *wakeConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing {
		c.again = true
		return
	}
	c.writing = h.begin(func() { h.write(c) })
}

// begin runs do in a goroutine that close waits for; false when the hub is closed.
func (h *wakeHub) begin(do func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.wg.Go(do)
	}
	return !h.closed
}

// write sends messages until none is asked for. Closing the connection ends it at any time.
func (h *wakeHub) write(c *wakeConn) {
	for {
		err := c.ws.SetWriteDeadline(time.Now().Add(wakeWrite))
		if err == nil {
			err = c.ws.WriteMessage(websocket.TextMessage, []byte("{}"))
		}
		if err != nil {
			_ = c.ws.Close()
		}
		c.mu.Lock()
		if err != nil || !c.again {
			c.writing, c.again = false, false
			c.mu.Unlock()
			return
		}
		c.again = false
		c.mu.Unlock()
	}
}

// keepAlive pings every channel, evenly over time.
func (h *wakeHub) keepAlive() {
	const turns = 60
	tick := time.NewTicker(wakePing / turns)
	defer tick.Stop()
	for turn := int64(0); ; turn++ {
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			return
		}
		for _, c := range h.all() {
			if c.host%turns != turn%turns {
				continue
			}
			// A few bytes wait only for an agent that has stopped reading, and not long for that.
			if c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) != nil {
				_ = c.ws.Close()
			}
		}
	}
}

// checkCertificates closes, from time to time, the channels whose certificate is no longer good. It is apart from the
// pings because it may wait for the database.
func (h *wakeHub) checkCertificates() {
	tick := time.NewTicker(identityTTL)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			return
		}
		for _, c := range h.all() {
			h.check(c)
		}
	}
}

// check closes a channel whose certificate is no longer good. When that cannot be found out it stays, for now.
func (h *wakeHub) check(c *wakeConn) {
	ctx, cancel := context.WithTimeout(h.ctx, wakeWrite)
	defer cancel()
	if _, err := h.web.agents.find(ctx, h.web.CA, c.leaf); refusal(err) {
		c.end()
	}
}

// cut closes the channels of certificates that were just revoked. It does not wait for their agents.
func (h *wakeHub) cut(serials []string) {
	revoked := make(map[string]bool, len(serials))
	for _, serial := range serials {
		revoked[serial] = true
	}
	for _, c := range h.all() {
		if revoked[serialOf(c.leaf)] {
			h.begin(c.end)
		}
	}
}

// end closes a channel whose certificate is no longer good.
func (c *wakeConn) end() {
	c.bye(websocket.ClosePolicyViolation, "the certificate is no longer good")
	_ = c.ws.Close()
}

func (c *wakeConn) bye(code int, why string) {
	// The agent may be gone already; there is nobody to tell then.
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, why), time.Now().Add(wakeBye))
}

// connections counts the channels.
func (h *wakeHub) connections() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.conns)
}

// close ends all channels and waits for them.
func (h *wakeHub) close() {
	h.cancel()
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.stop()
	for _, c := range h.all() {
		c.bye(websocket.CloseGoingAway, "the server is stopping")
		_ = c.ws.Close()
	}
	h.wg.Wait()
}
