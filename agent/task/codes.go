package task

import (
	"context"
	"errors"
	"fmt"

	"hostler/agent/command"
	"hostler/agent/download"
	"hostler/agent/install"
	"hostler/agent/space"
	"hostler/agent/supervise"
	"hostler/agent/wire"
	"hostler/internal/archive"
)

// Causes for which a job's context ends.
var (
	errCanceled = errors.New("canceled by the server")
	errTimeout  = errors.New("it took too long and was ended")
)

// failure is an error that knows its code of the table in wire.
type failure struct {
	code  int
	cause error
}

func (f *failure) Error() string { return f.cause.Error() }

func (f *failure) Unwrap() error { return f.cause }

func failed(code int, format string, args ...any) error {
	return &failure{code: code, cause: fmt.Errorf(format, args...)}
}

func badJob(format string, args ...any) error {
	return failed(wire.ErrCodeBadJob, "the job cannot be done as it is: %w", fmt.Errorf(format, args...))
}

// codes are those of errors that other packages make.
var codes = []struct {
	err  error
	code int
}{
	{errCanceled, wire.ErrCodeCanceled},
	{errTimeout, wire.ErrCodeTimeout},
	{context.DeadlineExceeded, wire.ErrCodeTimeout},
	{command.ErrLost, wire.ErrCodeUnknown},
	{download.ErrURL, wire.ErrCodeBadJob},
	{download.ErrChecksum, wire.ErrCodeChecksum},
	{download.ErrTooLarge, wire.ErrCodeTooLarge},
	{download.ErrRead, wire.ErrCodeDownload},
	{archive.ErrRefused, wire.ErrCodeBadPackage},
	{install.ErrDefinition, wire.ErrCodeDefinition},
	{supervise.ErrDefinition, wire.ErrCodeDefinition},
	{supervise.ErrNoChild, wire.ErrCodeNoChild},
}

// code finds the code of an error. A full disk comes first: it may be the cause of any other.
func code(err error) int {
	if err == nil {
		return wire.ErrCodeOK
	}
	if space.IsFull(err) {
		return wire.ErrCodeDiskFull
	}
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	for _, known := range codes {
		if errors.Is(err, known.err) {
			return known.code
		}
	}
	return wire.ErrCodeFailed
}

// ended makes a job's error that of the reason for which its context ended, if it did: what an action says then
// is only what it was doing.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && (errors.Is(cause, errCanceled) || errors.Is(cause, errTimeout)) {
		return cause
	}
	return err
}
