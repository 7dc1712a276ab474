// Package digits compares numbers that are written down, however long they are: versions have dates and hashes in them that
// no machine's number holds. It knows nothing of what is around the digits.
package digits

import (
	"cmp"
	"strings"
)

// Compare orders two runs of digits as numbers; "" is 0, and zeros at the beginning do not count.
func Compare(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
