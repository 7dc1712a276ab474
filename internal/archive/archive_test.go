package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func toFile(t *testing.T, content []byte) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "archive"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.Write(content); err != nil {
		t.Fatal(err)
	}
	return f
}

// tarball has a file of each name, with its name in it.
func tarball(t *testing.T, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, name := range names {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(name))})
		if err == nil {
			_, err = io.WriteString(w, name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipball(t *testing.T, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range names {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.WriteString(f, name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func nothing(*Entry) error { return nil }

func TestWalkReadsAllOfIt(t *testing.T) {
	for format, content := range map[string][]byte{"tar.gz": tarball(t, "a/b", "c"), "zip": zipball(t, "a/b", "c")} {
		var found []string
		_, err := Walk(t.Context(), toFile(t, content), DefaultBounds, func(e *Entry) error {
			text, err := io.ReadAll(e.Content)
			found = append(found, e.Name+"="+string(text))
			return err
		})
		if err != nil || strings.Join(found, " ") != "a/b=a/b c=c" {
			t.Errorf("%s: found %v, %v", format, found, err)
		}
		mine := errors.New("the visitor's own")
		if _, err := Walk(t.Context(), toFile(t, content), DefaultBounds, func(*Entry) error { return mine }); !errors.Is(err, mine) || errors.Is(err, ErrRefused) {
			t.Errorf("%s: a visitor's error became %v", format, err)
		}
	}
	whole := tarball(t, "a")
	broken := bytes.Clone(whole)
	broken[len(broken)-6] ^= 1 // of the checksum at its end
	for name, content := range map[string][]byte{"a wrong checksum": broken, "cut off": whole[:len(whole)-4]} {
		if _, err := Walk(t.Context(), toFile(t, content), DefaultBounds, nothing); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What an archive takes of memory is bounded, whatever it claims.
func TestAnArchiveCannotChooseTheMemory(t *testing.T) {
	deep := make([]string, 40) // each has 500 directories of its own
	for i := range deep {
		deep[i] = fmt.Sprintf("%d/%sf", i, strings.Repeat("d/", 500))
	}
	long := make([]string, 250)
	for i := range long {
		long[i] = fmt.Sprintf("%d/%s", i, strings.Repeat("x", 200))
	}
	claims := append(zip64(1<<24), zipball(t)...) // archive/zip would take 128 MiB for as many
	copy(claims[len(claims)-22+10:], "\xff\xff")
	list := make([]byte, 46)
	copy(list, "PK\x01\x02")
	binary.LittleEndian.PutUint16(list[30:], 60_000) // bytes of an extra field
	large := append([]byte("PK\x03\x04"), bytes.Repeat(append(list, make([]byte, 60_000)...), 300)...)
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[10:], 300)
	binary.LittleEndian.PutUint32(end[12:], uint32(len(large)-4))
	binary.LittleEndian.PutUint32(end[16:], 4)
	for name, c := range map[string]struct {
		content []byte
		says    string
	}{
		"directories of a tar.gz":    {tarball(t, deep...), "more than 10000 entries"},
		"directories of a zip":       {zipball(t, deep...), "more than 10000 entries"},
		"names of a tar.gz":          {tarball(t, long...), "more than 45000 bytes together"},
		"names of a zip":             {zipball(t, long...), "more than 45000 bytes together"},
		"a zip that claims much":     {claims, "more than 10000 entries"},
		"a zip that lists at length": {append(large, end...), fmt.Sprintf("more than %d bytes", maxDirectory)},
	} {
		f := toFile(t, c.content)
		if strings.Contains(name, "claims") { // as many members would need so much room
			f = sparse(t, c.content, 1<<30)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Walk(t.Context(), f, Bounds{Bytes: 1 << 30, Count: 10_000, Names: 45_000, Ratio: 200}, nothing)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want one that says %q", name, err, c.says)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 100<<20 {
			t.Errorf("%s: it took %d bytes", name, took)
		}
	}
}

// zip64 is the end of a zip64 file: a record that claims members, and what says that it lies 98 bytes before the file's end.
func zip64(members uint64) []byte {
	record := make([]byte, 56)
	copy(record, "PK\x06\x06")
	binary.LittleEndian.PutUint64(record[4:], 44)
	binary.LittleEndian.PutUint64(record[24:], members)
	binary.LittleEndian.PutUint64(record[32:], members)
	locator := make([]byte, 20)
	copy(locator, "PK\x06\x07")
	binary.LittleEndian.PutUint64(locator[8:], 1<<30-98)
	binary.LittleEndian.PutUint32(locator[16:], 1)
	return append(record, locator...)
}

// sparse is a file of a size that begins as a zip and ends with something.
func sparse(t *testing.T, end []byte, size int64) *os.File {
	t.Helper()
	f := toFile(t, []byte("PK\x03\x04"))
	if _, err := f.WriteAt(end, size-int64(len(end))); err != nil {
		t.Fatal(err)
	}
	return f
}
