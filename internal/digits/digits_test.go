package digits

import "testing"

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "000", 0},
		{"7", "007", 0},
		{"9", "10", -1},
		{"10", "9", 1},
		{"19", "21", -1},
		{"20261130101459123456789", "20261130101459123456788", 1}, // more than 64 bits hold
	} {
		if got := Compare(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: got %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
