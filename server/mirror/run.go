package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"hostler/db"
	"hostler/repo"
	"hostler/repo/upstream"
	"hostler/server/operation"
)

// Names of steps.
const (
	StepRead    = "read"    // the upstream's index
	StepFetch   = "fetch"   // what is not there yet
	StepPublish = "publish" // the channel
)

const (
	readTime    = 2 * time.Hour
	fetchTime   = 14 * 24 * time.Hour
	publishTime = 2 * time.Hour
	fetchers    = 4
	promisers   = 16 // at a time: each waits for the disk alone
	// tellEvery is how long the log and the page wait for the next word about progress.
	tellEvery = 2 * time.Second
	// rounds is how often the index is read anew because packages are not what it tells.
	rounds = 3
	// told is how many of a kind the log names one by one.
	told = 50
)

// Kind is what the operation engine runs. What a run has found does not outlive it, so all steps are done in each.
func (m *Mirrors) Kind() operation.Kind {
	return operation.Kind{
		Name: KindMirror,
		Steps: []operation.Step{
			{Name: StepRead, Timeout: readTime, Repeat: true, Run: m.read},
			{Name: StepFetch, Timeout: fetchTime, Repeat: true, Run: m.fetch},
			{Name: StepPublish, Timeout: publishTime, Repeat: true, Run: m.publish},
		},
		End: func(_ context.Context, t *operation.Task) {
			if w, ok := t.Local.(*work); ok {
				w.close()
			}
		},
	}
}

// work is what one run has.
type work struct {
	params  params
	mirror  *Mirror
	client  *upstream.Client
	keys    *upstream.Keyring
	filling *repo.Filling
	choice  *upstream.Choice
}

func (w *work) close() {
	w.client.Close()
	w.filling.Close()
}

// begin gets ready what a run needs.
func (m *Mirrors) begin(ctx context.Context, t *operation.Task) (*work, error) {
	w := &work{}
	if err := t.OperationParams(&w.params); err != nil {
		return nil, err
	}
	var err error
	if w.mirror, err = m.Get(ctx, w.params.Repository, w.params.Mirror); errors.Is(err, db.ErrNotFound) {
		return nil, fail(codeGone, err, "mirror", t.Name())
	} else if err != nil {
		return nil, err
	}
	if w.mirror.Trust != upstream.TrustNothing {
		if w.keys, err = upstream.ReadKeys(w.mirror.Keys, m.Now); err != nil {
			return nil, err
		}
	}
	if w.client, err = upstream.NewClient(upstream.Options{Proxy: w.mirror.Proxy, Bandwidth: w.mirror.Bandwidth, Allow: m.Allow, Pause: m.Pause}); err != nil {
		return nil, err
	}
	if w.filling, err = m.Repo.Fill(w.params.Repository, w.params.Channel); err != nil {
		return nil, m.explain(err, w)
	}
	t.Local = w
	return w, nil
}

// read finds out what the upstream has, and what of it is wanted.
func (m *Mirrors) read(ctx context.Context, t *operation.Task) error {
	w, err := m.begin(ctx, t)
	if err != nil {
		return err
	}
	return m.explain(m.choose(ctx, t, w), w)
}

func (m *Mirrors) choose(ctx context.Context, t *operation.Task, w *work) error {
	t.Logf("reading %s %s", w.mirror.URL, w.mirror.Suite)
	reader := &upstream.Reader{Client: w.client, Source: w.mirror.Source, Keys: w.keys, Dir: w.filling.Dir(), Now: m.Now}
	index, err := reader.Read(ctx)
	if err != nil {
		return err
	}
	if w.choice, err = index.Choose(w.mirror.Filter); err != nil {
		return err
	}
	t.Logf("it has %d packages, of which %d are wanted (%s)", len(index.Packages), len(w.choice.Packages), size(w.choice.Size()))
	name(t, "nothing there is called", w.choice.Unmatched)
	name(t, "what it does not have is needed by", w.choice.Missing)
	if len(w.choice.Packages) == 0 {
		return fail(codeEmpty, nil, "mirror", t.Name())
	}
	return nil
}

// name writes the first of a list to the log.
func name(t *operation.Task, what string, all []string) {
	for _, one := range all[:min(len(all), told)] {
		t.Logf("%s %s", what, one)
	}
	if more := len(all) - told; more > 0 {
		t.Logf("%s %d others", what, more)
	}
}

