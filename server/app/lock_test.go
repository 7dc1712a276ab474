package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hostler/db/dbtest"
)

func TestNobodyMigratesBesideAServer(t *testing.T) {
	d, data := dbtest.OpenURL(t, dbtest.URL(t)), t.TempDir()
	unlock, err := lock(filepath.Join(data, lockFile), os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	if err := Prepare(t.Context(), d, data); err == nil || !strings.Contains(err.Error(), "the server that is running") {
		t.Errorf("beside a server with an older schema: %v", err)
	}
	if _, err := d.CountUsers(t.Context()); err == nil {
		t.Error("the database was migrated beneath a server")
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := Prepare(t.Context(), d, data); err != nil {
		t.Errorf("without a server: %v", err)
	}
	if _, err := lock(filepath.Join(data, lockFile), 0); err != nil {
		t.Errorf("the lock outlived the command: %v", err)
	}
	if err := Prepare(t.Context(), d, data); err != nil {
		t.Errorf("beside a server with the same schema: %v", err)
	}
	never := filepath.Join(t.TempDir(), "never")
	if err := Prepare(t.Context(), d, never); err != nil {
		t.Errorf("where no server has been: %v", err)
	}
	if _, err := os.Stat(never); err == nil {
		t.Error("the data directory was made")
	}
}
