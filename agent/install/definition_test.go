package install

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hostler/agent/ini"
	"hostler/agent/wire"
)

func TestTell(t *testing.T) {
	dir := t.TempDir()
	place := &Place{Dir: filepath.Join(dir, "agents"), Definitions: filepath.Join(dir, "agents.d")}
	file := filepath.Join(place.Definitions, "anything.ini")
	put := func(text string) {
		t.Helper()
		if err := os.MkdirAll(place.Definitions, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what, file, text string, edited bool) {
		t.Helper()
		if told, want := place.Tell("A"), (wire.Definition{Name: "A", File: file, Text: text, Edited: edited}); told != want {
			t.Errorf("%s: told is %+v, want %+v", what, told, want)
		}
	}
	expect("no file", "", "", false)
	by := "[agent]\nname = A\ncommand = /bin/true\n"
	put(by)
	expect("by hand", file, by, false)
	if err := place.Keep("A", Kept{Definition: Digest(by)}); err != nil {
		t.Fatal(err)
	}
	expect("as a job has written it", file, by, false)
	put(by + "# changed\n")
	expect("changed since", file, by+"# changed\n", true)
	own := filepath.Join(place.Definitions, "A.ini")
	if err := os.Rename(file, own); err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string]string{"too large": strings.Repeat("#", ini.MaxSize+1), "no text": "\xff\xfe"} {
		if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		expect(what, own, "", false)
	}
}