// fetch brings what is not there. When a package is not what the index tells, the upstream has changed meanwhile.
func (m *Mirrors) fetch(ctx context.Context, t *operation.Task) error {
	w, ok := t.Local.(*work)
	if !ok {
		return errors.New("the run has nothing to fetch")
	}
	for round := 1; ; round++ {
		err := m.fetchAll(ctx, t, w)
		var p *upstream.Problem
		moved := errors.As(err, &p) && (p.Code == upstream.CodeChanged || p.Code == upstream.CodeMissing)
		if !moved || round == rounds {
			return m.explain(err, w)
		}
		t.Logf("the upstream seems to have changed: %s", p)
		if err := m.choose(ctx, t, w); err != nil {
			return m.explain(err, w)
		}
	}
}

func (m *Mirrors) fetchAll(ctx context.Context, t *operation.Task, w *work) error {
	progress := &progress{task: t, now: m.Now, packages: len(w.choice.Packages), bytes: w.choice.Size()}
	var missing []*upstream.Package
	var vouching []string
	if w.mirror.Trust == upstream.TrustPackages {
		vouching = w.keys.Fingerprints()
	}
	promised := 0
	for _, p := range w.choice.Packages {
		has := false
		if w.promises(p) {
			promised++
		} else if p.Sum.Kind == "sha256" {
			var err error
			if has, err = w.filling.Has(ctx, p.Sum.Hex, vouching); err != nil {
				return err
			}
		}
		if has {
			progress.done(p)
		} else {
			missing = append(missing, p)
		}
	}
	workers := fetchers
	if promised > 0 {
		workers = promisers
		t.Logf("%d packages are listed, and fetched when somebody asks for them", promised)
	}
	t.Logf("%d packages are there already, %d are to be fetched", len(w.choice.Packages)-len(missing), len(missing)-promised)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan *upstream.Package)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for p := range jobs {
				if err := m.fetchOne(ctx, w, p); err != nil {
					cancel(err)
					return
				}
				progress.done(p)
				progress.tell(ctx, false)
			}
		})
	}
	for _, p := range missing {
		select {
		case jobs <- p:
		case <-ctx.Done():
		}
	}
	close(jobs)
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	progress.tell(ctx, true)
	return nil
}

// promises says whether a package is listed now and fetched later. What the index tells no SHA-256 of has to come first: its
// place is by that.
func (w *work) promises(p *upstream.Package) bool { return w.mirror.OnDemand && p.Sum.Kind == "sha256" }

func (m *Mirrors) fetchOne(ctx context.Context, w *work, p *upstream.Package) error {
	if w.promises(p) {
		return w.filling.Promise(ctx, repo.Promised{
			Digest: p.Sum.Hex, Size: p.Sum.Size, Stanza: p.Stanza, By: w.mirror.CreatedBy,
			Origin: repo.Origin{Mirror: w.mirror.ID, URL: w.mirror.URL, Path: p.Path},
		})
	}
	content := w.client.Fetch(ctx, &w.mirror.Source, p)
	defer func() { _ = content.Close() }() // only read
	up := repo.Upload{Name: p.File(), Content: content, By: w.mirror.CreatedBy}
	if w.mirror.Trust == upstream.TrustPackages {
		up.Verify = w.keys.Verify
	}
	return w.filling.Take(ctx, up)
}

// progress counts what is there.
type progress struct {
	task *operation.Task
	now  func() time.Time

	mu       sync.Mutex
	packages int
	bytes    int64
	got      int
	gotBytes int64
	told     time.Time
}

func (p *progress) done(one *upstream.Package) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got++
	p.gotBytes += one.Sum.Size
}

// tell writes to the log and the page how far it is, now and then or, with last, in any case.
func (p *progress) tell(ctx context.Context, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.now(); !last && now.Sub(p.told) < tellEvery {
		return
	} else {
		p.told = now
	}
	text := fmt.Sprintf("%d/%d packages, %s/%s", p.got, p.packages, size(p.gotBytes), size(p.bytes))
	p.task.Logf("%s", text)
	p.task.Show(ctx, text)
}

// publish lets the channel have what was fetched.
func (m *Mirrors) publish(ctx context.Context, t *operation.Task) error {
	w, ok := t.Local.(*work)
	if !ok {
		return errors.New("the run has nothing to publish")
	}
	filled, err := w.filling.Commit(ctx, t.CreatedBy())
	if err != nil {
		return m.explain(err, w)
	}
	name(t, "the channel has another one of the same name, version and architecture as", filled.Left)
	t.Logf("channel %s has %d packages: snapshot %d", w.params.Channel, filled.Packages, filled.Snapshot)
	t.SetNote(fmt.Sprintf("%d packages, %s, snapshot %d", filled.Packages, size(w.choice.Size()), filled.Snapshot))
	return nil
}

func size(bytes int64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
}
