package upgrade

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSelftestWaitsForWhoWritesTheFile has somebody hold the new binary open for writing, as a process that the agent is
// starting may.
func TestSelftestWaitsForWhoWritesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent")
	writer, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.WriteString("#!/bin/sh\necho 1.2.3\n"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := Selftest(ctx, path, "", "1.2.3"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is open: got %v", err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Selftest(t.Context(), path, "", "1.2.3"); err != nil {
		t.Error(err)
	}
}
