package clip

import "testing"

func TestText(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
	}{
		{"short", 255, "short"}, {"exact", 5, "exact"}, {"longer", 4, "long"}, {"主机", 5, "主"}, {"a\x00b", 9, "ab"}, {"a\xffb", 9, "ab"}, {"", 0, ""},
	} {
		if got := Text(c.text, c.most); got != c.want {
			t.Errorf("%q cut to %d is %q, want %q", c.text, c.most, got, c.want)
		}
	}
}
