package task

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"hostler/agent/archive"
	"hostler/agent/link"
	"hostler/agent/wire"
)

// defaultMost is what a fetch sends at most that does not say so itself, in bytes.
const defaultMost = 1 << 30

// fetch sends a file, or a directory as tar.gz, to the server. The body has no length in its header: if the file
// changes on the way the body is broken off, and the server can tell.
func fetch(parts *Parts) func(context.Context, *Work) (wire.JobResult, error) {
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		f, info, err := openFetched(work.Job.Fetch)
		if err != nil {
			return wire.JobResult{}, err
		}
		defer func() { _ = f.Close() }() // only read
		most := work.Job.Fetch.Most
		if most == 0 {
			most = defaultMost
		}
		if !info.IsDir() && info.Size() > most {
			return wire.JobResult{}, failed(wire.ErrCodeTooLarge, "it has %d bytes, more than %d", info.Size(), most)
		}
		sending := &sending{most: most, sum: sha256.New()}
		left, err := sending.send(ctx, parts, work.Job.ID, f, info)
		if err != nil {
			return wire.JobResult{}, err
		}
		result := wire.JobResult{File: &wire.JobFile{
			Name: filepath.Base(f.Name()), Size: sending.size, Checksum: "SHA256:" + hex.EncodeToString(sending.sum.Sum(nil)),
		}}
		if info.IsDir() {
			result.File.Name += ".tar.gz"
		}
		if left > 0 {
			result.Message = fmt.Sprintf("success; %d sockets, pipes or devices are left out", left)
		}
		return result, nil
	}
}

func openFetched(job *wire.Fetch) (*os.File, fs.FileInfo, error) {
	if job == nil {
		return nil, nil, badJob("fetch is missing")
	}
	if path := job.Path; !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" || strings.ContainsRune(path, 0) {
		return nil, nil, badJob("the path must be absolute and without . and ..: %.200q", path)
	}
	if job.Most < 0 {
		return nil, nil, badJob("the limit is negative")
	}
	f, err := os.OpenFile(job.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe must not make it wait
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read it: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = badJob("%s is neither file nor directory", job.Path)
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// sending counts and sums up what goes to the server.
type sending struct {
	most int64
	size int64
	sum  hash.Hash
	to   io.Writer
}

// Write passes on what the limit allows.
func (s *sending) Write(p []byte) (int, error) {
	if s.size+int64(len(p)) > s.most {
		return 0, failed(wire.ErrCodeTooLarge, "it is more than %d bytes", s.most)
	}
	s.size += int64(len(p))
	_, _ = s.sum.Write(p) // by its documentation it never fails
	return s.to.Write(p)
}

// send sends the body and returns how many entries of a directory were left out.
func (s *sending) send(ctx context.Context, parts *Parts, id string, f *os.File, info fs.FileInfo) (left int, err error) {
	client, url, err := parts.jobFile(id)
	if err != nil {
		return 0, err
	}
	defer client.CloseIdleConnections()
	body, writer := io.Pipe()
	s.to = writer
	read := make(chan error, 1)
	go func() {
		var err error
		if info.IsDir() {
			left, err = archive.Pack(ctx, f.Name(), s)
		} else {
			err = archive.CopyWhole(s, f, info)
		}
		_ = writer.CloseWithError(err) // it never fails
		read <- err
	}()
	sent := s.post(ctx, client, url, body, info.IsDir())
	_ = body.CloseWithError(errUnsent) // ends the reading, should the sending have ended first
	if err := <-read; err != nil && !errors.Is(err, errUnsent) {
		return left, err // why the body was broken off
	}
	return left, sent
}

var errUnsent = errors.New("the sending ended")

func (s *sending) post(ctx context.Context, client *http.Client, url string, body io.Reader, packed bool) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	if packed {
		request.Header.Set("Content-Type", "application/gzip")
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("cannot send the file: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(response.Body, link.MaxBody))
	if err != nil {
		return fmt.Errorf("cannot send the file: %w", err)
	}
	if response.StatusCode/100 != 2 {
		var reply wire.ErrorReply
		_ = json.Unmarshal(text, &reply) // without words of the server's there is its status
		return fmt.Errorf("cannot send the file: the server answers %s %s", response.Status, reply.Error.Message)
	}
	return nil
}
