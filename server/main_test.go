package main

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/rogpeppe/go-internal/testscript"

	"hostler/db/dbtest"
)

func TestMain(m *testing.M) {
	// A process built with -race waits a second before it exits, which hundreds of commands need not.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"hostler": main})
}

// TestCommands runs the scripts in testdata with the real program. Beside testscript's own commands they have:
//
//	start [FLAG…]              starts "hostler serve" on free ports and waits until it serves; $URL is its address
//	halt                       ends it and waits; it must exit with 0 (testscript has a "stop" that ends the script)
//	status CODE PATH [FILE]    asks it for a path, as the program whose bearer token is in a file
//	newer                      makes the database look as if a newer program had used it
//	forge                      changes an entry of the audit log in the database
//	manage NAME                makes the database look as if a host had registered
//	await NAME                 makes it look as if a host without a token waits for approval
//
// What the server says is in serve.out, its log in serve.log. The condition [sqlite] tells which database it is.
func TestCommands(t *testing.T) {
	mysql := os.Getenv(dbtest.Env) != ""
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			if mysql {
				e.Setenv("HOSTLER_DB", dbtest.URL(t))
			}
			e.Setenv("GORACE", os.Getenv("GORACE"))
			e.Values[serverKey{}] = &server{}
			return nil
		},
		Condition: func(name string) (bool, error) {
			if name != "sqlite" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return !mysql, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "halt": halt, "status": status, "newer": newer, "forge": forge, "manage": manage, "await": await,
		},
	})
}

// server is the server that a script runs, if any.
type server struct{ cmd *exec.Cmd }

type serverKey struct{}

func start(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(serverKey{}).(*server)
	if neg || s.cmd != nil {
		ts.Fatalf("usage: start [FLAG…], one at a time")
	}
	// A server that never gets ready ends with the context, and its output with it. One that does may take as
	// long as its script takes.
	ctx, cancel := context.WithCancel(context.Background())
	ts.Defer(cancel)
	impatience := time.AfterFunc(time.Minute, cancel)
	defer impatience.Stop()
	free := []string{"serve", "--listen", "127.0.0.1:0", "--handshake", "127.0.0.1:0", "--secured", "127.0.0.1:0"}
	s.cmd = exec.CommandContext(ctx, "hostler", append(free, args...)...)
	s.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "HOSTLER_DB", "GORACE"} {
		if v := ts.Getenv(name); v != "" {
			s.cmd.Env = append(s.cmd.Env, name+"="+v)
		}
	}
	log, err := os.Create(ts.MkAbs("serve.log"))
	ts.Check(err)
	ts.Defer(func() { _ = log.Close() })
	s.cmd.Stderr = log
	out, err := s.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(s.cmd.Start())
	ts.Defer(func() { _ = end(s) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		ts.Fatalf("the server did not start: %v\n%s", err, ts.ReadFile("serve.log"))
	}
	ts.Check(os.WriteFile(ts.MkAbs("serve.out"), []byte(line), 0o600))
	_, url, ok := strings.Cut(line, "http://")
	if !ok {
		ts.Fatalf("the server did not say where it is: %s", line)
	}
	host, _, _ := strings.Cut(strings.TrimSpace(url), "/")
	ts.Setenv("URL", "http://"+host)
	ts.Setenv("ADDRESS", host)
}

// end asks the server to stop and waits for it.
func end(s *server) error {
	if s.cmd == nil {
		return nil
	}
	cmd := s.cmd
	s.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return cmd.Wait()
}

func halt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: halt")
	}
	ts.Check(end(ts.Value(serverKey{}).(*server)))
}

func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: status CODE PATH [FILE]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, ts.Getenv("URL")+args[1], nil)
	ts.Check(err)
	if len(args) == 3 {
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(ts.ReadFile(args[2])))
	}
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	ts.Check(answer.Body.Close())
	if got := fmt.Sprint(answer.StatusCode); got != args[0] {
		ts.Fatalf("%s was answered with %s, not %s", args[1], got, args[0])
	}
}

func newer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: newer")
	}
	execute(ts, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
}

func forge(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: forge")
	}
	execute(ts, "UPDATE audit_entries SET actor = 'mallory' WHERE id = 1")
}

func manage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: manage NAME")
	}
	execute(ts, "INSERT INTO hosts (agent_sn, name, fqdn, cluster, address, state, tags, os_name, arch, agent_version, step, created_at, updated_at) "+
		"VALUES ('0199aaaa-0000-7000-8000-000000000001', '"+args[0]+"', '', '', '', 'lost', '', '', '', '', 0, '2026-01-01 00:00:00', '2026-01-01 00:00:00')")
}

// await has a host wait for approval, as an agent without a token does.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await NAME")
	}
	execute(ts, "INSERT INTO enrol_requests (key_hash, hostname, agent_sn, csr, address, machine, state, conflict, decided_by, serial, certificate, created_at, seen_at) "+
		"VALUES ('c0ffee', '"+args[0]+"', '', '', '', '', 'waiting', '', '', '', '', '2026-01-01 00:00:00', '2126-01-01 00:00:00')")
}

// execute runs a statement on the script's database, as anybody may who can write to it.
func execute(ts *testscript.TestScript, statement string) {
	driver, source := "sqlite", "file:"+ts.MkAbs("data/hostler.db")+"?_pragma=busy_timeout(10000)"
	if url := ts.Getenv("HOSTLER_DB"); url != "" {
		driver, source = "mysql", strings.TrimPrefix(url, "mysql://")
	}
	d, err := sql.Open(driver, source)
	ts.Check(err)
	_, err = d.Exec(statement)
	ts.Check(err)
	ts.Check(d.Close())
}
