// Package watched takes packages from a directory of the server's disk as uploads are taken: files that somebody puts into
// REPOSITORY/CHANNEL below it. A file is taken when two looks find it as it was, and removed when the channel has it; one
// that cannot be a package of the channel is moved to refused/ beside it, with the reason. Names that begin with a dot are
// left alone: whoever writes for long writes under such a name and renames.
//
// A file is removed only after the channel has it, so that a server that dies at any moment leaves it where it was or has
// taken it. The package makes no repositories and no channels.
package watched

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"hostler/db"
	"hostler/internal/clip"
	"hostler/repo"
	"hostler/server/audit"
	"hostler/server/event"
)

const (
	// interval is between two looks.
	interval = 5 * time.Second
	// patience is how long what went wrong is left alone, and longPatience is the same for a file that was read already.
	patience     = time.Minute
	longPatience = time.Hour
	// mostFiles bounds what becomes one snapshot; the next look goes on.
	mostFiles = 500
	// refusedDir is where files go that cannot be taken.
	refusedDir = "refused"
)

// actor is who takes what is in the folder; no person's name has a space.
const actor = "the watched folder"

// Options are what the package works with.
type Options struct {
	Dir    string
	Repo   *repo.Store
	Events *event.Log
	Audit  *audit.Log
	Log    *slog.Logger
	Now    func() time.Time
}

// Folder is the watched one.
type Folder struct {
	Options
	seen map[string]os.FileInfo // what the last look found, by path
	held map[string]hold        // what is left alone for now, by path

	mu     sync.Mutex // guards what follows
	status Status
}

// hold is why a file or a channel's folder is left alone, and until when.
type hold struct {
	until   time.Time
	problem Problem
}

// Status is what became of the files so far.
type Status struct {
	Path     string    `json:"path"`     // "" when no folder is watched
	Added    int64     `json:"added"`    // since the server started, as the next two
	Present  int64     `json:"present"`  // files that the channel had already
	Refused  int64     `json:"refused"`  // files that were moved aside
	Problems []Problem `json:"problems"` // what waits for somebody
}

// Problem says why something in the folder is not taken.
type Problem struct {
	Path    string `json:"path"` // below the folder
	Code    string `json:"code"` // one of ProblemCodes
	Message string `json:"message"`
}

// ProblemCodes are those of problems.
var ProblemCodes = []string{"misplaced", "no_repository", "no_channel", "full", "failed"}

// New returns a folder, which nobody looks into before Run.
func New(o Options) *Folder {
	return &Folder{Options: o, seen: map[string]os.FileInfo{}, held: map[string]hold{}, status: Status{Path: o.Dir}}
}

// Status tells what became of the files so far. A nil folder is none.
func (f *Folder) Status() Status {
	if f == nil {
		return Status{Problems: []Problem{}}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.status
	s.Problems = append([]Problem{}, s.Problems...)
	return s
}

// Run looks until ctx ends.
func (f *Folder) Run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		f.Look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look takes what is there and has not changed since the last look. One look at a time.
func (f *Folder) Look(ctx context.Context) {
	l := &look{Folder: f, seen: map[string]os.FileInfo{}, held: map[string]hold{}}
	for _, repository := range l.folders("") {
		for _, channel := range l.folders(repository) {
			l.channel(ctx, repository, channel)
		}
	}
	if ctx.Err() != nil {
		return // what was cut short tells nothing
	}
	f.seen, f.held = l.seen, l.held
	f.tell(ctx)
}

// tell tells of problems that are new, and keeps all for Status.
func (f *Folder) tell(ctx context.Context) {
	var problems []Problem
	for _, path := range slices.Sorted(maps.Keys(f.held)) {
		problems = append(problems, f.held[path].problem)
	}
	f.mu.Lock()
	former := f.status.Problems
	f.status.Problems = problems
	f.mu.Unlock()
	for _, p := range problems {
		if slices.Contains(former, p) {
			continue
		}
		f.Log.Warn("something in the watched folder is not taken", "path", p.Path, "code", p.Code, "reason", p.Message)
		f.Events.Record(ctx, db.Event{
			Kind: event.WatchedFolderFailed, Severity: db.SeverityWarning, Actor: actor, Params: map[string]string{"path": p.Path, "why": p.Message},
		})
	}
}

// look is one look.
type look struct {
	*Folder
	seen map[string]os.FileInfo
	held map[string]hold
}

// hold leaves something alone for a while.
func (l *look) hold(path, code, message string) { l.holdFor(patience, path, code, message) }

func (l *look) holdFor(d time.Duration, path, code, message string) {
	l.held[path] = hold{l.Now().Add(d), Problem{shown(path), code, clip.Text(message, 500)}}
}

// waits says whether something was told not long ago to be left alone.
func (l *look) waits(path string) bool {
	h, found := l.Folder.held[path]
	if !found || !l.Now().Before(h.until) {
		return false
	}
	l.held[path] = h
	return true
}

// shown is a path as it is told: names of files may hold anything.
func shown(path string) string {
	return clip.Text(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\ufffd'
		}
		return r
	}, path), 500)
}

// folders lists the folders in one; files are in the wrong place there.
func (l *look) folders(below string) []string {
	entries, err := os.ReadDir(filepath.Join(l.Dir, below))
	if err != nil {
		l.hold(below, "failed", err.Error())
		return nil
	}
	var names []string
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			names = append(names, e.Name())
		case !l.waits(filepath.Join(below, e.Name())):
			l.hold(filepath.Join(below, e.Name()), "misplaced", "packages belong into the folder of a channel, REPOSITORY/CHANNEL")
		}
	}
	return names
}
