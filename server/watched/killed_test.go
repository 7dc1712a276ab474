package watched

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hostler/db"
)

// lookForever makes the test binary one that looks into a folder until its parent kills it.
const lookForever = "HOSTLER_TEST_WATCHED"

func TestMain(m *testing.M) {
	if where := os.Getenv(lookForever); where != "" {
		url, dir, _ := strings.Cut(where, " ")
		fmt.Fprintln(os.Stderr, lookOn(url, dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func lookOn(url, dir string) error {
	ctx := context.Background()
	d, err := db.Open(ctx, url)
	if err != nil {
		return err
	}
	f, _, err := open(ctx, d, dir, db.Now)
	if err != nil {
		return err
	}
	for {
		f.Look(ctx)
	}
}

// TestKilledAtAnyInstant kills a server that takes files. Each is where it was, or taken, or aside with the reason; the next
// server takes the rest, each once.
func TestKilledAtAnyInstant(t *testing.T) {
	const files = 6
	var names []string
	for i := range files {
		names = append(names, fmt.Sprintf("tool%d-1.0.tar.gz", i))
	}
	all := strings.Join(names, " ")
	// Instants that stay true once they are reached, so that none can be missed.
	instants := map[string]func(r *rig) bool{"at once": func(*rig) bool { return true }}
	for n := 1; n <= files; n += 2 {
		instants[fmt.Sprintf("%d packages stored", n)] = func(r *rig) bool {
			stored, err := filepath.Glob(filepath.Join(r.dir, "repo", "packages", "*", "*"))
			return err == nil && len(stored) >= n
		}
		instants[fmt.Sprintf("%d files left", files-n)] = func(r *rig) bool {
			left, err := filepath.Glob(r.path("tools/dev/tool*"))
			return err == nil && len(left) <= files-n
		}
	}
	instants["aside"] = func(r *rig) bool { return r.there("tools/dev/refused/broken-1.0.tar.gz") }
	for name, reached := range instants {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for i, name := range names {
				r.put("tools/dev/"+name, archive(t, fmt.Sprint(i)))
			}
			r.put("tools/dev/broken-1.0.tar.gz", []byte("<html>"))
			kill(r, reached)
			r.start()
			for _, name := range names {
				if !r.there("tools/dev/"+name) && !slices.Contains(strings.Fields(r.has()), name) {
					t.Errorf("%s is neither there nor taken", name)
				}
			}
			aside := r.there("tools/dev/refused/broken-1.0.tar.gz")
			if r.there("tools/dev/broken-1.0.tar.gz") == aside || aside && !r.there("tools/dev/refused/broken-1.0.tar.gz.reason.txt") {
				t.Errorf("the file that cannot be taken is aside: %t", aside)
			}
			r.look()
			r.wantHas(all)
			if left, err := filepath.Glob(r.path("tools/dev/*.tar.gz")); err != nil || len(left) > 0 {
				t.Errorf("%v is left (%v)", left, err)
			}
			if es := r.audited(); len(es) < 2 {
				t.Errorf("recorded %+v", es)
			}
		})
	}
}

// kill starts a program that looks, and kills it some time after an instant is reached.
func kill(r *rig, reached func(*rig) bool) {
	r.Helper()
	watcher := exec.CommandContext(r.Context(), os.Args[0])
	watcher.Env = append(os.Environ(), lookForever+"="+r.url+" "+r.dir)
	var said strings.Builder
	watcher.Stderr = &said
	r.must(watcher.Start())
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	for !reached(r) {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			r.Errorf("it was not reached: %s", &said)
			reached = func(*rig) bool { return true }
		}
	}
	<-time.After(time.Duration(rand.IntN(30)) * time.Millisecond) // an instant that no event announces
	r.must(watcher.Process.Kill())
	if err := watcher.Wait(); err == nil || said.Len() > 0 {
		r.Fatalf("it ended by itself: %v\n%s", err, &said)
	}
}
