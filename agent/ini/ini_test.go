package ini

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	file, err := Parse("a.ini", []byte("\xef\xbb\xbf# comment\r\n[Server] ; where\r\nHost = h.example   ; the name\r\n"+
		"empty=\n\n[agent]\ncommand = \"sh -c 'a ; b'\" ; runs\nurl = a=b;c\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Value{
		{"server", "host", "Host", "h.example", 3},
		{"server", "empty", "empty", "", 4},
		{"agent", "command", "command", "sh -c 'a ; b'", 7},
		{"agent", "url", "url", "a=b;c", 8},
		{"", "", "", "", 0},
	} {
		if got := file.Get(want.Section, want.Key); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if got := len(file.Values()); got != 4 {
		t.Errorf("%d values, want 4", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct{ content, want string }{
		"no equals sign":   {"[a]\nword\n", "line 2: expected"},
		"no key":           {"[a]\n= x\n", "line 2: expected"},
		"before a section": {"k = v\n", "line 1: \"k\" stands before"},
		"open section":     {"[a\n", "line 1: expected \"[section]\""},
		"section and text": {"[a] b\n", "line 1: expected \"[section]\""},
		"set twice":        {"[a]\nk=1\n\nK=2\n", "line 4: k is set already in line 2"},
		"NUL":              {"[a]\nk=1\x002\n", "line 2: holds a NUL byte"},
		"NUL in a comment": {"[a]\n# \x00\n", "line 2: holds a NUL byte"},
		"escape":           {"[a]\nk=\x1b[1m\n", "line 2: holds a control"},
		"not UTF-8":        {"[a]\nk=\xff\n", "line 2: holds a control"},
		"open quotation":   {"[a]\nk=\"x\n", "line 2: k: the closing quotation mark"},
		"too large":        {strings.Repeat("#", MaxSize+1), "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("a.ini", []byte(test.content))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestReadStopsAtTheLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big.ini")
	if err := os.WriteFile(path, []byte(strings.Repeat("#", 10*MaxSize)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got error %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("[a]\nk = \"v\" ; c\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		file, err := Parse("f", content)
		if err != nil {
			return
		}
		for _, value := range file.Values() {
			if got := file.Get(value.Section, value.Key); got != value {
				t.Errorf("got %+v, want %+v", got, value)
			}
		}
	})
}
