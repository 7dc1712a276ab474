package web

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"

	"hostler/server/account"
	"hostler/ui/live"
)

// Limits of one live connection.
const (
	liveEvery    = 200 * time.Millisecond // between two messages of a topic: five a second
	reloadEvery  = 2 * time.Second        // between two requests to load the page again
	livePing     = 30 * time.Second
	livePong     = livePing + 15*time.Second
	liveWrite    = 10 * time.Second // a browser that takes longer to read one message is gone
	liveRead     = 16 << 10         // bytes of one message from the page
	liveTopics   = 32
	pendingLimit = 2000 // rows that wait for a slow reader; more, and it loads the page again
)

var upgrader = websocket.Upgrader{
	HandshakeTimeout: liveWrite, ReadBufferSize: 1 << 10, WriteBufferSize: 16 << 10,
	// The handshake is a GET, which the check against foreign sites lets pass; the upgrader's own one (Origin must
	// be this host) is what guards it. Its refusals are answered like all others.
	Error: func(http.ResponseWriter, *http.Request, int, error) {},
}

// rowMaker renders a row in the language of the context; false means that the row is gone.
type rowMaker func(ctx context.Context) (live.Row, bool)

type valueMaker func(ctx context.Context) map[string]string

// change is what happened to one topic. It is rendered when it is sent, so that of several changes of a row only
// the last costs anything.
type change struct {
	topic  string
	id     string // of the row
	row    rowMaker
	values valueMaker
	reload bool
}

// connection is one open page.
type connection struct {
	web *Web
	ws  *websocket.Conn
	ctx context.Context // of the request: language, limit; ends with the connection
	who account.Identity

	mu      sync.Mutex
	pending map[string]*pending // by topic
	order   []string            // topics with something pending, oldest first
	wake    chan struct{}       // capacity 1
	check   chan struct{}       // capacity 1: sessions have ended, maybe this one

	// Only the writer uses these.
	seq      map[string]int64
	reloaded map[string]time.Time
}

// pending is what a topic has for a connection that was not sent yet.
type pending struct {
	rows   map[string]rowMaker
	order  []string
	values valueMaker
	reload bool
}

// live is GET /live: the WebSocket of one open page.
func (w *Web) live(c *gin.Context) error {
	ws, err := upgrader.Upgrade(c.Writer, c.Request, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	conn := &connection{
		web: w, ws: ws, ctx: ctx, who: identity(c), check: make(chan struct{}, 1), pending: map[string]*pending{}, wake: make(chan struct{}, 1),
		seq: map[string]int64{}, reloaded: map[string]time.Time{},
	}
	if !w.hub.add(conn) {
		return ws.Close()
	}
	conn.doubt() // it may have ended since it was looked at
	var writer sync.WaitGroup
	writer.Go(func() {
		// Closing ends the reader's wait, too.
		defer func() { _ = ws.Close() }()
		conn.write(func() bool { return w.sameRights(ctx, conn.who) })
	})
	conn.read(w.hub)
	cancel()
	writer.Wait()
	w.hub.remove(conn)
	return nil
}

// sameRights tells whether a session is still good and still that of the same role. When the database does not answer
// it is, for now.
func (w *Web) sameRights(ctx context.Context, who account.Identity) bool {
	now, err := w.Accounts.BySession(ctx, who.Session)
	if err != nil {
		return !errors.Is(err, account.ErrNotLoggedIn)
	}
	return now.Role == who.Role && now.Limit == who.Limit && now.LacksFactor == who.LacksFactor
}

// read takes subscriptions until the connection ends.
func (c *connection) read(h *hub) {
	c.ws.SetReadLimit(liveRead)
	extend := func(string) error { return c.ws.SetReadDeadline(time.Now().Add(livePong)) }
	c.ws.SetPongHandler(extend)
	if extend("") != nil {
		return
	}
	for {
		var m live.Subscribe
		if err := c.ws.ReadJSON(&m); err != nil {
			return
		}
		h.subscribe(c, m.Topics, time.Duration(m.Age)*time.Millisecond)
	}
}

// write sends what is pending, at most every liveEvery, and pings. It ends with the context, the session, or its role.
func (c *connection) write(sameRights func() bool) {
	ping := time.NewTicker(livePing)
	defer ping.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	wake := c.wake
	for {
		select {
		case <-wake:
			again, err := c.flush()
			if err != nil {
				return
			}
			if again {
				c.nudge()
			}
			wake = nil // not before the pause is over
			pause.Reset(liveEvery)
		case <-pause.C:
			wake = c.wake
		case <-c.check:
			if !sameRights() {
				c.bye(websocket.ClosePolicyViolation, sessionOver)
				return
			}
		case <-ping.C: // other processes end sessions, too
			if !sameRights() {
				c.bye(websocket.ClosePolicyViolation, sessionOver)
				return
			}
			if c.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(liveWrite)) != nil {
				return
			}
		case <-c.ctx.Done():
			return
		}
	}
}

