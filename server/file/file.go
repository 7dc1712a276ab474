// Package file keeps the files that travel between server and hosts on disk: those that people uploaded to be pushed,
// each once by its content, and those that fetches brought, each by its job. A file has its name only when it is whole.
// What no job names any more is removed.
//
// On disk, below the data directory:
//
//	files/<hex SHA-256>    an uploaded file
//	fetched/<job>          what a fetch brought
package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"hostler/db"
)

// MaxSize is the most bytes that a file may have.
const MaxSize = 4 << 30

// unused is how long a file that no job names is kept: whoever uploaded it is about to push it.
const unused = 24 * time.Hour

// partial is what the names of files that are not whole yet begin with.
const partial = ".part-"

// Errors that callers tell apart with errors.Is.
var (
	ErrTooLarge = errors.New("the file is too large")
	ErrFull     = errors.New("there is no space left on the server")
)

// Store keeps the files.
type Store struct {
	db      *db.DB
	log     *slog.Logger
	now     func() time.Time
	files   string
	fetched string

	mu sync.Mutex // held while an uploaded file gets its name or loses it
}

// Open opens the store in the server's data directory and removes what a server that was killed left half-written.
func Open(d *db.DB, data string, log *slog.Logger, now func() time.Time) (*Store, error) {
	s := &Store{db: d, log: log, now: now, files: filepath.Join(data, "files"), fetched: filepath.Join(data, "fetched")}
	for _, dir := range []string{s.files, s.fetched} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("cannot make the store of files: %w", err)
		}
		left, err := filepath.Glob(filepath.Join(dir, partial+"*"))
		if err != nil {
			return nil, err
		}
		for _, name := range left {
			if err := os.Remove(name); err != nil {
				return nil, fmt.Errorf("cannot clear the store of files: %w", err)
			}
		}
	}
	return s, nil
}

// Upload keeps what r brings. The same content is kept once.
func (s *Store) Upload(ctx context.Context, r io.Reader, actor string) (*db.File, error) {
	part, size, sum, err := s.receive(s.files, r, MaxSize)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(part) }() // it has another name when all went well
	now := s.now()
	f := &db.File{Checksum: sum, Size: size, CreatedBy: actor, CreatedAt: now, UsedAt: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := settle(part, filepath.Join(s.files, sum)); err != nil {
		return nil, err
	}
	// A file without a row is removed by the next sweep; a row without a file would be a promise that is not kept.
	return f, s.db.CreateFile(ctx, f)
}

// Fetch keeps what the host of a job sends, at most most bytes. Sent twice, the later replaces the former.
func (s *Store) Fetch(jobID string, r io.Reader, most int64) (size int64, checksum string, err error) {
	if _, err := uuid.Parse(jobID); err != nil {
		return 0, "", fmt.Errorf("cannot keep a fetched file: %w", err)
	}
	part, size, sum, err := s.receive(s.fetched, r, most)
	if err != nil {
		return 0, "", err
	}
	if err := settle(part, filepath.Join(s.fetched, jobID)); err != nil {
		return 0, "", errors.Join(err, os.Remove(part))
	}
	return size, sum, nil
}

// receive writes a new file, whole and safe on the disk, or none.
func (s *Store) receive(dir string, r io.Reader, most int64) (name string, size int64, checksum string, err error) {
	f, err := os.CreateTemp(dir, partial+"*")
	if err != nil {
		return "", 0, "", explain(err)
	}
	sum := sha256.New()
	size, err = io.Copy(io.MultiWriter(f, sum), io.LimitReader(r, most+1))
	if err == nil && size > most {
		err = ErrTooLarge
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", 0, "", errors.Join(explain(err), os.Remove(f.Name()))
	}
	return f.Name(), size, hex.EncodeToString(sum.Sum(nil)), nil
}

