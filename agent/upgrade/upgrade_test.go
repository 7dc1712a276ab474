package upgrade

import (
	"crypto/sha256"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hostler/agent/agenttest"
)

// TestMain makes the test's own binary an agent that starts, so that Start can become another program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == GuardArgument {
		os.Exit(0) // the tests here are about the rest
	}
	if len(os.Args) == 3 && os.Args[1] == "start" {
		if err := Start(os.Args[2]); err != nil {
			panic(err)
		}
		if own, err := Binary(); err != nil || strings.HasPrefix(own, filepath.Clean(os.Args[2])+"/") {
			os.Stdout.WriteString("old")
			os.Exit(0)
		}
		os.Stdout.WriteString("new")
		os.Exit(0)
	}
	// A process built with -race waits a second before it exits.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// onTrial is a state directory with an upgrade, whose binaries are scripts.
func onTrial(t *testing.T) (dir string, record *Record) {
	t.Helper()
	dir = t.TempDir()
	record = &Record{Job: "j", From: "1", To: "2", Checksum: "SHA256:2", Binary: filepath.Join(dir, "agent"), Window: time.Minute, Phase: OnTrial}
	for path, text := range map[string]string{record.Binary: "#!/bin/sh\necho new", previous(record.Binary): "#!/bin/sh\necho old $1"} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := record.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir, record
}

func start(t *testing.T, dir string) string {
	t.Helper()
	output, err := exec.Command(os.Args[0], "start", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}

func TestABinaryThatDoesNotProveItselfMayStartThreeTimes(t *testing.T) {
	dir, record := onTrial(t)
	for i := range maxStarts {
		if got := start(t, dir); got != "new" {
			t.Fatalf("start %d: %q", i+1, got)
		}
	}
	if got := start(t, dir); got != "old start" {
		t.Errorf("one start too many: %q", got)
	}
	after, err := Read(dir)
	if err != nil || after.Phase != RolledBack || !strings.Contains(after.Reason, "3 times") {
		t.Errorf("record %+v, %v", after, err)
	}
	if text, _ := os.ReadFile(record.Binary); !strings.Contains(string(text), "old") {
		t.Errorf("in place is %q", text)
	}
	if err := after.RollBack(dir, "once more after a crash"); err != nil {
		t.Errorf("rolled back again: %v", err)
	}
	if err := after.Close(dir); err != nil {
		t.Fatal(err)
	}
	if bad, err := BadVersions(dir); err != nil || len(bad) != 1 || bad[0].Checksum != "SHA256:2" {
		t.Errorf("bad versions %+v, %v", bad, err)
	}
	if got := start(t, dir); got != "new" { // nothing is under way
		t.Errorf("afterwards: %q", got)
	}
}

// beside is onTrial as agents leave it that keep the new binary beside the old one: the old one is this test's own, which
// starts an agent, and the new one says so.
func beside(t *testing.T) (dir string, record *Record) {
	t.Helper()
	dir, record = onTrial(t)
	own, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	record.Trial = Fresh(record.Binary)
	if err := os.Rename(record.Binary, record.Trial); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record.Binary, own, 0o755); err != nil {
		t.Fatal(err)
	}
	if record.Checksum, err = Checksum(record.Trial); err != nil {
		t.Fatal(err)
	}
	if err := record.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir, record
}

func startIn(t *testing.T, dir string, record *Record) string {
	t.Helper()
	output, err := exec.Command(record.Binary, "start", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(output))
}

// TestTheOldBinaryCountsTheStartsOfTheNewOne never runs anything of the new one's that would count.
func TestTheOldBinaryCountsTheStartsOfTheNewOne(t *testing.T) {
	dir, record := beside(t)
	for i := range maxStarts {
		if got := startIn(t, dir, record); got != "new" {
			t.Fatalf("start %d: %q", i+1, got)
		}
	}
	if got := startIn(t, dir, record); got != "old" {
		t.Errorf("one start too many: %q", got)
	}
	after, err := Read(dir)
	if err != nil || after.Phase != RolledBack || !strings.Contains(after.Reason, "3 times") {
		t.Fatalf("record %+v, %v", after, err)
	}
	if err := after.Close(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(record.Trial); !os.IsNotExist(err) {
		t.Errorf("the new binary is left: %v", err)
	}
	if got := startIn(t, dir, record); got != "old" {
		t.Errorf("afterwards: %q", got)
	}
}

func TestANewBinaryThatCannotBeExecutedIsRolledBack(t *testing.T) {
	dir, record := beside(t)
	if err := os.WriteFile(record.Trial, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := startIn(t, dir, record); got != "old" {
		t.Errorf("it started as %q", got)
	}
	if after, err := Read(dir); err != nil || after.Phase != RolledBack || !strings.Contains(after.Reason, "exec format error") {
		t.Errorf("record %+v, %v", after, err)
	}
}

// TestACrashAfterTheProof finds the record written and the binary not in place yet.
func TestACrashAfterTheProof(t *testing.T) {
	dir, record := beside(t)
	record.Phase = Proved
	if err := record.Write(dir); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := startIn(t, dir, record); got != "new" {
			t.Errorf("it started as %q", got)
		}
	}
	if _, err := os.Stat(record.Trial); !os.IsNotExist(err) {
		t.Errorf("the new binary is beside its place: %v", err)
	}
	if err := record.Prove(dir); err != nil {
		t.Errorf("once more: %v", err)
	}
}

func TestASuccessfulUpgradeLeavesNoRecord(t *testing.T) {
	dir, record := onTrial(t)
	if err := record.Close(dir); err != nil {
		t.Fatal(err)
	}
	if after, err := Read(dir); after != nil || err != nil {
		t.Errorf("record %+v, %v", after, err)
	}
	if bad, err := BadVersions(dir); len(bad) != 0 || err != nil {
		t.Errorf("bad versions %+v, %v", bad, err)
	}
}

func TestVerify(t *testing.T) {
	ca := agenttest.NewAuthority(t)
	sum, other := sha256.Sum256([]byte("agent")), sha256.Sum256([]byte("other"))
	good := ca.SignSum(t, sum[:])
	cas := []*x509.Certificate{agenttest.NewAuthority(t).Certificate(), ca.Certificate()}
	if err := Verify(cas, sum[:], good); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another file": Verify(cas, other[:], good),
		"another CA":   Verify([]*x509.Certificate{agenttest.NewAuthority(t).Certificate()}, sum[:], good),
		"none":         Verify(cas, sum[:], ""),
		"no base64":    Verify(cas, sum[:], "§"),
		"no signature": Verify(cas, sum[:], "aGVsbG8="),
	} {
		if err == nil {
			t.Errorf("%s is trusted", name)
		}
	}
}
