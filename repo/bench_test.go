package repo

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
)

// BenchmarkOneMore publishes one package more in a channel that has 5,000; what it costs to take the package counts, too.
func BenchmarkOneMore(b *testing.B) {
	for _, kind := range []Kind{Apt, Yum} {
		b.Run(string(kind), func(b *testing.B) {
			s, err := Open(b.TempDir(), slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			mustCreate(b, s, "ours", kind)
			build := func(i int) Upload {
				content := sample{name: fmt.Sprintf("package%d", i), version: "1.0", arch: "amd64"}.build(b, kind)
				return Upload{Name: "package", Content: bytes.NewReader(content)}
			}
			add := func(all ...Upload) {
				var received []*Received
				for _, up := range all {
					got, err := s.Receive(b.Context(), "ours", up)
					if err != nil {
						b.Fatal(err)
					}
					received = append(received, got)
				}
				if _, err := s.Commit(b.Context(), "ours", "", received, "tester"); err != nil {
					b.Fatal(err)
				}
			}
			var first []Upload
			for i := range 5000 {
				first = append(first, build(i))
			}
			add(first...)
			next := 5000
			for b.Loop() {
				b.StopTimer()
				up := build(next)
				next++
				b.StartTimer()
				add(up)
			}
		})
	}
}
