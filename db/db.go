// Package db is the only truth: gorm models that are the domain's nouns, the queries on them, and the SQL
// migrations per dialect. One file per noun. It knows SQLite (embedded default: WAL, one writer) and
// MySQL/MariaDB, and holds no business rules.
package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/glebarez/sqlite"
	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrNotFound  = errors.New("not found")
	ErrDuplicate = errors.New("already exists")
	// ErrStale means that somebody else changed the row since it was read.
	ErrStale = errors.New("changed by somebody else meanwhile")
)

// DB is a connection to the database. Reads and writes are apart because SQLite takes one writer at a time:
// queueing for it in Go is fair and cheap, the driver's busy loop is neither.
type DB struct {
	r, w    *gorm.DB
	dialect string
	inTx    bool // this is what Tx passes on
}

// Open connects to a database URL: "sqlite:PATH" or "mysql://user:password@host:port/name?param=value"
// (unix sockets: "mysql://user@unix(/run/mysqld.sock)/name"). It does not migrate; see Migrate.
func Open(ctx context.Context, rawURL string) (*DB, error) {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	if !ok {
		return nil, fmt.Errorf("cannot open the database: %q is neither sqlite:PATH nor mysql://…", redact(rawURL))
	}
	var d *DB
	var err error
	switch scheme {
	case "sqlite":
		d, err = openSQLite(strings.TrimPrefix(rest, "//"))
	case "mysql", "mariadb":
		d, err = openMySQL(strings.TrimPrefix(rest, "//"))
	default:
		return nil, fmt.Errorf("cannot open the database: unknown kind %q, want sqlite or mysql", scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the database %s: %w", redact(rawURL), err)
	}
	if err := d.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot reach the database %s: %w", redact(rawURL), err), d.Close())
	}
	return d, nil
}

func openSQLite(path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// The file must exist with its final mode before the driver makes it with a wider one.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=foreign_keys(1)"
	w, err := gorm.Open(sqlite.Open(dsn+"&_txlock=immediate"), gormConfig())
	if err != nil {
		return nil, err
	}
	if err := limit(w, 1); err != nil {
		return nil, err
	}
	r, err := gorm.Open(sqlite.Open(dsn), gormConfig())
	if err != nil {
		return nil, err
	}
	return &DB{r: r, w: w, dialect: "sqlite"}, errors.Join(limit(r, 8), limitQueries(r, "sqlite"), limitQueries(w, "sqlite"))
}

func openMySQL(dsn string) (*DB, error) {
	at := strings.LastIndex(dsn, "@")
	if at >= 0 && !strings.Contains(dsn[at:], "(") {
		host, rest, _ := strings.Cut(dsn[at+1:], "/")
		dsn = dsn[:at+1] + "tcp(" + host + ")/" + rest
	}
	c, err := mysqldriver.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	c.ParseTime, c.Loc, c.ClientFoundRows, c.InterpolateParams = true, time.UTC, true, true
	if c.Params == nil {
		c.Params = map[string]string{}
	}
	// Without a fixed session zone TIMESTAMP defaults would depend on the database's host.
	c.Params["time_zone"] = "'+00:00'"
	c.Timeout = 10 * time.Second
	connector, err := mysqldriver.NewConnector(c)
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(readCommitted{connector})
	g, err := gorm.Open(mysql.New(mysql.Config{Conn: pool, DSNConfig: c, DontSupportRenameColumn: true}), gormConfig())
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &DB{r: g, w: g, dialect: "mysql"}, errors.Join(limit(g, 16), limitQueries(g, "mysql"))
}

// readCommitted opens connections at that level. MySQL's default locks the gaps between rows as well, so that two
// operations whose tasks lie side by side in an index would deadlock. It is a statement because the variable for it has
// one name in MySQL 8 and another in MariaDB 10.
type readCommitted struct{ driver.Connector }

// Connect opens a connection.
func (r readCommitted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	const level = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, level, nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// gormConfig leaves gorm's cache of prepared statements off: a transaction that waits for a statement which
// another goroutine prepares, while that one waits for the transaction's connection, would wait for ever.
func gormConfig() *gorm.Config {
	return &gorm.Config{
		TranslateError:         true,
		SkipDefaultTransaction: true,
		NowFunc:                Now,
		Logger:                 logger.Discard,
	}
}

func limit(g *gorm.DB, conns int) error {
	s, err := g.DB()
	if err != nil {
		return err
	}
	s.SetMaxOpenConns(conns)
	s.SetMaxIdleConns(conns)
	s.SetConnMaxIdleTime(10 * time.Minute)
	return nil
}

// Now is the present in UTC, cut to the milliseconds that both dialects store.
func Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Dialect is "sqlite" or "mysql".
func (d *DB) Dialect() string { return d.dialect }

// Ping checks that the database answers.
func (d *DB) Ping(ctx context.Context) error {
	s, err := d.sql()
	if err != nil {
		return err
	}
	return s.PingContext(ctx)
}

// Close ends all connections.
func (d *DB) Close() error {
	var errs []error
	for _, g := range []*gorm.DB{d.r, d.w} {
		s, err := g.DB()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Tx runs fn in one transaction; the DB passed to fn reads its own writes. An error from fn rolls back. When MySQL ends
// the transaction to resolve a deadlock, fn runs again in another one: it must begin anew each time.
func (d *DB) Tx(ctx context.Context, fn func(tx *DB) error) error {
	for try := 1; ; try++ {
		err := d.w.WithContext(ctx).Transaction(func(g *gorm.DB) error {
			return fn(&DB{r: g, w: g, dialect: d.dialect, inTx: true})
		})
		if d.inTx || try == deadlockTries || !isDeadlock(err) {
			return err
		}
	}
}

// deadlockTries bounds how often a transaction is run. The winner of a deadlock goes on, so that more than a second try
// is rare.
const deadlockTries = 10

// isDeadlock tells the error of a transaction that MySQL has rolled back whole, ER_LOCK_DEADLOCK.
func isDeadlock(err error) bool {
	var e *mysqldriver.MySQLError
	return errors.As(err, &e) && e.Number == 1213
}

func (d *DB) sql() (*sql.DB, error) { return d.w.DB() }

func (d *DB) read(ctx context.Context) *gorm.DB { return d.r.WithContext(ctx) }

func (d *DB) write(ctx context.Context) *gorm.DB { return d.w.WithContext(ctx) }

// translate turns gorm's errors into this package's; what is "cannot …" says what was being done.
func translate(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gorm.ErrRecordNotFound):
		return fmt.Errorf("cannot %s: %w", what, ErrNotFound)
	case errors.Is(err, gorm.ErrDuplicatedKey):
		return fmt.Errorf("cannot %s: %w", what, ErrDuplicate)
	}
	return fmt.Errorf("cannot %s: %w", what, err)
}

// changed is translate for updates that must hit a row.
func changed(what string, g *gorm.DB) error {
	if g.Error == nil && g.RowsAffected == 0 {
		return translate(what, gorm.ErrRecordNotFound)
	}
	return translate(what, g.Error)
}

// redact hides the password of a database URL.
func redact(rawURL string) string {
	at := strings.LastIndex(rawURL, "@")
	if at < 0 {
		return rawURL
	}
	scheme, credentials, ok := strings.Cut(rawURL[:at], "://")
	if !ok {
		scheme, credentials = "", rawURL[:at]
	}
	user, _, _ := strings.Cut(credentials, ":")
	return scheme + "://" + user + ":…" + rawURL[at:]
}

// LogValue keeps credentials out of logs.
func (d *DB) LogValue() slog.Value { return slog.StringValue(d.dialect) }
