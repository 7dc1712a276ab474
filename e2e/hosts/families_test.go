package hosts

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/rpm"

	"hostler/e2e/lab"
	"hostler/repo"
	setupscripts "hostler/setup-scripts"
)

// family is what the hosts of one do in their own ways.
type family struct {
	system  string // what its hosts call themselves
	sources string // lists the files that say where packages come from
	version string // prints the version of the package $1, or complains
	again   string // reads anew what there is to install, and installs the agent's package again
	ending  string
	build   func(*nfpm.Info, io.Writer) error
	failing func(*nfpm.Scripts, string) // the script that makes an installation fail: after others rpm goes on
}

const rpmVersion = `rpm --query --queryformat '%{VERSION}' "$1" || :`

func beforeInstall(s *nfpm.Scripts, path string) { s.PreInstall = path }

var families = map[string]family{
	lab.Debian: {
		system: "Debian", sources: "find /etc/apt/sources.list.d -type f; cat /etc/apt/sources.list",
		version: `dpkg-query --show --showformat='${Version}' "$1" || :`, ending: "deb", build: deb.Default.Package,
		again:   "apt-get -qo APT::Update::Error-Mode=any update && apt-get -qy install --reinstall hostler-agent",
		failing: func(s *nfpm.Scripts, path string) { s.PostInstall = path },
	},
	lab.DNF: {
		system: "Rocky", sources: "find /etc/yum.repos.d -type f", version: rpmVersion, ending: "rpm",
		build: rpm.DefaultRPM.Package, failing: beforeInstall,
		again: "dnf -qy --refresh makecache && dnf -qy reinstall hostler-agent",
	},
	lab.Zypper: {
		system: "openSUSE", sources: "find /etc/zypp/repos.d -type f", version: rpmVersion, ending: "rpm",
		build: rpm.DefaultRPM.Package, failing: beforeInstall,
		again: "zypper --non-interactive refresh --force && zypper --non-interactive install --force hostler-agent",
	},
}

// Hosts of all families are brought under management in one run, where there is nothing to install from but the server.
// Then each gets child agents by its own package manager.
func TestHostsOfAllFamilies(t *testing.T) {
	r := begin(t, built(t, "bin/hostler"), lab.Options{Count: len(lab.Flavours), Flavours: lab.Flavours})
	offered := t.TempDir()
	r.serve(offered)
	for _, h := range r.Lab.Hosts {
		t.Run(h.Flavour, func(t *testing.T) {
			on := &run{T: t, Server: r.Server, host: h}
			on.registered(families[h.Flavour])
			on.childAgents(families[h.Flavour], offered)
			on.carried(families[h.Flavour])
			if h.Flavour == lab.Debian {
				on.polls()
			}
		})
	}
	r.rotatesKeys()
	for _, h := range r.Lab.Hosts {
		t.Run(h.Flavour+" removed", func(t *testing.T) {
			(&run{T: t, Server: r.Server, host: h}).removed(families[h.Flavour])
		})
	}
}

// rotatesKeys changes the key that signs what there is to install, and has all hosts install when the new one signs, and when
// the old one is dropped.
func (r *run) rotatesKeys() {
	const path = "/api/v1/repository-key"
	for _, stage := range repo.KeyStages {
		must(r.T, r.Until(r.Context(), "told that all hosts have the new key", func() (bool, error) {
			var now struct{ Hosts struct{ Total, Lacking int } }
			err := r.Call(r.Context(), http.MethodGet, path, nil, &now)
			return stage != repo.KeyTrusted || now.Hosts.Total > 0 && now.Hosts.Lacking == 0, err
		}))
		must(r.T, r.Call(r.Context(), http.MethodPost, path+"/advance", map[string]any{"stage": stage}, nil))
		if stage == repo.KeyNone || stage == repo.KeyStandby {
			continue // the old one still signs
		}
		for _, h := range r.Lab.Hosts {
			if out, err := h.Exec(r.Context(), "sh", "-euc", families[h.Flavour].again); err != nil {
				r.Errorf("after %q with %s: %v\n%s", stage, h.Flavour, err, out)
			}
		}
	}
}

// registered checks that the host is known as what it is, and that its agent is from the server's repository.
func (r *run) registered(of family) {
	r.Helper()
	var list struct{ Items []struct{ OS, State string } }
	must(r.T, r.Call(r.Context(), http.MethodGet, "/api/v1/hosts?search="+r.host.Name, nil, &list))
	if len(list.Items) != 1 || list.Items[0].State != "healthy" || !strings.HasPrefix(list.Items[0].OS, of.system) {
		r.Errorf("the list has %+v, want %s", list.Items, of.system)
	}
	if files := strings.Fields(r.sh(of.sources)); len(files) != 1 || !strings.HasPrefix(filepath.Base(files[0]), "hostler.") {
		r.Errorf("packages come from %q", files)
	}
	if v := r.installed(of, "hostler-agent"); v == "" || strings.Contains(v, "not installed") {
		r.Errorf("of the agent's package there is %q", v)
	}
}

