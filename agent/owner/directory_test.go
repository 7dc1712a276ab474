package owner

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// inside is set where the test runs with the accounts of the module.
const inside = "HOSTLER_TEST_EXTRAUSERS"

// TestAccountsThatTheFilesDoNotHave asks a module of the C library as LDAP and SSSD are ones. It is done by a binary
// that is linked as the agent is, in a mount namespace with a name service configuration of its own.
func TestAccountsThatTheFilesDoNotHave(t *testing.T) {
	if os.Getenv(inside) != "" {
		lookUp(t)
		return
	}
	modules, _ := filepath.Glob("/usr/lib*/libnss_extrausers.so.2")
	if os.Geteuid() != 0 || len(modules) == 0 {
		t.Skip("this needs root and Debian's package libnss-extrausers")
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"nsswitch.conf": "passwd: files extrausers\ngroup: files extrausers\ninitgroups: files extrausers\n",
		"passwd":        "far:x:70001:70002:Far away:/home/far:/bin/sh\n",
		"group":         "far:x:70002:\nstaff-far:x:70003:far\nothers:x:70004:\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "test", "-c", "-o", filepath.Join(dir, "owner.test"), ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command("unshare", "-m", "sh", "-eu", "-c", `
		mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
		mkdir -p /var/lib/extrausers
		mount --bind "$1" /var/lib/extrausers
		exec "$1/owner.test" -test.run TestAccountsThatTheFilesDoNotHave -test.v`, "sh", dir)
	run.Env = append(os.Environ(), inside+"=1")
	out, err := run.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

func lookUp(t *testing.T) {
	for _, name := range []string{"far", "70001"} {
		o, err := Find(name, "")
		if err != nil {
			t.Fatal(err)
		}
		if o.Name != "far" || o.UID != 70001 || o.GID != 70002 || o.Home != "/home/far" || o.Own {
			t.Errorf("%s is %+v", name, o)
		}
		if !slices.Contains(o.Groups, 70002) || !slices.Contains(o.Groups, 70003) || slices.Contains(o.Groups, 70004) {
			t.Errorf("%s is in %v", name, o.Groups)
		}
	}
	o, err := Find("daemon", "others")
	if err != nil || o.UID != 1 || o.GID != 70004 {
		t.Errorf("daemon with a group from afar is %+v, %v", o, err)
	}
	for _, name := range []string{"nobody-here", "-s", "far:x"} {
		if _, err := Find(name, ""); err == nil {
			t.Errorf("there is a user %q", name)
		}
	}
}
