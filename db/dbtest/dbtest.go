// Package dbtest opens databases for tests: SQLite in a directory of the test, or, when HOSTLER_TEST_MYSQL
// holds the URL of a MySQL or MariaDB server, a database of the test's own there.
package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/uuid"

	"hostler/db"
)

// Env names the variable with the URL of the server, without a database: "mysql://root@unix(/path)/".
const Env = "HOSTLER_TEST_MYSQL"

// Open returns a migrated database that ends with the test.
func Open(t testing.TB) *db.DB {
	t.Helper()
	return OpenURL(t, Migrated(t))
}

// Migrated is the URL of a database without rows that ends with the test. On SQLite it is a copy of one that the process
// migrates once: the migrations would take a third of the time of tests that have a database each.
func Migrated(t testing.TB) string {
	t.Helper()
	url := URL(t)
	path, ok := strings.CutPrefix(url, "sqlite:")
	if !ok {
		if err := migrate(url); err != nil {
			t.Fatal(err)
		}
		return url
	}
	content, err := template()
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return url
}

// template is the file of a migrated SQLite database.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "hostler-dbtest-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system's temporary directory is cleaned in any case
	path := filepath.Join(dir, "template.db")
	if err := migrate("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path) // closing it has moved all of it into this file
})

func migrate(url string) error {
	ctx := context.Background()
	d, err := db.Open(ctx, url)
	if err != nil {
		return err
	}
	return errors.Join(d.Migrate(ctx), d.Close())
}

// OpenURL opens a database, as it is, until the test ends.
func OpenURL(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// URL is that of an empty database that ends with the test.
func URL(t testing.TB) string {
	t.Helper()
	server := os.Getenv(Env)
	if server == "" {
		return "sqlite:" + filepath.Join(t.TempDir(), "hostler.db")
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	Execute(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { Execute(t, server, "DROP DATABASE "+name) })
	return strings.TrimSuffix(server, "/") + "/" + name
}

// Refuse makes the database refuse to INSERT into, UPDATE or DELETE from a table those rows that when is true of, as
// it refuses all when the disk is full, until allow is called. when is SQL: "NEW.id > 1".
func Refuse(t testing.TB, url, verb, table, when string) (allow func()) {
	t.Helper()
	body := "WHEN " + when + " BEGIN SELECT RAISE(ABORT, 'refused by a test'); END"
	if !strings.HasPrefix(url, "sqlite:") {
		body = "FOR EACH ROW IF " + when + " THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused by a test'; END IF"
	}
	name := "refuse_" + strings.ToLower(verb) + "_" + table
	Execute(t, url, "CREATE TRIGGER "+name+" BEFORE "+verb+" ON "+table+" "+body)
	return func() { Execute(t, url, "DROP TRIGGER "+name) }
}

// Execute runs one statement on a database that somebody else may have open.
func Execute(t testing.TB, url, statement string) {
	t.Helper()
	s := open(t, url)
	defer func() { _ = s.Close() }()
	if _, err := s.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, url string) *sql.DB {
	t.Helper()
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		s, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	c, err := mysql.ParseDSN(strings.TrimPrefix(url, "mysql://"))
	if err != nil {
		t.Fatal(err)
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(connector)
}
