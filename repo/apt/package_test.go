package apt

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// member is a member of an ar archive.
func member(name string, content []byte) []byte {
	out := fmt.Appendf(nil, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", len(content))
	out = append(out, content...)
	if len(content)%2 == 1 {
		out = append(out, '\n')
	}
	return out
}

func tarOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipped(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(data) // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}

const control = "Package: tool\nVersion: 1:2.0-1\nArchitecture: amd64\nDepends: bash,\n libc6\nDescription: A tool\n for tests\n .\n with two paragraphs\n"

func deb(t testing.TB, text string) []byte {
	t.Helper()
	return bytes.Join([][]byte{
		[]byte("!<arch>\n"), member("debian-binary", []byte("2.0\n")),
		member("control.tar.gz", zipped(tarOf(t, map[string]string{"./control": text}))),
		member("data.tar.gz", zipped(tarOf(t, map[string]string{"./usr/bin/tool": "#!/bin/sh\n"}))),
	}, nil)
}

func TestReadRefusesWhatIsNoDeb(t *testing.T) {
	whole := deb(t, control)
	header := "control.tar.gz  0           0     0     100644  %-10s`\n"
	for name, content := range map[string][]byte{
		"empty":             {},
		"another archive":   []byte("PK\x03\x04 zip"),
		"no members":        []byte("!<arch>\n"),
		"no control":        append([]byte("!<arch>\n"), member("debian-binary", []byte("2.0\n"))...),
		"no size":           []byte("!<arch>\n" + strings.Replace(header, "%-10s", "ten       ", 1)),
		"negative size":     []byte("!<arch>\n" + strings.Replace(header, "%-10s", "-1        ", 1)),
		"cut off":           []byte("!<arch>\n" + strings.Replace(header, "%-10s", "1000      ", 1)),
		"a later format":    bytes.Replace(whole, []byte("2.0\n"), []byte("3.0\n"), 1),
		"two data archives": append(bytes.Clone(whole), member("data.tar", tarOf(t, nil))...),
		"no name":           deb(t, "Version: 1\nArchitecture: all\n"),
		"a name as a path":  deb(t, "Package: ../x\nVersion: 1\nArchitecture: all\n"),
		"two paragraphs":    deb(t, control+"\nPackage: other\nVersion: 1\nArchitecture: all\n"),
		"control character": deb(t, "Package: x\nVersion: 1\nArchitecture: all\nDescription: \x1b[2J\n"),
		"no field":          deb(t, "Package: x\nVersion: 1\nArchitecture: all\nnothing\n"),
	} {
		file := filepath.Join(t.TempDir(), "x.deb")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(file, "pool/x.deb"); err == nil || !strings.Contains(err.Error(), "x.deb") {
			t.Errorf("%s: error = %v, want one that names x.deb", name, err)
		}
	}
	for size := range whole {
		if _, err := read(bytes.NewReader(whole[:size])); err == nil && size < len(whole)-1 { // the last byte only fills up
			t.Errorf("cut to %d of %d bytes it was taken", size, len(whole))
		}
	}
}

func TestReadTakesEveryCompression(t *testing.T) {
	archive := tarOf(t, map[string]string{"control": control})
	packed := map[string][]byte{"": archive, ".gz": zipped(archive)}
	var out bytes.Buffer
	x, err := xz.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = x.Write(archive) // a buffer takes everything
	_ = x.Close()
	packed[".xz"] = out.Bytes()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed[".zst"] = z.EncodeAll(archive, nil)
	for ending, data := range packed {
		p, err := read(bytes.NewReader(bytes.Join([][]byte{
			[]byte("!<arch>\n"), member("debian-binary", []byte("2.0\n")), member("control.tar"+ending, data), member("_extra", []byte("x")), member("data.tar"+ending, data),
		}, nil)))
		if err != nil || p.Field("version") != "1:2.0-1" || len(p.Files) != 1 {
			t.Errorf("%s: %+v, %v", ending, p, err)
		}
	}
}

func TestDpkgMakesWhatIsRead(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed: what it makes goes untested")
	}
	for _, packing := range []string{"none", "gzip", "xz", "zstd"} {
		dir := t.TempDir()
		for name, text := range map[string]string{"tree/DEBIAN/control": control + "Maintainer: Tester <root@localhost>\n", "tree/usr/share/tool/text": "text"} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		file := filepath.Join(dir, "tool.deb")
		if out, err := exec.CommandContext(t.Context(), "dpkg-deb", "-Z"+packing, "--build", filepath.Join(dir, "tree"), file).CombinedOutput(); err != nil {
			t.Fatalf("dpkg-deb -Z%s: %v\n%s", packing, err, out)
		}
		p, err := Read(file, "pool/tool.deb")
		if err != nil || p.Field("Package") != "tool" || len(p.Files) != 1 || p.Files[0] != "/usr/share/tool/text" {
			t.Errorf("%s: %+v, %v", packing, p, err)
		}
	}
}

func TestADebCannotSayWhereItIs(t *testing.T) {
	p, err := read(bytes.NewReader(deb(t, "filename: ../../x.deb\n continued\nSHA256: 00\nSize: 1\n"+control)))
	if err != nil {
		t.Fatal(err)
	}
	p.Filename, p.SHA256 = "pool/tool.deb", "ab"
	stanza := p.Stanza()
	if strings.Contains(stanza, "../x") || strings.Contains(stanza, "continued") || strings.Count(stanza, "SHA256:") != 1 || strings.Count(stanza, "Size:") != 1 {
		t.Errorf("the list would say:\n%s", stanza)
	}
	if got := p.LongField("description"); got != "A tool\nfor tests\n\nwith two paragraphs" {
		t.Errorf("its description is %q", got)
	}
}

func FuzzRead(f *testing.F) {
	whole := deb(f, control)
	f.Add(whole)
	f.Add(whole[:len(whole)-40])
	f.Add(append([]byte("!<arch>\n"), member("control.tar", tarOf(f, map[string]string{"control": control}))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := read(bytes.NewReader(data))
		if err != nil {
			return
		}
		if stanza := p.Stanza(); strings.Contains(strings.TrimSpace(stanza), "\n\n") {
			t.Fatalf("it makes two paragraphs:\n%q", stanza)
		}
	})
}

func FuzzParagraph(f *testing.F) {
	f.Add(control)
	f.Add("Package: x\nFilename: y\n z\nVersion: 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		kept, err := paragraph(text)
		if err != nil {
			return
		}
		p := Package{Control: kept, Filename: "pool/x.deb"}
		if p.Field("SHA256") != "" || p.Field("Filename") != "" || strings.Contains(kept, "\n\n") {
			t.Fatalf("%q became %q", text, kept)
		}
		p.LongField("Description")
	})
}
