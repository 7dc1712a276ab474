package web

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"hostler/agent/wire"
	"hostler/repo"
	"hostler/repo/upstream/upstreamtest"
)

// installed asks which hosts have a package.
func (s *server) installed(repository, digest, query string) (found installedReply) {
	s.t.Helper()
	r := s.api(get, api+"/repositories/"+repository+"/packages/"+digest+"/hosts"+query, "")
	if r.status != http.StatusOK {
		s.t.Fatalf("who has a package answered %d %s", r.status, r.body)
	}
	r.json(s.t, &found)
	return found
}

func TestHostsThatHaveAChildAgent(t *testing.T) {
	s := newServer(t)
	b := s.setUp()
	p := s.addPackage("tools", "gauge-1.0.tar.gz")
	for i := range installedShown + 2 {
		name := fmt.Sprintf("node%02d.lab.test", i)
		c, _ := s.register(name)
		version := "1.0"
		if i == 0 {
			version = "0.9"
		}
		s.beat(c, name, wire.ChildAgent{Name: "gauge", Version: version, Status: wire.ChildRunning}, wire.ChildAgent{Name: "other", Version: "1.0", Status: wire.ChildRunning})
	}
	path := "/repositories/tools/packages/" + p.Digest
	shows(t, "the package", b.get(path), http.StatusOK, "11 hosts have it.", "node01.lab.test", path+"/hosts")
	shows(t, "its hosts", b.get(path+"/hosts"), http.StatusOK, "Hosts that have gauge 1.0", "node11.lab.test")
	shows(t, "the rest of them", b.get(path+"/hosts?after=bad"), http.StatusBadRequest)
	first := s.installed("tools", p.Digest, "?limit=10")
	rest := s.installed("tools", p.Digest, "?limit=10&after="+first.Next)
	if first.Told != "child_agent" || first.Total != 11 || len(first.Items) != 10 || first.Items[0].Host != "node01.lab.test" {
		t.Errorf("the first page is %+v", first)
	}
	if rest.Total != 11 || len(rest.Items) != 1 || rest.Items[0].Host != "node11.lab.test" || rest.Next != "" {
		t.Errorf("the second page is %+v", rest)
	}
}

func TestHostsThatHaveTheAgent(t *testing.T) {
	s := newServer(t)
	s.publishAgent()
	for name, host := range map[string]struct {
		version string
		facts   wire.Facts
	}{
		"deb":     {"v1.0.0", wire.Facts{OS: wire.OS{ID: "debian", Family: "debian"}, Arch: "amd64"}},
		"silent":  {"1.0.0", wire.Facts{OS: wire.OS{ID: "ubuntu"}, Arch: "amd64"}}, // its agent tells no family
		"rpm":     {"1.0.0", wire.Facts{OS: wire.OS{ID: "rocky", Family: "rhel"}, Arch: "amd64"}},
		"earlier": {"0.9.0", wire.Facts{OS: wire.OS{ID: "debian", Family: "debian"}, Arch: "amd64"}},
		"arm":     {"1.0.0", wire.Facts{OS: wire.OS{ID: "debian", Family: "debian"}, Arch: "arm64"}},
	} {
		c, sn := s.agent(name + ".lab.test")
		s.agentPost(c, wire.PathRegister, wire.RegisterRequest{Hostname: name + ".lab.test", AgentSN: sn, Version: host.version, Facts: &host.facts})
	}
	for repository, want := range map[string]map[string]string{
		repo.AgentApt: {"amd64": "[deb.lab.test silent.lab.test]", "arm64": "[arm.lab.test]"}, repo.AgentYum: {"x86_64": "[rpm.lab.test]", "aarch64": "[]"},
	} {
		there := must[*repo.Channel](t)(s.web.Repo.Channel(repository, ""))
		for _, p := range must[[]*repo.Package](t)(s.web.Repo.Contents(repository, there.Snapshot)) {
			found, names := s.installed(repository, p.Digest, ""), []string{}
			for _, h := range found.Items {
				names = append(names, h.Host)
			}
			if got := fmt.Sprint(names); got != want[p.Arch] || found.Told != "agent" {
				t.Errorf("%s %s is on %s, want %s: %+v", repository, p.Arch, got, want[p.Arch], found)
			}
		}
	}
}

func TestNobodyTellsOfOtherPackages(t *testing.T) {
	u := upstreamtest.New(t, "apt")
	u.Add(upstreamtest.Package{Name: "web", Version: "1", Arch: "amd64"})
	s := newServer(t)
	b := s.setUp()
	if err := s.web.Repo.Create(repo.Definition{Name: "debian", Kind: repo.Apt}, nil); err != nil {
		t.Fatal(err)
	}
	got := must[*repo.Received](t)(s.web.Repo.Receive(t.Context(), "debian", repo.Upload{Name: "web.deb", Content: bytes.NewReader(u.Read("pool/web_1_amd64.deb"))}))
	digest := must[*repo.Result](t)(s.web.Repo.Commit(t.Context(), "debian", "", []*repo.Received{got}, "tester")).Files[0].Package.Digest
	if found := s.installed("debian", digest, ""); found.Told != "untold" || found.Total != 0 || len(found.Items) != 0 {
		t.Errorf("of a deb of a person is told %+v", found)
	}
	r := b.get("/repositories/debian/packages/" + digest)
	shows(t, "the package", r, http.StatusOK, "Hosts report their agent and their child agents.")
}