// settle gives a whole file its name, for good.
func settle(part, name string) error {
	if err := os.Rename(part, name); err != nil {
		return explain(err)
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return explain(err)
	}
	return explain(errors.Join(dir.Sync(), dir.Close()))
}

// explain tells a full disk from other failures.
func explain(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

var checksumPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Use finds an uploaded file for an operation that is about to push it; db.ErrNotFound when there is none.
func (s *Store) Use(ctx context.Context, checksum string) (*db.File, error) {
	if !checksumPattern.MatchString(checksum) {
		return nil, db.ErrNotFound
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Stat(filepath.Join(s.files, checksum)); errors.Is(err, os.ErrNotExist) {
		return nil, db.ErrNotFound
	}
	return s.db.UseFile(ctx, checksum, s.now())
}

// Open opens an uploaded file; db.ErrNotFound when it is gone.
func (s *Store) Open(checksum string) (*os.File, error) {
	if !checksumPattern.MatchString(checksum) {
		return nil, db.ErrNotFound
	}
	return open(filepath.Join(s.files, checksum))
}

// OpenFetched opens what a fetch brought; db.ErrNotFound when there is nothing.
func (s *Store) OpenFetched(jobID string) (*os.File, error) {
	if _, err := uuid.Parse(jobID); err != nil {
		return nil, db.ErrNotFound
	}
	return open(filepath.Join(s.fetched, jobID))
}

func open(name string) (*os.File, error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, db.ErrNotFound
	}
	return f, err
}

// sweepBatch bounds how many files one query looks at.
const sweepBatch = 500

// Sweep removes the files that nothing names any more.
func (s *Store) Sweep(ctx context.Context) error {
	return errors.Join(s.sweepFiles(ctx), s.sweepFetched(ctx))
}

func (s *Store) sweepFiles(ctx context.Context) error {
	since := s.now().Add(-unused)
	sums, err := s.db.UnusedFiles(ctx, since, sweepBatch)
	if err != nil {
		return err
	}
	for _, sum := range sums {
		if err := s.remove(ctx, sum, since); err != nil {
			return err
		}
	}
	return s.sweepUnrecorded(ctx, since)
}

// remove removes an uploaded file unless it is used again.
func (s *Store) remove(ctx context.Context, sum string, since time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone, err := s.db.DeleteUnusedFile(ctx, sum, since)
	if err != nil || !gone {
		return err
	}
	if err := os.Remove(filepath.Join(s.files, sum)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.log.Info("removed an uploaded file that no job names", "checksum", sum)
	return nil
}

// sweepUnrecorded removes files whose record a crash has prevented.
func (s *Store) sweepUnrecorded(ctx context.Context, since time.Time) error {
	return s.each(s.files, since, func(names []string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		known, err := s.db.KnownFiles(ctx, names)
		return removeUnknown(s.files, names, known, err)
	})
}

// sweepFetched removes what fetches brought whose jobs are gone.
func (s *Store) sweepFetched(ctx context.Context) error {
	return s.each(s.fetched, s.now().Add(-unused), func(names []string) error {
		known, err := s.db.KnownJobs(ctx, names)
		return removeUnknown(s.fetched, names, known, err)
	})
}

// each hands over the names in a directory that are older than a time, some at a time.
func (s *Store) each(dir string, before time.Time, do func(names []string) error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // only read
	for {
		entries, err := d.ReadDir(sweepBatch)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var names []string
		for _, e := range entries {
			// One that is not there any more is nobody's business.
			if stat, err := e.Info(); err == nil && stat.ModTime().Before(before) && !strings.HasPrefix(e.Name(), partial) {
				names = append(names, e.Name())
			}
		}
		if len(names) == 0 {
			continue
		}
		if err := do(names); err != nil {
			return err
		}
	}
}

func removeUnknown(dir string, names []string, known map[string]bool, err error) error {
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if !known[name] {
			errs = append(errs, os.Remove(filepath.Join(dir, name)))
		}
	}
	return errors.Join(errs...)
}
