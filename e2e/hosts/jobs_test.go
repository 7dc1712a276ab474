package hosts

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hostler/e2e/lab"
)

// A thousand commands for one host, whose agent is killed ten times meanwhile, and the server twice: each runs once, and each
// has its result.
func TestAThousandJobsOverKills(t *testing.T) {
	const jobs, kills = 1000, 10
	serverToo := map[int]bool{4: true, 8: true}
	program := buildServer(t, "0.9.0", "")
	r := begin(t, program, lab.Options{Count: 1})
	r.sh("systemctl stop hostler-agent; touch /ran") // else they would be done before the first kill
	operations := r.commands(jobs)
	r.sh("systemctl start hostler-agent")
	for i := 1; i <= kills; i++ {
		must(t, r.Until(t.Context(), fmt.Sprintf("%d of the way", i), func() (bool, error) { return r.ran() >= i*jobs/(kills+1), nil }))
		r.sh("systemctl kill --kill-who=main -s KILL hostler-agent")
		if serverToo[i] {
			must(t, r.Kill(t.Context(), program))
		}
	}
	for _, id := range operations {
		must(t, r.Await(t.Context(), id))
	}
	lines := strings.Fields(r.sh("sort -n /ran"))
	if len(lines) != jobs {
		t.Errorf("%d commands ran, not %d", len(lines), jobs)
	}
	for i, line := range lines {
		if line != strconv.Itoa(i) {
			t.Fatalf("where %d should have run %s did", i, line)
		}
	}
}

// commands starts commands that write down their numbers, each an operation of its own.
func (r *run) commands(n int) []int64 {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 3*time.Minute)
	defer cancel()
	operations, failed := make([]int64, n), make(chan error, n)
	var starting sync.WaitGroup
	numbers := make(chan int, n)
	for i := range n {
		numbers <- i
	}
	close(numbers)
	for range 8 {
		starting.Go(func() {
			for i := range numbers {
				in := map[string]any{"targets": all, "exec": map[string]any{"script": fmt.Sprintf("echo %d >>/ran", i)}}
				var out struct {
					OperationID int64 `json:"operation_id"`
				}
				if err := r.Call(ctx, http.MethodPost, "/api/v1/commands", in, &out); err != nil {
					failed <- err
					return
				}
				operations[i] = out.OperationID
			}
		})
	}
	starting.Wait()
	select {
	case err := <-failed:
		r.Fatal(err)
	default:
	}
	return operations
}

// ran is how many commands have written down their numbers.
func (r *run) ran() int {
	r.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(r.sh("wc -l </ran")))
	must(r.T, err)
	return n
}
