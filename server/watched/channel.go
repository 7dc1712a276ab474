package watched

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"hostler/db"
	"hostler/internal/whole"
	"hostler/repo"
	"hostler/server/audit"
	"hostler/server/event"
)

// found is a file that two looks found the same.
type found struct {
	path string // below the folder
	info os.FileInfo
	got  *repo.Received
}

// channel takes what is in the folder of a channel.
func (l *look) channel(ctx context.Context, repository, channel string) {
	dir := filepath.Join(repository, channel)
	files, err := l.settled(dir)
	if err == nil && len(files) > 0 && !l.waits(dir) {
		err = l.take(ctx, repository, channel, files)
	}
	var wrong *repo.FieldError
	switch {
	case err == nil:
	case errors.Is(err, repo.ErrNotFound):
		l.hold(dir, "no_repository", fmt.Sprintf("there is no repository %s", shown(repository)))
	case errors.As(err, &wrong):
		l.hold(dir, wrong.Code, wrong.Message)
	case errors.Is(err, repo.ErrFull):
		l.hold(dir, "full", repo.ErrFull.Error())
	default:
		l.hold(dir, "failed", err.Error())
	}
}

// settled lists the files of a folder that are as the last look found them.
func (l *look) settled(dir string) ([]found, error) {
	entries, err := os.ReadDir(filepath.Join(l.Dir, dir))
	if err != nil {
		return nil, err
	}
	var files []found
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, e.Name())
		l.seen[path] = info
		if same(l.Folder.seen[path], info) && !l.waits(path) && len(files) < mostFiles {
			files = append(files, found{path: path, info: info})
		}
	}
	return files, nil
}

// same says whether a file is the one that it was, unchanged.
func same(before, now os.FileInfo) bool {
	return before != nil && os.SameFile(before, now) && before.Size() == now.Size() && before.ModTime().Equal(now.ModTime())
}

// mayWrite asks access(2) for the right to write.
const mayWrite = 2

// take makes one snapshot of files.
func (l *look) take(ctx context.Context, repository, channel string, files []found) error {
	if _, err := l.Repo.Channel(repository, channel); err != nil {
		return err // before anything is read in vain
	}
	if err := syscall.Access(filepath.Join(l.Dir, repository, channel), mayWrite); err != nil {
		return fmt.Errorf("the server may not take files out of this folder: %w", err)
	}
	var taken []found
	var received []*repo.Received
	defer func() {
		for _, got := range received {
			l.Repo.Discard(got)
		}
	}()
	for _, one := range files {
		got, err := l.receive(ctx, repository, one)
		var path *fs.PathError
		switch {
		case errors.Is(err, errChanging):
			continue
		case errors.As(err, &path) && path.Path == l.file(one): // the next one may do
			l.hold(one.path, "failed", path.Err.Error())
			continue
		case err != nil:
			return err
		}
		one.got = got
		taken, received = append(taken, one), append(received, got)
	}
	if len(received) == 0 {
		return nil
	}
	result, err := l.Repo.Commit(ctx, repository, channel, received, actor)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // what has happened is told to its end
	l.record(ctx, result)
	for i, one := range taken {
		if err := l.finish(ctx, result, &result.Files[i], one); err != nil {
			l.holdFor(longPatience, one.path, "failed", err.Error())
		}
	}
	return nil
}

var errChanging = errors.New("the file changes")

func (l *look) file(one found) string { return filepath.Join(l.Dir, one.path) }

// receive takes one file, which must not change meanwhile.
func (l *look) receive(ctx context.Context, repository string, one found) (*repo.Received, error) {
	file, err := os.OpenFile(l.file(one), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errChanging
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	unchanged := func() bool {
		now, err := file.Stat()
		return err == nil && same(one.info, now)
	}
	if !unchanged() {
		return nil, errChanging
	}
	got, err := l.Repo.Receive(ctx, repository, repo.Upload{Name: filepath.Base(one.path), Content: reader{ctx, file}, By: actor})
	if err == nil && !unchanged() {
		l.Repo.Discard(got)
		err = errChanging
	}
	return got, err
}

// reader reads a file until a context ends.
type reader struct {
	ctx  context.Context
	file *os.File
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.file.Read(p)
}

// record tells what a channel has now. A server that dies before finds the files again, and tells then.
func (l *look) record(ctx context.Context, result *repo.Result) {
	var taken int
	for i := range result.Files {
		if result.Files[i].State != repo.Refused {
			taken++
		}
	}
	if taken == 0 {
		return
	}
	params := map[string]string{
		"channel": result.Channel, "snapshot": strconv.Itoa(result.Snapshot), "count": strconv.Itoa(result.Added),
	}
	l.audit(ctx, result.Repository, db.AuditEntry{Result: db.AuditDone}, params)
	if result.Added > 0 {
		params["repository"] = result.Repository
		l.Events.Record(ctx, db.Event{Kind: event.PackagesAdded, Actor: actor, Params: params})
	}
}

// audit writes what the server has done by itself.
func (l *look) audit(ctx context.Context, repository string, e db.AuditEntry, became map[string]string) {
	e.Action, e.Actor = "package.add", actor
	audit.About(audit.With(ctx, &e), repository, nil, became)
	l.Audit.Record(ctx, e)
}

// finish takes a file out of the folder when the channel has it, and moves it aside when that cannot have it.
func (l *look) finish(ctx context.Context, result *repo.Result, v *repo.Verdict, one found) error {
	now, err := os.Lstat(l.file(one))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !same(one.info, now) {
		return nil // another one has its name by now
	}
	if err != nil {
		return err
	}
	if v.State == repo.Refused {
		err = l.refuse(ctx, result, v, one)
	} else {
		err = whole.Remove(l.file(one))
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch v.State {
	case repo.Refused:
		l.status.Refused++
	case repo.Present:
		l.status.Present++
	default:
		l.status.Added++
	}
	return nil
}

// refuse moves a file aside. The reason is there before it, and told before it: a server that dies in between tells twice.
func (l *look) refuse(ctx context.Context, result *repo.Result, v *repo.Verdict, one found) error {
	folder := filepath.Dir(l.file(one))
	info, err := os.Stat(folder)
	if err != nil {
		return err
	}
	dir := filepath.Join(folder, refusedDir) // for whoever may look into the folder
	if err := os.Mkdir(dir, info.Mode().Perm()); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	name := filepath.Base(one.path)
	reason := filepath.Join(dir, name[:min(len(name), 200)]+".reason.txt") // beside the longest name that there is
	text := fmt.Sprintf("%s was not taken into %s/%s.\n%s: %s\n", v.File, result.Repository, result.Channel, v.Code, v.Reason)
	if err := whole.WriteFile(reason, []byte(text), 0o644); err != nil {
		return err
	}
	params := map[string]string{"repository": result.Repository, "channel": result.Channel, "file": v.File, "why": v.Reason}
	l.audit(ctx, result.Repository, db.AuditEntry{Result: db.AuditFailed, Code: v.Code}, params)
	l.Events.Record(ctx, db.Event{Kind: event.PackageRefused, Severity: db.SeverityWarning, Actor: actor, Params: params})
	return whole.Rename(l.file(one), filepath.Join(dir, name))
}
