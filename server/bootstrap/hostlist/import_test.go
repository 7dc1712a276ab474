package hostlist

import (
	"strings"
	"testing"
)

func TestImport(t *testing.T) {
	tests := []struct {
		name   string
		text   string
		format Format
		want   string // lines
		notes  string // codes
	}{
		{"our own", "node[1-2]\nadmin@db1:2222 rack=/r7\n10.0.0.1 10.0.0.2", FormatList, "node[1-2]\nadmin@db1:2222 rack=/r7\n10.0.0.1 10.0.0.2", ""},
		{
			"CSV", "Name,IP,User,Port,Rack,Service Level\nNode1,10.0.0.1,admin,2222,/r7,very high\n\n,10.0.0.2,,,,\nno name,,,,,\n", FormatCSV,
			"admin@node1:2222 address=10.0.0.1 rack=/r7 service_level=very-high\n10.0.0.2\n", "import_host",
		},
		{"CSV of a spreadsheet", "\ufeffhostname;rack\r\n\"a.test\";r1\r\nb.test;\"r;2\"\r\n", FormatCSV, "a.test rack=r1\nb.test\n", "import_setting"},
		{"CSV with tabs", "host\tport\na\t22\n", FormatCSV, "a:22\n", ""},
		{
			"hosts", "127.0.0.1 localhost\n::1 ip6-localhost\n# me\n10.0.0.1 node1 node1.lab.test # x\n2001:db8::1\tNode2\nff02::1 ip6-allnodes\n", FormatHosts,
			"node1.lab.test address=10.0.0.1\nnode2 address=2001:db8::1\n", "",
		},
		{
			"ssh_config", "User me\nHost web1 web2\n  HostName %h.example\n  Port=2222\nHost db1\n HostName 10.0.0.9\n IdentityFile ~/.ssh/db\nHost *.no !x\n User other\nHost *\n User late\n Port 22\n", FormatSSH,
			"me@web1.example:2222\nme@web2.example:2222\nme@db1 address=10.0.0.9\n", "import_access",
		},
		{
			"Ansible", "lone ansible_port=23\n[web]\nweb[01:10:2].test ansible_user='ad min'\nw[a:c] rack=/r1 ansible_host=10.0.0.1 # x\n[db]\ndb1 ansible_ssh_private_key_file=~/k\n[all:vars]\nansible_user = root2\n[site:children]\nweb\ndb\n[site:vars]\nansible_port=2222\n", FormatAnsible,
			"root2@lone:23\nweb[01-10/2].test:2222 site= web=\nroot2@w[a,b,c]:2222 address=10.0.0.1 rack=/r1 site= web=\nroot2@db1:2222 db= site=\n", "import_setting import_access",
		},
		{
			"Ansible YAML", "all:\n  vars:\n    ansible_user: me\n  hosts:\n    z.test:\n  children:\n    web:\n      hosts:\n        a[1:2].test:\n          ansible_port: 2222\n        b.test: {rack: /r7, list: [1]}\n    ungrouped:\n      hosts: {c.test: }\n", FormatAnsibleYAML,
			"me@z.test\nme@a[1-2].test:2222 web=\nme@b.test rack=/r7 web=\nme@c.test\n", "",
		},
		{"broken YAML", "all:\n  hosts:\n  - [\n", FormatAnsibleYAML, "", "import_broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Import(tt.text, "")
			var notes []string
			for _, n := range got.Notes {
				notes = append(notes, n.Code)
				if strings.ContainsAny(n.Message, "{}") {
					t.Errorf("note %q", n.Message)
				}
			}
			if got.Format != tt.format || got.Text != tt.want || strings.Join(notes, " ") != tt.notes {
				t.Errorf("%s, notes %v:\n%s", got.Format, got.Notes, got.Text)
			}
		})
	}
	if got := Import("a,b\n", FormatCSV); got.Text != "" || len(got.Notes) != 1 || got.Notes[0].Code != CodeImportTitles {
		t.Errorf("no titles: %+v", got)
	}
}

func FuzzImport(f *testing.F) {
	for _, s := range []string{"name,ip\na,1.2.3.4", "[web]\na[1:3] x='1'", "all:\n  hosts:\n    a:\n", "10.0.0.1 a b", "Host a\nUser b", "a=&b\n hosts:\n *b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range append(Formats, "") {
			got := Import(text, format)
			if len(got.Notes) > maxProblems {
				t.Fatalf("%d notes", len(got.Notes))
			}
			Read(got.Text)
		}
	})
}
