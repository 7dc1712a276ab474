package rpm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

// sample is a real package.
func sample(t testing.TB) []byte {
	t.Helper()
	content := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(content, []byte(strings.Repeat("content ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "sample", Version: "1.0", Arch: "amd64", Platform: "linux", Maintainer: "Tester <root@localhost>", Description: "A sample", DisableGlobbing: true,
		Overridables: nfpm.Overridables{Contents: files.Contents{{Source: content, Destination: "/usr/share/sample", FileInfo: &files.ContentFileInfo{Mode: 0o644}}}},
	})
	var out bytes.Buffer
	if err := rpm.DefaultRPM.Package(info, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReadFindsDamageEverywhere(t *testing.T) {
	whole := sample(t)
	f, err := Read(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	if f.Signed || f.Header.Text(1000) != "sample" || f.PayloadSize() == 0 {
		t.Errorf("read %q, signed %t, payload of %d", f.Header.Text(1000), f.Signed, f.PayloadSize())
	}
	if _, err := Read(bytes.NewReader(append(bytes.Clone(whole), 0))); err == nil {
		t.Error("a byte behind the end was not found")
	}
	for size := 0; size < len(whole); size += 1 + size/50 {
		if _, err := Read(bytes.NewReader(whole[:size])); err == nil {
			t.Errorf("cut to %d of %d bytes it was taken", size, len(whole))
		}
	}
	for at := int(f.Start); at < len(whole); at += 7 { // of the signature header not everything matters
		changed := bytes.Clone(whole)
		changed[at] ^= 0x10
		if _, err := Read(bytes.NewReader(changed)); err == nil {
			t.Errorf("changed at %d it was taken", at)
		}
	}
}

func TestReadBelievesNoSizes(t *testing.T) {
	whole := sample(t)
	const entries, size = leadSize + 8, leadSize + 12 // of the signature header
	for name, change := range map[string]func(data []byte){
		"entries": func(data []byte) { binary.BigEndian.PutUint32(data[entries:], 0xffffffff) },
		"size":    func(data []byte) { binary.BigEndian.PutUint32(data[size:], 0xffffffff) },
		"both":    func(data []byte) { copy(data[entries:], bytes.Repeat([]byte{0xff}, 8)) },
		"much":    func(data []byte) { binary.BigEndian.PutUint32(data[size:], maxStore) },
		"offset":  func(data []byte) { binary.BigEndian.PutUint32(data[leadSize+introSize+8:], 0x7fffffff) },
		"count":   func(data []byte) { binary.BigEndian.PutUint32(data[leadSize+introSize+12:], 0x7fffffff) },
	} {
		changed := bytes.Clone(whole)
		change(changed)
		if _, err := Read(bytes.NewReader(changed)); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// What a header takes of the server's memory is bounded by its size, whatever its index says.
func TestAHeaderCannotChooseTheServersMemory(t *testing.T) {
	many := encode(map[int32]value{1117: {typeList, maxValues + 1, make([]byte, maxValues+1)}})
	shared := encode(map[int32]value{1: {typeList, 1, []byte("text\x00")}, 2: {typeList, 1, []byte("text\x00")}, 3: {typeList, 1, bytes.Repeat([]byte("text"), 100)}})
	shared = append(shared[:len(shared):len(shared)], 0)
	binary.BigEndian.PutUint32(shared[12:], binary.BigEndian.Uint32(shared[12:])+1)
	for i := range 3 { // the texts of all three are what the third has, and its end
		binary.BigEndian.PutUint32(shared[introSize+entrySize*(i+1)+8:], 10)
	}
	for name, c := range map[string]struct {
		header []byte
		says   string
	}{"many values": {many, "at most 500000"}, "values upon each other": {shared, "upon each other"}} {
		if _, err := readHeader(bytes.NewReader(c.header)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want one that says %q", name, err, c.says)
		}
	}
}

func TestSignedPackagesStayWhole(t *testing.T) {
	whole := sample(t)
	count := 0
	sign := func(r io.Reader) ([]byte, error) {
		count++
		_, err := io.Copy(io.Discard, r)
		return bytes.Repeat([]byte{byte(count)}, 283), err
	}
	once := whole
	for range 2 { // the second time it replaces its own
		var out bytes.Buffer
		if err := Sign(&out, bytes.NewReader(once), sign); err != nil {
			t.Fatal(err)
		}
		once = out.Bytes()
		f, err := Read(bytes.NewReader(once))
		if err != nil {
			t.Fatal(err)
		}
		if !f.Signed || !bytes.HasSuffix(whole, once[f.Start:]) {
			t.Errorf("signed %t; header and payload are not what they were", f.Signed)
		}
		if got := f.signature.bytesOf(sigRSA); len(got) != 283 || got[0] != byte(count-1) {
			t.Errorf("its signature is %x", got)
		}
	}
	refused := errors.New("no key")
	if err := Sign(io.Discard, bytes.NewReader(whole), func(io.Reader) ([]byte, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("without a key: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	whole := sample(f)
	f.Add(whole)
	f.Add(whole[:500])
	f.Add(append(bytes.Clone(whole[:leadSize]), encode(map[int32]value{sigSize: {typeInt32, 1, []byte{0, 0, 0, 1}}})...))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		for tag := range found.Header.entries { // whatever is asked for must not end the process
			found.Header.Texts(tag)
			found.Header.Numbers(tag)
			found.Header.bytesOf(tag)
		}
		var out bytes.Buffer
		if err := Sign(&out, bytes.NewReader(data), func(io.Reader) ([]byte, error) { return []byte("signature"), nil }); err != nil {
			t.Fatalf("what was read cannot be signed: %v", err)
		}
		if _, err := Read(&out); err != nil {
			t.Fatalf("what was signed cannot be read: %v", err)
		}
	})
}

func FuzzHeader(f *testing.F) {
	found, err := readHeaders(bytes.NewReader(sample(f)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(found.signature.raw)
	f.Add(encode(map[int32]value{
		1: {typeInt16, 2, []byte{1, 2, 3, 4}}, 2: {typeInt64, 1, make([]byte, 8)}, 3: {typeList, 2, []byte("a\x00b\x00")}, 4: {typeChar, 1, []byte{1}},
	}))
	f.Fuzz(func(_ *testing.T, data []byte) {
		h, err := readHeader(bytes.NewReader(data))
		if err != nil {
			return
		}
		for tag := range h.entries {
			h.Texts(tag)
			h.Numbers(tag)
			h.bytesOf(tag)
		}
		encode(h.values(func(int32) bool { return false }))
	})
}
