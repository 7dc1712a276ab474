package report

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"hostler/agent/clock"
	"hostler/agent/link"
	"hostler/agent/wire"
)

const (
	// wakeBuffer is enough for messages whose content does not matter.
	wakeBuffer = 256
	// pingEvery keeps the connection in the tables of routers on the way; one that has brought nothing, not even
	// a pong, for silentFor is dead.
	pingEvery = 50 * time.Second
	silentFor = 2*pingEvery + 10*time.Second
	// wakeWrite bounds the sending of a ping.
	wakeWrite = 10 * time.Second
	// wakePace is how far apart heartbeats are that the server asks for.
	wakePace = 200 * time.Millisecond
	// Waits between attempts at the channel.
	firstWakeWait = time.Second
	maxWakeWait   = 5 * time.Minute
)

// Waker holds the wake channel: one WebSocket whose every message means "report now". Everything works without
// it, later by up to a step.
type Waker struct {
	session *link.Session
	clock   clock.Clock
	log     *slog.Logger
	woken   chan struct{}
}

// NewWaker makes a Waker; Run does the work.
func NewWaker(session *link.Session, c clock.Clock, log *slog.Logger) *Waker {
	return &Waker{session: session, clock: c, log: log, woken: make(chan struct{}, 1)}
}

// Woken receives when the server wants a heartbeat.
func (w *Waker) Woken() <-chan struct{} { return w.woken }

// Run keeps the channel open until ctx ends.
func (w *Waker) Run(ctx context.Context) {
	backoff := link.Backoff{First: firstWakeWait, Max: maxWakeWait}
	for ctx.Err() == nil {
		address, config, changed := w.session.Get()
		if address == "" {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		wait := w.listen(ctx, address, config, changed, &backoff)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-w.clock.After(wait):
		}
	}
}

// listen is one life of the channel; it returns how long to wait before the next.
func (w *Waker) listen(ctx context.Context, address string, config *tls.Config, changed <-chan struct{}, backoff *link.Backoff) time.Duration {
	dialer := websocket.Dialer{
		TLSClientConfig: config, HandshakeTimeout: 15 * time.Second,
		ReadBufferSize: wakeBuffer, WriteBufferSize: wakeBuffer,
	}
	connection, response, err := dialer.DialContext(ctx, "wss://"+address+wire.PathWake, nil)
	if response != nil {
		_ = response.Body.Close() // the dialer has read what it needs
	}
	if err != nil {
		if response != nil && response.StatusCode == http.StatusNotFound {
			return absentFor + link.Jitter(absentFor/10)
		}
		return backoff.Next()
	}
	w.log.Info("the server can wake this agent", "server", address)
	ending, end := context.WithCancel(ctx)
	pinging := make(chan struct{})
	go func() { defer close(pinging); w.ping(ending, connection, changed) }()
	connection.SetReadLimit(4 << 10)
	connection.SetPongHandler(func(string) error { return connection.SetReadDeadline(time.Now().Add(silentFor)) })
	for {
		_ = connection.SetReadDeadline(time.Now().Add(silentFor)) // a closed connection fails below
		if _, _, err = connection.ReadMessage(); err != nil {
			break
		}
		backoff.Reset()
		signal(w.woken)
	}
	end()
	<-pinging
	_ = connection.Close() // ping has closed it
	if ctx.Err() == nil {
		w.log.Info("the server cannot wake this agent any more", "server", address, "reason", err)
	}
	return backoff.Next()
}

// ping pings until ctx ends, the server or the identity changes, or the connection fails; then it closes it.
func (w *Waker) ping(ctx context.Context, connection *websocket.Conn, changed <-chan struct{}) {
	defer func() { _ = connection.Close() }() // nothing is under way that matters
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
			return
		case <-tick.C:
			if connection.WriteControl(websocket.PingMessage, nil, time.Now().Add(wakeWrite)) != nil {
				return
			}
		}
	}
}

func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}
