package owner

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	daemon, err := Find("daemon", "")
	if err != nil || daemon.UID != 1 || daemon.GID != 1 || daemon.Own || !slices.Contains(daemon.Groups, 1) {
		t.Errorf("daemon: %+v, %v", daemon, err)
	}
	number, err := Find("1", "0")
	if err != nil || number.Name != "daemon" || number.GID != 0 || !slices.Contains(number.Groups, 0) || !slices.Contains(number.Groups, 1) {
		t.Errorf("1 with group 0: %+v, %v", number, err)
	}
	own, err := Find("", "")
	if err != nil || !own.Own || own.Credential() != nil || own.UID != uint32(os.Getuid()) {
		t.Errorf("the own one: %+v, %v", own, err)
	}
	for _, name := range []string{"no-such-user", "4294967290", "-1"} {
		if who, err := Find(name, ""); err == nil || !strings.Contains(err.Error(), "there is no user") {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
		if who, err := Find("", name); err == nil || !strings.Contains(err.Error(), "there is no group") {
			t.Errorf("group %s: %+v, %v", name, who, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	o := &Owner{Name: "x", Home: "/nonexistent"}
	got := o.Environment(map[string]string{"PATH": "/usr/bin;/usr/local/bin", "A": "b c"})
	want := []string{"A=b c", "HOME=/nonexistent", "LANG=C.UTF-8", "LOGNAME=x", "PATH=/usr/bin:/usr/local/bin", "SHELL=/bin/sh", "USER=x"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if o.Directory() != "/" {
		t.Errorf("in %s", o.Directory())
	}
	for _, name := range []string{"", "1A", "A-B", "A=B", "é"} {
		if CheckVariables(map[string]string{name: ""}) == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if CheckVariables(map[string]string{"A": "b\x00c"}) == nil {
		t.Error("a NUL byte was taken")
	}
}
