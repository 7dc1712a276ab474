package together

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
)

// rig is a group whose first go waits for the test.
type rig struct {
	*Group[int]
	begun chan struct{}
	goOn  chan struct{}
	goes  [][]int
	fails func(all []int) error
}

func newRig(fails func(all []int) error) *rig {
	r := &rig{begun: make(chan struct{}), goOn: make(chan struct{}), fails: fails}
	r.Group = New(func(_ context.Context, all []int) error {
		r.goes = append(r.goes, slices.Clone(all))
		if len(r.goes) == 1 {
			close(r.begun)
			<-r.goOn
		}
		return r.fails(all)
	})
	return r
}

// errorsOf has one caller begin, and the others come, in order, while its go is under way.
func (r *rig) errorsOf(t *testing.T, calls ...[]int) []error {
	t.Helper()
	errs := make([]error, len(calls))
	var calling sync.WaitGroup
	calling.Go(func() { errs[0] = r.Do(t.Context(), calls[0]...) })
	<-r.begun
	for i, items := range calls[1:] {
		calling.Go(func() { errs[i+1] = r.Do(t.Context(), items...) })
		for r.waiting() <= i {
			runtime.Gosched()
		}
	}
	close(r.goOn)
	calling.Wait()
	return errs
}

func (r *rig) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.queue)
}

func TestWhatComesMeanwhileIsDoneInOneGo(t *testing.T) {
	r := newRig(func([]int) error { return nil })
	for _, err := range r.errorsOf(t, []int{1}, []int{2, 3}, []int{4}) {
		if err != nil {
			t.Error(err)
		}
	}
	if want := [][]int{{1}, {2, 3, 4}}; !slices.EqualFunc(r.goes, want, slices.Equal) {
		t.Errorf("got %v, want %v", r.goes, want)
	}
}

func TestNoneFailsByAnother(t *testing.T) {
	errBad := errors.New("3 is bad")
	r := newRig(func(all []int) error {
		if slices.Contains(all, 3) {
			return errBad
		}
		return nil
	})
	errs := r.errorsOf(t, []int{1}, []int{2}, []int{3}, []int{4})
	if want := []error{nil, nil, errBad, nil}; !slices.Equal(errs, want) {
		t.Errorf("got %v, want %v", errs, want)
	}
	if want := [][]int{{1}, {2, 3, 4}, {2}, {3}, {4}}; !slices.EqualFunc(r.goes, want, slices.Equal) {
		t.Errorf("got %v, want %v", r.goes, want)
	}
}

func TestTimeThatIsUpIsUpForAll(t *testing.T) {
	r := newRig(func(all []int) error {
		if slices.Contains(all, 1) {
			return nil
		}
		return context.DeadlineExceeded
	})
	errs := r.errorsOf(t, []int{1}, []int{2}, []int{3})
	if want := []error{nil, context.DeadlineExceeded, context.DeadlineExceeded}; !slices.Equal(errs, want) || len(r.goes) != 2 {
		t.Errorf("got %v, want %v; goes %v", errs, want, r.goes)
	}
}

func TestACallerThatGoesAwayEndsNoGo(t *testing.T) {
	g := New(func(ctx context.Context, _ []int) error { return ctx.Err() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Do(ctx, 1); err != nil {
		t.Error(err)
	}
}

func TestEachIsDoneOnce(t *testing.T) {
	const callers, calls = 8, 200
	count := map[int]int{} // of do alone
	g := New(func(_ context.Context, all []int) error {
		for _, i := range all {
			count[i]++
		}
		return nil
	})
	var calling sync.WaitGroup
	for caller := range callers {
		calling.Go(func() {
			for i := range calls {
				if err := g.Do(t.Context(), caller*calls+i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	calling.Wait()
	for i := range callers * calls {
		if count[i] != 1 {
			t.Errorf("%d was done %d times", i, count[i])
		}
	}
}
