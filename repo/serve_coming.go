package repo

import (
	"context"
	"io"
	"net/http"
	"os"
	"strconv"
)

// heldBack is how much of a package that is on its way goes out only when all of it is known to be right.
const heldBack = 16 << 10

// serveComing serves a package that has to be fetched first. Who asks for all of it gets it while it comes, since clients
// do not wait for a first byte for long; who asks for a part waits. An error means that nothing was written.
func (s *Store) serveComing(w http.ResponseWriter, req *http.Request, found *served) error {
	f, err := s.request(found.absent)
	if err != nil {
		return err
	}
	if f != nil && req.Method == http.MethodGet && req.Header.Get("Range") == "" {
		return s.pass(w, req, found, f)
	}
	if f != nil {
		select {
		case <-f.done:
			err = f.err
		case <-req.Context().Done():
			err = req.Context().Err()
		}
		if err != nil {
			return err
		}
	}
	return found.serve(w, req)
}

// pass passes on what comes. What ends before it is whole, or is not what it should be, breaks the connection off, so that
// nobody takes it for the package.
func (s *Store) pass(w http.ResponseWriter, req *http.Request, found *served, f *flight) error {
	p := found.absent
	from, err := os.Open(f.file)
	if err != nil { // it ended just now
		if err := s.Bring(req.Context(), p.Digest); err != nil {
			return err
		}
		return found.serve(w, req)
	}
	defer func() { _ = from.Close() }() // only read
	passed := int64(0)
	for {
		there, ended, err := f.wait(req.Context(), passed, p.Size)
		if err != nil && passed == 0 {
			return err
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if passed == 0 {
			found.counted()
			found.describe(w.Header(), p.Size)
			w.Header().Set("Content-Length", strconv.FormatInt(p.Size, 10))
		}
		n, err := io.CopyN(w, from, there-passed)
		passed += n
		if err != nil {
			panic(http.ErrAbortHandler) // the client has gone, or the disk fails
		}
		if ended {
			return nil
		}
	}
}

// wait waits until more may go out than passed bytes of a package of a size, and tells how many, and whether they are all.
func (f *flight) wait(ctx context.Context, passed, size int64) (there int64, ended bool, err error) {
	for {
		got, grown := f.progress()
		if there = min(got, size-heldBack); there > passed {
			return there, false, nil
		}
		select {
		case <-f.done:
			return size, true, f.err
		case <-grown:
		case <-ctx.Done():
			return 0, false, ctx.Err()
		}
	}
}
