package apt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadRefusesWhatIsNoDeb(t *testing.T) {
	header := "control.tar.gz  0           0     0     100644  %-10s`\n"
	for name, content := range map[string]string{
		"empty":           "",
		"another archive": "PK\x03\x04 zip",
		"no members":      "!<arch>\n",
		"no control":      "!<arch>\n" + strings.Replace(header, "control.tar.gz", "data.tar.gz   ", 1),
		"no size":         "!<arch>\n" + strings.Replace(header, "%-10s", "ten       ", 1),
		"negative size":   "!<arch>\n" + strings.Replace(header, "%-10s", "-1        ", 1),
		"cut off":         "!<arch>\n" + strings.Replace(header, "%-10s", "1000      ", 1),
	} {
		file := filepath.Join(t.TempDir(), "x.deb")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(file, "pool/x.deb"); err == nil || !strings.Contains(err.Error(), "x.deb") {
			t.Errorf("%s: error = %v, want one that names x.deb", name, err)
		}
	}
}