const sessionOver = "the session has ended, or what it may see has changed"

func (c *connection) bye(code int, why string) {
	// The page may be gone already; there is nobody to tell then.
	_ = c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, why), time.Now().Add(time.Second))
}

// doubt makes the writer ask whether the session is still good.
func (c *connection) doubt() {
	select {
	case c.check <- struct{}{}:
	default:
	}
}

// nudge wakes the writer.
func (c *connection) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// push notes a change to be sent. It never blocks: what a slow reader has not taken is replaced by newer changes
// of the same rows, and by a request to load the page again when there is too much of it.
func (c *connection) push(ch change) {
	c.mu.Lock()
	p, ok := c.pending[ch.topic]
	if !ok {
		p = &pending{rows: map[string]rowMaker{}}
		c.pending[ch.topic] = p
		c.order = append(c.order, ch.topic)
	}
	if ch.row != nil {
		if _, known := p.rows[ch.id]; !known {
			p.order = append(p.order, ch.id)
		}
		p.rows[ch.id] = ch.row
	}
	if ch.values != nil {
		p.values = ch.values
	}
	p.reload = p.reload || ch.reload
	if len(p.rows) > pendingLimit {
		p.rows, p.order, p.reload = map[string]rowMaker{}, nil, true
	}
	c.mu.Unlock()
	c.nudge()
}

// flush sends what is pending, one message per topic. again means that something was held back.
func (c *connection) flush() (again bool, err error) {
	c.mu.Lock()
	topics, pendings := c.order, c.pending
	c.order, c.pending = nil, map[string]*pending{}
	c.mu.Unlock()
	now := time.Now()
	for _, topic := range topics {
		p := pendings[topic]
		if !c.web.sees(c.ctx, topic) { // any more
			continue
		}
		d := c.render(topic, p)
		if p.reload {
			if now.Sub(c.reloaded[topic]) >= reloadEvery {
				d.Reload, c.reloaded[topic] = true, now
			} else {
				c.push(change{topic: topic, reload: true})
				again = true
			}
		}
		if !d.Reload && len(d.Rows)+len(d.Removed)+len(d.Values) == 0 {
			continue
		}
		c.seq[topic]++
		d.Seq = c.seq[topic]
		if err := c.ws.SetWriteDeadline(time.Now().Add(liveWrite)); err != nil {
			return false, err
		}
		if err := c.ws.WriteJSON(d); err != nil {
			return false, err
		}
	}
	return again, nil
}

// render makes the message of a topic, without its sequence number.
func (c *connection) render(topic string, p *pending) live.Delta {
	d := live.Delta{Topic: topic}
	for _, id := range p.order {
		if !c.web.seesRow(c.ctx, topic, id) {
			continue
		}
		row, there := p.rows[id](c.ctx)
		if there {
			d.Rows = append(d.Rows, row)
		} else {
			d.Removed = append(d.Removed, id)
		}
	}
	if p.values != nil {
		d.Values = p.values(c.ctx)
	}
	return d
}