// carried has a host forget its agent and brings it back with the archive of a token, and without any tool that downloads.
func (r *run) carried(of family) {
	r.Helper()
	var token struct{ ID int64 }
	var archive []byte
	must(r.T, r.Call(r.Context(), http.MethodPost, "/api/v1/enrol-tokens", map[string]any{"host": r.host.Name}, &token))
	must(r.T, r.Call(r.Context(), http.MethodGet, fmt.Sprintf("/api/v1/enrol-tokens/%d/archive", token.ID), nil, &archive))
	write(r.T, filepath.Join(r.host.Root(), "root/setup-agent.sh"), setupscripts.Script())
	r.sh("sh /root/setup-agent.sh uninstall")
	if v := r.installed(of, "hostler-agent"); v != "" && !strings.Contains(v, "not installed") {
		r.Fatalf("after its end there is %q", v)
	}
	write(r.T, filepath.Join(r.host.Root(), "root/carried.tar"), archive)
	out := r.sh(fmt.Sprintf(`cd /root && for tool in curl wget; do if command -v $tool >/dev/null; then chmod a-x "$(command -v $tool)"; fi; done
tar -xf carried.tar && sh hostler-agent-%d/install.sh 2>&1`, token.ID))
	if v := r.installed(of, "hostler-agent"); v == "" || strings.Contains(v, "not installed") {
		r.Errorf("of the agent's package there is %q after\n%s", v, out)
	}
	must(r.T, r.Until(r.Context(), "told of the host that was carried to", func() (bool, error) {
		var list struct{ Items []struct{ State string } }
		err := r.Call(r.Context(), http.MethodGet, "/api/v1/certificates?state=valid&search="+r.host.Name, nil, &list)
		return len(list.Items) == 2, err // the former one is still valid
	}))
	must(r.T, r.start("/api/v1/commands", map[string]any{"targets": map[string]any{"hosts": r.host.Name}, "exec": map[string]any{"command": []string{"true"}}}))
}

// removed has the server remove the host, and checks that nothing of it is left on either side. A child agent is kept, with
// what it needs.
func (r *run) removed(of family) {
	r.Helper()
	r.sh("mkdir -p /etc/hostler-agent/agents.d; printf '[agent]\\nname = Kept\\ncommand = /bin/sleep 4719\\n' >/etc/hostler-agent/agents.d/kept.ini")
	must(r.T, r.Until(r.Context(), "told of the child agent", func() (bool, error) { return r.sh("pgrep -fx '/bin/sleep 4719' || :") != "", nil }))
	pid := r.sh("pgrep -fx '/bin/sleep 4719'")
	must(r.T, r.start("/api/v1/host-removals", map[string]any{"targets": map[string]any{"hosts": r.host.Name}, "keep_children": true}))
	// What removes the agent ends a moment after it has told so.
	must(r.T, r.Until(r.Context(), "to see the end of the agent's processes", func() (bool, error) {
		return r.sh("pgrep -f '^/usr/bin/hostler-agent' || :") == "", nil
	}))
	if out := r.sh(traces); out != "" {
		r.Errorf("after its removal there is %q", out)
	}
	if v := r.installed(of, "hostler-agent"); v != "" && !strings.Contains(v, "not installed") {
		r.Errorf("of the agent's package there is %q", v)
	}
	if now := r.sh("pgrep -fx '/bin/sleep 4719' && cat /etc/hostler-agent/agents.d/kept.ini >&2"); now != pid {
		r.Errorf("the child agent's process was %s and is %q", pid, now)
	}
	r.sh("pkill -fx '/bin/sleep 4719'")
	var list struct{ Items []struct{ State string } }
	must(r.T, r.Call(r.Context(), http.MethodGet, "/api/v1/certificates?state=revoked&search="+r.host.Name, nil, &list))
	if len(list.Items) != 2 { // that from before it was carried to as well
		r.Errorf("revoked certificates of the host are %+v", list.Items)
	}
	must(r.T, r.Call(r.Context(), http.MethodGet, "/api/v1/hosts?search="+r.host.Name, nil, &list))
	if len(list.Items) != 0 {
		r.Errorf("the list has %+v", list.Items)
	}
}

// traces prints what an agent's service and repository leave behind.
const traces = `ls -d /usr/bin/hostler-agent /etc/hostler-agent/agent.ini /var/lib/hostler-agent/identity.pem /etc/init.d/hostler-agent \
	/lib/systemd/system/hostler-agent.service /usr/lib/systemd/system/hostler-agent.service /etc/systemd/system/hostler-agent.service \
	/etc/apt/sources.list.d/hostler* /etc/yum.repos.d/hostler* /etc/zypp/repos.d/hostler* 2>/dev/null || :`

func (r *run) installed(of family, name string) string {
	r.Helper()
	return strings.TrimSpace(r.sh("set -- " + name + "; " + of.version))
}

