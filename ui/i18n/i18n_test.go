package i18n

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// catalogue reads a catalogue; the forms of a plural are joined, because languages have different ones.
func catalogue(t *testing.T, lang string) map[string]string {
	t.Helper()
	b, err := catalogues.ReadFile(lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for id, v := range raw {
		switch v := v.(type) {
		case string:
			texts[id] = v
		case map[string]any:
			for _, form := range v {
				texts[id] += form.(string)
			}
		}
	}
	return texts
}

var placeholder = regexp.MustCompile(`\.([A-Za-z_]+)`)

func placeholders(text string) []string {
	names := map[string]bool{}
	for _, action := range regexp.MustCompile(`{{[^}]*}}`).FindAllString(text, -1) {
		for _, m := range placeholder.FindAllStringSubmatch(action, -1) {
			names[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func TestCataloguesAgree(t *testing.T) {
	english, chinese := catalogue(t, English), catalogue(t, Chinese)
	if len(english) < 300 {
		t.Fatalf("the English catalogue has %d texts, want all of them", len(english))
	}
	for id, text := range english {
		other, ok := chinese[id]
		if !ok {
			t.Errorf("%s is missing in Chinese", id)
			continue
		}
		if want, got := placeholders(text), placeholders(other); !slices.Equal(want, got) {
			t.Errorf("%s has the placeholders %v in English and %v in Chinese", id, want, got)
		}
		if strings.TrimSpace(other) == "" {
			t.Errorf("%s is empty in Chinese", id)
		}
	}
	for id := range chinese {
		if _, ok := english[id]; !ok {
			t.Errorf("%s is in the Chinese catalogue only", id)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct{ header, cookie, want string }{
		{"", "", English},
		{"zh-CN,zh;q=0.9,en;q=0.8", "", Chinese},
		{"zh", "", Chinese},
		{"zh-Hans-SG", "", Chinese},
		{"de-DE,de;q=0.9", "", English},
		{"de,zh-CN;q=0.5", "", Chinese},
		{"en-GB", "", English},
		{"zh-CN", English, English},
		{"en", Chinese, Chinese},
		{"en", "fr", English},
		{";;;", "", English},
	} {
		if got := Match(c.header, c.cookie); got != c.want {
			t.Errorf("Match(%q, %q) is %q, want %q", c.header, c.cookie, got, c.want)
		}
	}
}

func TestTexts(t *testing.T) {
	en, zh := With(t.Context(), English), With(t.Context(), Chinese)
	for _, c := range []struct{ got, want string }{
		{T(en, "nav.hosts"), "Hosts"},
		{T(zh, "nav.hosts"), "主机"},
		{T(t.Context(), "nav.hosts"), "Hosts"},
		{T(With(t.Context(), "fr"), "nav.hosts"), "Hosts"},
		{T(en, "layout.signed_in", "Name", "{{.Name}} <b>"), "Logged in as {{.Name}} <b>"},
		{N(en, "preview.hosts", 1), "1 host"},
		{N(en, "preview.hosts", 0), "0 hosts"},
		{N(en, "preview.hosts", 2, "Count", "{n}"), "{n} hosts"},
		{N(zh, "preview.hosts", 2), "2 台主机"},
		{T(en, "no.such.text"), "[no.such.text]"},
		{Lang(zh), Chinese},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if s, ok := Fill(en, "event.user.login", map[string]string{"user": "ann"}); !ok || s != "ann logged in" {
		t.Errorf("Fill without an optional placeholder is %q, %v", s, ok)
	}
	if s, ok := Fill(en, "no.such.text", nil); ok {
		t.Errorf("Fill found %q for an unknown text", s)
	}
}
