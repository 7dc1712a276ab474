package piece

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
)

// Cut sorts digests, in hex, and cuts them where their first two digits change: adding one changes one run and
// leaves the others as they are.
func Cut(digests []string) [][]string {
	sorted := slices.Sorted(slices.Values(digests))
	var runs [][]string
	for len(sorted) > 0 {
		end := 1
		for end < len(sorted) && sorted[end][:2] == sorted[0][:2] {
			end++
		}
		runs, sorted = append(runs, sorted[:end:end]), sorted[end:]
	}
	return runs
}

// Key stands for what a run of packages looks like in a list of some kind; raise the kind's version with its layout.
func Key(kind string, run []string) [sha256.Size]byte {
	sum := sha256.New()
	sum.Write([]byte(kind + "\n"))
	for _, digest := range run {
		raw, err := hex.DecodeString(digest)
		if err != nil {
			raw = []byte(digest)
		}
		sum.Write(raw)
	}
	return [sha256.Size]byte(sum.Sum(nil))
}
