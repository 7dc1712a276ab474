package logfile

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRotationBoundsTheDisk(t *testing.T) {
	for _, count := range []int{0, 1, 3} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sub", "agent.log")
			log, err := Open(path, 100, count)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			for i := range 50 {
				fmt.Fprintf(log, "record %040d\n", i)
			}
			files, err := filepath.Glob(path + "*")
			if err != nil || len(files) != count+1 {
				t.Errorf("files %v, want %d", files, count+1)
			}
			for _, name := range files {
				if info, err := os.Stat(name); err != nil || info.Size() > 100 {
					t.Errorf("%s: %v, %v", name, info.Size(), err)
				}
			}
			if last, _ := os.ReadFile(path); !strings.Contains(string(last), "49\n") {
				t.Errorf("the newest record is not in the log: %q", last)
			}
		})
	}
}

func TestALogIsContinued(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	for _, record := range []string{"one\n", "two\n"} {
		log, err := Open(path, 100, 1)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(log, record)
		log.Close()
	}
	if content, _ := os.ReadFile(path); string(content) != "one\ntwo\n" {
		t.Errorf("got %q", content)
	}
}

// TestFullDisk writes to a real file that the kernel refuses to let grow.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.log")
	log, err := Open(path, 1<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	log.file.Close()
	log.file = full
	logger := slog.New(slog.NewTextHandler(log, nil))
	logger.Info("first")
	logger.Info("second")
	if log.dropped != 2 {
		t.Errorf("%d records counted as lost, want 2", log.dropped)
	}
	log.Close()
	logger.Info("third")
	content, _ := os.ReadFile(path)
	if !strings.Contains(string(content), "records=2\n") || !strings.Contains(string(content), "third") {
		t.Errorf("got %q", content)
	}
}

// TestHalfARecordIsTakenBack lets the disk be full in the middle of a record: a limit on the size of files does
// that, but only for a whole process, so the test runs itself in a second one.
func TestHalfARecordIsTakenBack(t *testing.T) {
	path := os.Getenv("LOGFILE_TEST_PATH")
	if path == "" {
		again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		again.Env = append(os.Environ(), "LOGFILE_TEST_PATH="+filepath.Join(t.TempDir(), "agent.log"))
		if output, err := again.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	log, err := Open(path, 1<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	limit := syscall.Rlimit{Cur: 10, Max: 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	for _, record := range []string{"whole\n", "does not fit\n", "fit\n"} {
		fmt.Fprint(log, record)
	}
	if content, _ := os.ReadFile(path); string(content) != "whole\nfit\n" || log.dropped != 1 {
		t.Errorf("got %q, %d lost", content, log.dropped)
	}
}
