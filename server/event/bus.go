// Package event carries changes: a bus on which every change of a host, an operation or a task is published
// once, and the event log in which what is worth finding again is kept. The bus is NATS, embedded by default,
// so that replicas can share an external one later. It carries no truth: whoever misses a message reads the
// database.
package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const prefix = "hostler."

// Bus publishes and subscribes. Topics are dot-separated words: "host.12", "task.3.45".
type Bus struct {
	conn     *nats.Conn
	embedded *server.Server
	log      *slog.Logger

	mu      sync.Mutex
	lapsed  map[int]func()
	counter int // of lapsed's keys
}

// OpenBus connects to the NATS server at url, or starts one inside this process when url is empty. The
// embedded server listens on no port.
func OpenBus(url string, log *slog.Logger) (*Bus, error) {
	b := &Bus{log: log, lapsed: map[int]func(){}}
	options := []nats.Option{
		nats.Name("hostler"), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(url != ""),
		nats.ReconnectHandler(func(*nats.Conn) { b.lapse("the message bus is connected again; messages may be lost") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrSlowConsumer) {
				b.lapse("a subscriber of the message bus is too slow; messages are lost")
				return
			}
			b.log.Error("the message bus has trouble", "err", err)
		}),
	}
	if url == "" {
		s, err := startEmbedded()
		if err != nil {
			return nil, fmt.Errorf("cannot start the embedded message bus: %w", err)
		}
		b.embedded = s
		options = append(options, nats.InProcessServer(s))
	}
	conn, err := nats.Connect(url, options...)
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("cannot connect to the message bus: %w", err)
	}
	b.conn = conn
	return b, nil
}

func startEmbedded() (*server.Server, error) {
	s, err := server.NewServer(&server.Options{
		ServerName: "hostler", DontListen: true, NoSigs: true, NoLog: true, MaxPayload: 1 << 20,
	})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, errors.New("it was not ready within 10 s")
	}
	return s, nil
}

// Publish sends v as JSON. Failures are logged and not returned: the change itself is in the database, and no
// caller could do better.
func (b *Bus) Publish(topic string, v any) {
	payload, err := json.Marshal(v)
	if err == nil {
		err = b.conn.Publish(prefix+topic, payload)
	}
	if err != nil {
		b.log.Error("cannot publish a change", "topic", topic, "err", err)
	}
}

// Subscribe calls fn for every message whose topic matches: "*" stands for one word, ">" for the rest. fn is
// called by one goroutine per subscription and must not block. cancel ends the subscription.
func (b *Bus) Subscribe(pattern string, fn func(topic string, payload []byte)) (cancel func(), err error) {
	sub, err := b.conn.Subscribe(prefix+pattern, func(m *nats.Msg) {
		fn(strings.TrimPrefix(m.Subject, prefix), m.Data)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot subscribe to %s: %w", pattern, err)
	}
	// Without the round trip a message published right after Subscribe returned could be missed.
	if err := b.conn.Flush(); err != nil {
		return nil, fmt.Errorf("cannot subscribe to %s: %w", pattern, err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

// OnLapse calls fn, which must not block, whenever subscribers may have missed messages: they are to read the database
// again. cancel ends that.
func (b *Bus) OnLapse(fn func()) (cancel func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counter++
	key := b.counter
	b.lapsed[key] = fn
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.lapsed, key)
	}
}

func (b *Bus) lapse(why string) {
	b.log.Warn(why)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, fn := range b.lapsed {
		fn()
	}
}

// Close ends the connection and the embedded server.
func (b *Bus) Close() {
	if b.conn != nil {
		b.conn.Close()
	}
	if b.embedded != nil {
		b.embedded.Shutdown()
		b.embedded.WaitForShutdown()
	}
}
