package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"hostler/db"
	"hostler/server/event"
)

// Time limits of connections. A slow or silent client must not hold one for ever; downloads and live pages
// may take long: there each write is limited, not the whole answer.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = time.Minute
	idleTimeout   = 10 * time.Minute // longer than most steps, so that agents keep their connection
)

// openListeners binds all ports before anything else relies on them, so that a port in use is told at once.
func (a *App) openListeners(ctx context.Context) error {
	for _, l := range []struct {
		name, address string
		to            *net.Listener
	}{
		{"pages and API", a.opts.Listen, &a.public},
		{"enrolment", a.opts.Handshake, &a.handshake},
		{"heartbeats", a.opts.Secured, &a.secured},
	} {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.address)
		if err != nil {
			return fmt.Errorf("cannot listen for %s: %w", l.name, err)
		}
		*l.to = listener
		a.atStop("listening for "+l.name, func(context.Context) error {
			if err := listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
	}
	return nil
}

// serve answers on all ports.
func (a *App) serve(ctx context.Context) error {
	handshake, err := a.tlsFor()
	if err != nil {
		return err
	}
	secured := a.securedTLS(handshake)
	var public *tls.Config
	if a.opts.ListenTLS() {
		if public, err = a.publicTLS(handshake); err != nil {
			return err
		}
	}
	agents := a.server(a.web.Secured(), bodyTimeout)
	a.web.WatchSecured(agents)
	a.run("pages and API", a.public, public, a.server(a.web.Public(), bodyTimeout), true)
	a.run("enrolment", a.handshake, handshake, a.server(whileReading(a.web.Handshake(), bodyTimeout), 0), true)
	a.run("heartbeats", a.secured, secured, agents, false)
	a.log.Info("serving", "version", a.version, "pages", a.URL(), "enrolment", a.handshake.Addr().String(),
		"heartbeats", a.secured.Addr().String(), "advertise", a.opts.Advertise, "database", a.db)
	a.events.Record(ctx, db.Event{Kind: event.ServerStarted, Params: map[string]string{"version": a.version}})
	return nil
}

// server answers with h within the limits of all ports; write is what sending an answer may take, 0 for any time.
func (a *App) server(h http.Handler, write time.Duration) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: write, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
}

// run serves one port until Stop. http2 costs memory per connection that agents have no use for.
func (a *App) run(name string, l net.Listener, config *tls.Config, s *http.Server, http2 bool) {
	s.Protocols = new(http.Protocols)
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(http2)
	if config != nil {
		config.NextProtos = []string{"http/1.1"}
		if http2 {
			config.NextProtos = []string{"h2", "http/1.1"}
		}
		l = tls.NewListener(l, config)
	}
	a.wg.Go(func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("cannot go on serving %s: %w", name, err)
		}
	})
	a.atStop("serving "+name, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			return s.Close()
		}
		return nil
	})
}
