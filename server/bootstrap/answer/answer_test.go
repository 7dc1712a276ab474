package answer_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"hostler/server/bootstrap/answer"
	"hostler/server/bootstrap/hostlist"
)

// TestWrongFilesAreToldAtTheirLines reads files that are wrong. What is expected is what compilers write.
func TestWrongFilesAreToldAtTheirLines(t *testing.T) {
	const good = "hosts: node1\n"
	for name, c := range map[string]struct{ file, want string }{
		"nothing":         {"", `1:1: There is nothing in the file`},
		"comments alone":  {"# later\n", `1:1: There is nothing in the file`},
		"a text":          {"node1, node2\n", `1:1: An answer file takes keys and values`},
		"a list":          {"- node1\n", `1:1: An answer file takes keys and values`},
		"not YAML":        {good + "ssh:\n  user: [root\n  port: 22\n", `\d:\d+: This is not YAML: `},
		"a tab":           {good + "ssh:\n\tuser: root\n", `3:1: YAML takes no tabs here`},
		"two documents":   {good + "---\nhosts: node2\n", `2:1: A second document begins here`},
		"another format":  {"version: 2\n" + good, `1:10: This server reads version 1`},
		"a misspelt key":  {good + "prallel: 3\n", `2:1: There is no key "prallel" here; parallel is meant, perhaps`},
		"a strange key":   {good + "rollback: true\n", `2:1: There is no key "rollback" here; there are cluster, credentials, hosts, many, method, parallel, ssh, version`},
		"below a key":     {good + "ssh:\n  usr: root\n", `3:3: There is no key "usr" here; user is meant, perhaps`},
		"a key twice":     {good + "many: true\nhosts: node2\n", `3:1: hosts is given a second time; it is in line 1 already`},
		"no hosts":        {"cluster: dc1\n", `1:1: The key hosts is missing`},
		"empty hosts":     {"cluster: dc1\nhosts:\n", `2:7: The key hosts is missing`},
		"hosts of maps":   {"hosts:\n  - name: node1\n", `2:5: hosts takes a text with one host per line, or a list`},
		"a line of hosts": {"hosts: |\n  node1\n  node2, web[9-3]\n", `3:10: web\[9-3\]: the range \[9-3\] runs backwards; write \[3-9\]`},
		"an item":         {"hosts:\n  - node1\n  - node2 db[\n", `3:11: db\[: the bracket \[ is never closed`},
		"after Chinese":   {"hosts: |\n  node1 # 一\n  n_x\n", `3:3: n_x: _ cannot be part of a host name`},
		"a port":          {good + "ssh: {user: root, port: 70000}\n", `2:25: A port is a number from 1 to 65535`},
		"no number":       {good + "ssh:\n  port: ssh\n", `3:9: ssh.port takes a number`},
		"no truth":        {good + "many: 1\n", `2:7: many takes true or false`},
		"no text":         {good + "cluster: [a]\n", `2:10: cluster takes a text`},
		"no mapping":      {good + "ssh: root\n", `2:6: ssh takes keys and values`},
		"a user":          {good + "ssh:\n  user: two words\n", `3:9: This is not a user name. Give the name of`},
		"a way to root":   {good + "ssh:\n  become: runas\n", `3:11: There is no such way to become root. Give sudo, su or doas`},
		"a way":           {good + "method: ftp\n", `2:9: method is ssh or manual`},
		"parallel":        {good + "parallel: 501\n", `2:11: parallel is a number from 1 to 500`},
		"parallel none":   {good + "parallel: 0\n", `2:11: parallel is a number from 1 to 500`},
		"a long name":     {good + "cluster: " + strings.Repeat("x", 101) + "\n", `2:10: The name of a cluster has at most 100 bytes`},
		"no jump host":    {good + "ssh:\n  jump:\n    user: me\n", `4:5: The key host is missing`},
		"two jump hosts":  {good + "ssh:\n  jump:\n    host: a b\n", `4:11: This is not one jump host`},
		"jump's port":     {good + "ssh:\n  jump:\n    host: a\n    port: -1\n", `5:11: A port is a number`},
		"too many":        {"hosts: n[1-10001]\n", `1:8: These are 10001 hosts; if so many are meant, say "many: true"`},
		"unknown set":     {"hosts: |\n  node1\n  node2 credentials=db\n", `3:3: node2 asks for the credentials db`},
		"in a set":        {good + "credentials:\n  db:\n    prot: 1\n", `4:5: There is no key "prot" here; port is meant, perhaps`},
		"an alias":        {"hosts: &h node1\ncluster: *h\n", "1:8: Anchors, aliases and tags are not taken.*\n2:10: Anchors"},
		"unknown alias":   {good + "cluster: *h\n", `2:10: Anchors, aliases and tags are not taken`},
		"a tag":           {good + "cluster: !vault x\n", `2:10: Anchors, aliases and tags are not taken`},
		"two sources":     {good + "ssh:\n  password_file: a\n  password_env: B\n", `4:17: ssh.password_env and ssh.password_file say both`},
		"many at once":    {"hots: x\nssh:\n  port: x\n  become: y\nparallel: -3\n", "1:1: There is no key \"hots\".*\n1:1: The key hosts is missing.*\n3:9: .*\n4:11: .*\n5:11: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems := answer.Read([]byte(c.file))
			if got := written(problems); !regexp.MustCompile(`^`+c.want).MatchString(got) || len(problems) != 1+strings.Count(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func written(problems []answer.Problem) string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// TestAttackSecretsInTheFile puts secrets everywhere. Each is refused where it is, and none is repeated.
func TestAttackSecretsInTheFile(t *testing.T) {
	const good, marker = "hosts: node1\n", "hunter2marker"
	key := "-----BEGIN OPENSSH PRIVATE KEY-----\n    " + marker + "\n    -----END OPENSSH PRIVATE KEY-----"
	for file, want := range map[string]string{
		good + "ssh:\n  password: " + marker:                          `3:3: A secret has no place in an answer file. Name a file with password_file, or a variable of the environment with password_env`,
		good + "ssh:\n  sudo_password: " + marker:                     `3:3: .* sudo_password_file`,
		good + "ssh:\n  passphrase: [" + marker + "]":                 `3:3: .* passphrase_file`,
		good + "ssh:\n  private_key: |\n    " + key:                   `3:3: .* private_key_file\n?`,
		good + "ssh:\n  jump:\n    host: a\n    password: " + marker:  `5:5: .* password_file`,
		good + "credentials:\n  db:\n    password: " + marker:         `4:5: .* password_file`,
		good + "credentials:\n  password: " + marker:                  `3:3: .* password_file`,
		good + "password: " + marker:                                  `2:1: .* password_file`,
		good + "ssh:\n  private_key_file: |\n    " + key:              `3:21: This is a private key, which has no place`,
		"hosts: |\n    " + key:                                        `1:8: This is a private key`,
		good + "cluster: |\n    " + key:                               `2:10: This is a private key`,
		good + "ssh:\n  password_env: " + marker + "!":                `3:17: ssh.password_env takes the name of a variable`,
		good + "ssh:\n  password_env: *" + marker:                     `3:17: Anchors, aliases`,
		"hosts: |\n  node1 password=" + marker:                        `2:3: The label password of a host is no place for a secret`,
		"hosts: |\n  node1 password=" + marker + "$":                  `2:9: The label password of a host is no place for a secret`,
		good + "ssh:\n  port: " + marker:                              `3:9: ssh.port takes a number`,
		good + "ssh:\n  password_file: a\n  password_file: " + marker: `4:3: ssh.password_file is given a second time`,
	} {
		_, problems := answer.Read([]byte(file))
		got := written(problems)
		if !regexp.MustCompile(`(?m)^`+want).MatchString(got) || strings.Contains(got, marker) {
			t.Errorf("%s\ngot\n%s\nwant\n%s", file, got, want)
		}
	}
}

// TestTemplateIsWhole holds the template to what is read: every key is in it, and it is right as it is, also with every
// line that is commented out for an example.
func TestTemplateIsWhole(t *testing.T) {
	text := answer.Template()
	if _, problems := answer.Read([]byte(text)); len(problems) > 0 {
		t.Errorf("the template is wrong:\n%s", written(problems))
	}
	for _, key := range answer.AllKeys() {
		if !regexp.MustCompile(`(?m)^ *#? *` + key + `:`).MatchString(text) {
			t.Errorf("the template does not have the key %s", key)
		}
	}
	full := regexp.MustCompile(`(?m)^( *)#((?:  )*[a-z_]+:)`).ReplaceAllString(text, "$1$2")
	full = regexp.MustCompile(`(?m)^ *(private_key|passphrase|password|sudo_password)_env:.*\n`).ReplaceAllString(full, "")
	f, problems := answer.Read([]byte(full))
	if len(problems) > 0 || f.SSH.Jump == nil || f.Credentials["db"] == nil || f.Cluster == "" {
		t.Errorf("with all keys the template is wrong, or they are not read: %+v\n%s\n%s", f, written(problems), full)
	}
}

// TestWrittenFilesReadTheSame writes files and reads them again.
func TestWrittenFilesReadTheSame(t *testing.T) {
	full := answer.File{
		Cluster: "数据中心: 1 # x", Method: answer.MethodSSH, Hosts: "node[1-3] rack=/r7\n\n# 注释: a comment\n  me@[fd00::1]:2222 credentials=no", Parallel: 7, Many: true,
		SSH: answer.Login{
			User: "yes", Port: 2222, Become: "doas",
			Secrets: answer.Secrets{PrivateKey: answer.Source{File: "~/.ssh/my key: 'x'"}, SudoPassword: answer.Source{Env: "SUDO"}},
			Jump:    &answer.Jump{Host: "me@bastion:22", User: "123", Port: 1, Secrets: answer.Secrets{Password: answer.Source{File: "p"}}},
		},
		Credentials: map[string]*answer.Login{"no": {User: "dba"}, "1.5": {Secrets: answer.Secrets{Passphrase: answer.Source{Env: "P"}}}},
	}
	for name, f := range map[string]answer.File{
		"all":           full,
		"hosts alone":   {Hosts: "node1"},
		"indented":      {Hosts: "   node1\n node2"},
		"tabs":          {Hosts: "\tnode1\tnode2"},
		"no names":      {Method: answer.MethodManual},
		"blank between": {Hosts: "node1\n\n\nnode2"},
	} {
		text := f.String()
		got, problems := answer.Read([]byte(text))
		if len(problems) > 0 {
			t.Errorf("%s: it cannot be read:\n%s\n%s", name, written(problems), text)
			continue
		}
		if !reflect.DeepEqual(hostlist.Read(got.Hosts).Hosts, hostlist.Read(f.Hosts).Hosts) {
			t.Errorf("%s: the hosts became %q, were %q", name, got.Hosts, f.Hosts)
		}
		got.Hosts = f.Hosts
		if !reflect.DeepEqual(*got, f) {
			t.Errorf("%s: %+v became %+v\n%s", name, f, *got, text)
		}
	}
}

// TestAttackPrivateKeysAreNotWritten writes what was pasted into the wrong fields.
func TestAttackPrivateKeysAreNotWritten(t *testing.T) {
	const key = "-----BEGIN PRIVATE KEY-----\nhunter2marker\n-----END PRIVATE KEY-----"
	f := answer.File{Hosts: key, Cluster: key, SSH: answer.Login{User: key, Secrets: answer.Secrets{PrivateKey: answer.Source{File: key}}, Jump: &answer.Jump{Host: key}}}
	if text := f.String(); strings.Contains(text, "hunter2marker") {
		t.Errorf("the key is in the file:\n%s", text)
	}
}

func FuzzWrittenHosts(f *testing.F) {
	for _, seed := range []string{"node1", "a\r\nb", " x", "\u2028", "|", "- a: b", "#", "\x00", "\xff", "a\u0085b", "\ufeff"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, hosts, cluster string) {
		if len(cluster) > 100 {
			return
		}
		file := answer.File{Hosts: "first\n" + hosts, Cluster: cluster, Method: answer.MethodManual}
		text := file.String()
		got, problems := answer.Read([]byte(text))
		for _, p := range problems {
			if p.Host == nil && p.Code != answer.CodeMany && p.Code != answer.CodeCredentials && p.Code != answer.CodeSecretLabel {
				t.Fatalf("%q: %s\n%s", hosts, p, text)
			}
		}
		if !reflect.DeepEqual(hostlist.Read(got.Hosts).Hosts, hostlist.Read(file.Hosts).Hosts) && !strings.Contains(hosts, "PRIVATE KEY") {
			t.Fatalf("%q became %q\n%s", file.Hosts, got.Hosts, text)
		}
	})
}
