package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"

	"hostler/db"
	"hostler/e2e/bench/rig"
	"hostler/e2e/swarm"
	"hostler/internal/bearer"
)

// server is a running "hostler serve" whose queue is full.
type server struct {
	*rig.Local
	session string
}

func createDatabase(ctx context.Context, server, name string) (drop func(), err error) {
	c, err := mysql.ParseDSN(strings.TrimPrefix(server, "mysql://"))
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	d := sql.OpenDB(connector)
	if _, err := d.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return func() {
		_, _ = d.ExecContext(context.WithoutCancel(ctx), "DROP DATABASE "+name)
		_ = d.Close()
	}, nil
}

func start(ctx context.Context, url, dir string) (*server, error) {
	session := bearer.New()
	if err := fill(ctx, url, session); err != nil {
		return nil, err
	}
	local, err := rig.StartLocal(ctx, dir, url)
	return &server{local, session}, err
}

// fill makes a session and the queue, before the server starts: over the network one address may not bring so many.
func fill(ctx context.Context, url, session string) error {
	d, err := db.Open(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	now := db.Now()
	user := &db.User{Name: "bench", Role: "administrator"}
	if err := d.CreateUser(ctx, user); err != nil {
		return err
	}
	err = d.CreateSession(ctx, &db.Session{Hash: bearer.Hash(session), UserID: user.ID, CreatedAt: now, LastUsedAt: now, ExpiresAt: now.Add(time.Hour)})
	if err != nil {
		return err
	}
	return d.Tx(ctx, func(tx *db.DB) error {
		for i := range waiting {
			r, err := request(fmt.Sprintf("waiting%05d.bench.test", i), now)
			if err != nil {
				return err
			}
			if err := tx.CreateEnrolRequest(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func request(name string, now time.Time) (*db.EnrolRequest, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(public)
	return &db.EnrolRequest{
		KeyHash: hex.EncodeToString(sum[:]), Hostname: name, State: db.EnrolWaiting, Address: "10.0.0.1", CreatedAt: now, SeenAt: now,
		CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
	}, nil
}

// applicants are the hosts of a round. That they make their keys is no work of the server's, and here it would take the
// processors from it.
func applicants(round int) (<-chan *swarm.Applicant, error) {
	all := make(chan *swarm.Applicant, enrolments)
	defer close(all)
	for i := range enrolments {
		p, err := swarm.Apply(fmt.Sprintf("host%d-%04d.bench.test", round, i))
		if err != nil {
			return nil, err
		}
		all <- p
	}
	return all, nil
}

// enrolMany enrols and registers the hosts of a round with a token, and says how long that took.
func (s *server) enrolMany(ctx context.Context, round int, hosts <-chan *swarm.Applicant) (time.Duration, error) {
	var token struct{ Token string }
	if err := s.API.Post(ctx, "enrol-tokens", map[string]any{"uses": enrolments}, &token); err != nil {
		return 0, err
	}
	to, err := s.reached()
	if err != nil {
		return 0, err
	}
	took, err := joinAll(ctx, to, token.Token, hosts)
	if err != nil {
		return 0, err
	}
	var list struct{ Items []json.RawMessage }
	err = s.API.Get(ctx, fmt.Sprintf("hosts?limit=1000&search=host%d-", round), &list)
	if err == nil && len(list.Items) != enrolments {
		err = fmt.Errorf("of %d hosts %d are registered", enrolments, len(list.Items))
	}
	return took, err
}

// reached is where hosts find the server.
func (s *server) reached() (to swarm.Server, err error) {
	to = swarm.Server{Name: "127.0.0.1", CA: s.CA}
	for address, port := range map[string]*int{s.Handshake: &to.Handshake, s.Secured: &to.Secured} {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return to, err
		}
		*port = int(at.Port())
	}
	return to, nil
}

// timeCut has hosts keep connections open, revokes their certificates, and says how long it took from the call until the last
// of them was closed.
func (s *server) timeCut(ctx context.Context) (time.Duration, error) {
	var token struct{ Token string }
	if err := s.API.Post(ctx, "enrol-tokens", map[string]any{"uses": revoked}, &token); err != nil {
		return 0, err
	}
	to, err := s.reached()
	if err != nil {
		return 0, err
	}
	names := make([]string, revoked)
	open, ended := make(chan struct{}, revoked), make(chan error, revoked)
	for i := range names {
		names[i] = fmt.Sprintf("cut%03d.bench.test", i)
		a, err := swarm.Join(ctx, to, names[i], token.Token)
		if err != nil {
			return 0, err
		}
		a.Close()
		go func() { ended <- a.Hold(ctx, func() { open <- struct{}{} }) }()
	}
	for range names {
		select {
		case <-open:
		case err := <-ended:
			return 0, fmt.Errorf("a connection ended before its certificate was revoked: %w", err)
		}
	}
	began := time.Now()
	if err := s.API.Post(ctx, "certificates/revoke", map[string]any{"hosts": names}, nil); err != nil {
		return 0, err
	}
	for range names {
		if err := <-ended; err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// joinAll enrols and registers hosts, some at a time, each with connections of its own, and says how long that took.
func joinAll(ctx context.Context, to swarm.Server, token string, hosts <-chan *swarm.Applicant) (time.Duration, error) {
	failed := make(chan error, together)
	began := time.Now()
	var working sync.WaitGroup
	for range together {
		working.Go(func() {
			for p := range hosts {
				a, err := p.Join(ctx, to, token)
				if err != nil {
					failed <- err
					return
				}
				a.Close()
			}
		})
	}
	working.Wait()
	took := time.Since(began)
	select {
	case err := <-failed:
		return 0, err
	default:
		return took, nil
	}
}

var (
	nextPage    = regexp.MustCompile(`href="([^"]+)" rel="next"`)
	waitingName = regexp.MustCompile(`waiting\d{5}\.bench\.test`)
)

// timePages goes through the queue to its end and says how long each page took, in seconds.
func (s *server) timePages(ctx context.Context) (times []float64, err error) {
	listed := map[string]bool{}
	for path := "/trust/waiting"; path != ""; {
		began := time.Now()
		page, err := s.page(ctx, path)
		if err != nil {
			return nil, err
		}
		times = append(times, time.Since(began).Seconds())
		for _, name := range waitingName.FindAll(page, -1) {
			listed[string(name)] = true
		}
		path = ""
		if next := nextPage.FindSubmatch(page); next != nil {
			path = html.UnescapeString(string(next[1]))
		}
	}
	if len(listed) != waiting {
		return nil, fmt.Errorf("the pages list %d hosts that wait, not %d", len(listed), waiting)
	}
	return times, nil
}

// page reads a page as a browser with a session does.
func (s *server) page(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Base+path, nil)
	if err != nil {
		return nil, err
	}
	r.AddCookie(&http.Cookie{Name: "hostler_session", Value: s.session})
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", path, answer.Status)
	}
	return body, err
}

// signAll signs the whole queue.
func (s *server) signAll(ctx context.Context) error {
	var reply struct{ Decided, Waiting int }
	err := s.API.Post(ctx, "enrol-requests/sign", map[string]any{"all": true}, &reply)
	if err == nil && (reply.Decided != waiting || reply.Waiting != 0) {
		err = fmt.Errorf("%d were signed, %d still wait", reply.Decided, reply.Waiting)
	}
	return err
}
