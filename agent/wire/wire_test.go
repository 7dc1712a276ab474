package wire

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"
)

// TestTheDocumentsMessages holds the types to the BootAgent document's examples: each is understood whole, and
// written back it is the same message, with nothing added that an older client would have to ignore.
func TestTheDocumentsMessages(t *testing.T) {
	for file, into := range map[string]any{
		"register_request.json":   &RegisterRequest{},
		"register_reply.json":     &RegisterReply{},
		"status_request.json":     &StatusRequest{},
		"status_reply.json":       &StatusReply{},
		"job_result_request.json": &[]JobResult{},
		"job_result_reply.json":   &ResultReply{},
	} {
		t.Run(file, func(t *testing.T) {
			example, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			decoder := json.NewDecoder(bytes.NewReader(example))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(into); err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(into)
			if err != nil {
				t.Fatal(err)
			}
			if want, got := generic(t, example), generic(t, again); !reflect.DeepEqual(got, want) {
				t.Errorf("got %s, want %s", again, example)
			}
		})
	}
}

func generic(t *testing.T, text []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestErrorCodesAreDocumented holds the tables of the protocol's document to the constants, in both languages.
func TestErrorCodesAreDocumented(t *testing.T) {
	source, err := os.ReadFile("job.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, match := range regexp.MustCompile(`(?m)^\tErrCode\w+ += (\d+)`).FindAllSubmatch(source, -1) {
		want = append(want, string(match[1]))
	}
	if len(want) < 18 {
		t.Fatalf("found only %q", want)
	}
	for _, name := range []string{"agent-protocol.md", "agent-protocol.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, match := range regexp.MustCompile(`(?m)^\| (\d+) \| `).FindAllSubmatch(text, -1) {
			if code := string(match[1]); code != "8440" && code != "8441" {
				got = append(got, code)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s has the codes %q, want %q", name, got, want)
		}
	}
}
