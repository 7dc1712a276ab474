package apt

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"strings"
	"testing"

	"github.com/ulikunitz/xz"
)

// xzWith is an xz file whose header claims a dictionary: 2 or 3 times a power of two, by its code (the xz file format, 5.3.1).
func xzWith(t *testing.T, data []byte, dictionary byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := xz.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(data) // a buffer takes everything
	_ = w.Close()
	file := out.Bytes()
	const blockAt, dictionaryAt = 12, 12 + 4
	end := blockAt + 4*int(file[blockAt])
	file[dictionaryAt] = dictionary
	binary.LittleEndian.PutUint32(file[end:], crc32.ChecksumIEEE(file[blockAt:end]))
	return file
}

// What a deb takes of the server's memory is bounded, whatever it claims.
func TestADebCannotChooseTheServersMemory(t *testing.T) {
	archive := tarOf(t, map[string]string{"control": control})
	names := map[string]string{}
	for i := range 34 {
		names[strconv.Itoa(i)+strings.Repeat("/name", 200_000)] = ""
	}
	window := strconv.Itoa(maxWindow)
	for name, c := range map[string]struct{ ending, data, says string }{
		"xz, 64 MiB":     {".xz", string(xzWith(t, archive, 28)), ""},
		"xz, 192 MiB":    {".xz", string(xzWith(t, archive, 31)), window},
		"xz, 4 GiB":      {".xz", string(xzWith(t, archive, 40)), window},
		"lzma, 1 GiB":    {".lzma", "\x5d\x00\x00\x00\x40" + strings.Repeat("\xff", 8) + strings.Repeat("\x00", 32), window},
		"zstd, 256 MiB":  {".zst", "\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00", window},
		"names of 34 MB": {".gz", string(zipped(tarOf(t, names))), strconv.Itoa(maxNames)},
	} {
		_, err := read(bytes.NewReader(bytes.Join([][]byte{
			[]byte("!<arch>\n"), member("debian-binary", []byte("2.0\n")), member("control.tar", archive), member("data.tar"+c.ending, []byte(c.data)),
		}, nil)))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want one that says %q", name, err, c.says)
		}
	}
	if err := bounded(maxFiles-1, 0); err != nil {
		t.Error(err)
	}
	if err := bounded(maxFiles, 0); err == nil || !strings.Contains(err.Error(), strconv.Itoa(maxFiles)) {
		t.Errorf("too many entries: %v", err)
	}
}