func (r *run) childAgents(of family, offered string) {
	host := map[string]any{"hosts": r.host.Name}
	install := func(action, version string, scripts nfpm.Scripts) error {
		name := "packaged-" + version + "." + of.ending
		checksum := buildPackage(r.T, filepath.Join(offered, name), version, scripts, of.build)
		return r.start("/api/v1/child-agents/"+action, map[string]any{
			"targets": host, "name": "Packaged", "version": version, "checksum": "SHA256:" + checksum,
			"url":        "http://" + r.Lab.Server.Name + fileServer + "/" + name,
			"definition": "[agent]\nname = Packaged\ncommand = /opt/packaged/run " + version + "\n",
		})
	}
	expect := func(what, version string) {
		r.Helper()
		if got := r.installed(of, "packaged"); got != version {
			r.Errorf("%s: %q is installed, want %s", what, got, version)
		}
		if out := r.sh("pgrep -fa '^/bin/sh /opt/packaged/run' || :"); !strings.HasSuffix(strings.TrimSpace(out), "/opt/packaged/run "+version) {
			r.Errorf("%s: %q runs, want %s", what, out, version)
		}
	}
	none := nfpm.Scripts{}
	must(r.T, install("install", "1.0.0", none))
	expect("installed", "1.0.0")
	must(r.T, install("upgrade", "1.1.0", none))
	expect("upgraded", "1.1.0")
	must(r.T, install("upgrade", "1.0.0", none))
	expect("back at the older one", "1.0.0")
	failing := none
	of.failing(&failing, r.script("echo this cannot be installed here >&2; exit 1"))
	if err := install("upgrade", "1.2.0", failing); err == nil {
		r.Error("a package whose script fails was installed")
	} else {
		r.Log(err)
	}
	expect("after one that cannot be installed", "1.0.0")
	then := "1.0.0"
	for _, kill := range []struct{ what, processes, tried string }{
		{"the package manager alone", managers, "1.3.0"},
		{"the agent, what runs its commands, and the package manager", "hostler-agent|exe|" + managers, "1.4.0"},
	} {
		r.sh("rm -f /halted")
		ended := make(chan error, 1)
		go func() {
			ended <- install("upgrade", kill.tried, nfpm.Scripts{PreInstall: r.script(halt), PostInstall: r.script(haltLate)})
		}()
		r.killInstallation(kill.processes)
		// It is finished or undone, and the result says which of the two.
		err := <-ended
		if err == nil {
			then = kill.tried
		}
		r.Logf("after a kill of %s: %v", kill.what, err)
		expect("after a kill of "+kill.what, then)
		if out := r.sh(leftovers); out != "" {
			r.Errorf("a kill of %s has left %q", kill.what, out)
		}
	}
	must(r.T, r.start("/api/v1/child-agents/uninstall", map[string]any{"targets": host, "name": "Packaged"}))
	if out := r.sh("test ! -e /opt/packaged/run; pgrep -f '^/bin/sh /opt/packaged/run' || :"); out != "" {
		r.Errorf("after its end %q runs", out)
	}
}

// script writes a package's script.
func (r *run) script(text string) string {
	r.Helper()
	path := filepath.Join(r.TempDir(), "script")
	write(r.T, path, []byte("#!/bin/sh\n"+text+"\n"))
	return path
}

const (
	managers = "dpkg|dpkg-deb|apt-get|rpm|dnf|yum|zypper|Zypp-main"
	// halt is run before a package's files are unpacked, and stops the package manager while it unpacks the large one: that has
	// another name until it is whole.
	halt = `[ -e /halted ] || setsid sh -c '
		until [ -e /halted ] || ls /opt/packaged | grep -q "^large..*"; do :; done
		pkill -STOP -x "` + managers + `"; [ -e /halted ] || echo unpacking >/halted' </dev/null >/dev/null 2>&1 &`
	// haltLate is run afterwards, in case that was not seen.
	haltLate = `[ -e /halted ] || { echo unpacked >/halted; exec sleep 4714; }`
	// leftovers prints what is not as a finished installation leaves it.
	leftovers = `ls /opt/packaged | grep -vx 'run\|large' || :; find /opt/packaged -name large ! -size 64M
		if command -v dpkg >/dev/null; then dpkg --audit; fi
		if command -v rpm >/dev/null && rpm --query packaged >/dev/null 2>&1; then rpm --verify packaged || :; fi`
)

// killInstallation kills processes once the package manager is in the middle of its work.
func (r *run) killInstallation(processes string) {
	r.Helper()
	var where string
	must(r.T, r.Until(r.Context(), "to see the package manager in the middle", func() (bool, error) {
		where = r.sh("cat /halted 2>/dev/null || :")
		return where != "", nil
	}))
	r.Logf("killed while %s: %s", strings.TrimSpace(where), r.sh("ls -s /opt/packaged; dpkg-query --show --showformat='${Status}' packaged 2>/dev/null || :"))
	r.sh("pkill -KILL -x '" + processes + "'; pkill -KILL -f '[s]leep 4714' || :")
}
