package answer

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"hostler/server/bootstrap"
)

// String writes the file, with a word on each thing that whoever replays it has to add: where the secrets are.
func (f *File) String() string {
	w := &writer{}
	w.comment("Hostler answer file. Replay it: hostler install -f FILE, or load it into a wizard.")
	w.comment("There is no secret in it: uncomment the lines that say where yours are read from.")
	w.number("version", Version)
	w.text("cluster", f.Cluster)
	w.text("method", f.Method)
	w.hosts(f.Hosts)
	if f.Many {
		w.line("many: true")
	}
	w.number("parallel", f.Parallel)
	w.versions(f.Versions)
	w.login("ssh", &f.SSH)
	if len(f.Credentials) > 0 {
		w.line("credentials:")
		w.depth++
		for _, name := range slices.Sorted(maps.Keys(f.Credentials)) {
			w.login(name, f.Credentials[name])
		}
		w.depth--
	}
	return w.b.String()
}

type writer struct {
	b     strings.Builder
	depth int
}

func (w *writer) line(text string) { w.b.WriteString(strings.Repeat("  ", w.depth) + text + "\n") }

func (w *writer) comment(text string) { w.line("# " + text) }

func (w *writer) text(key, value string) {
	if value != "" {
		w.line(scalar(key) + ": " + scalar(value))
	}
}

func (w *writer) number(key string, n int) {
	if n != 0 {
		w.line(key + ": " + strconv.Itoa(n))
	}
}

// scalar writes a text so that it is read as the same text, in one line. A private key is not written: where it came from
// it was pasted into the wrong field.
func scalar(value string) string {
	if holdsKey(value) {
		return `""`
	}
	node := yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	if strings.ContainsAny(value, "\n\r") {
		node.Style = yaml.DoubleQuotedStyle
	}
	text, err := yaml.Marshal(&node)
	if err != nil { // of a text there is nothing that cannot be written
		return fmt.Sprintf("%q", value)
	}
	return strings.TrimSuffix(string(text), "\n")
}

// hosts writes the list as it was typed, a line of it in a line of its own.
func (w *writer) hosts(text string) {
	text = strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n ")
	switch {
	case text == "":
	case holdsKey(text):
		w.line(`hosts: ""`)
	case strings.ContainsFunc(text, unprintable):
		w.line("hosts: " + scalar(text))
	default:
		w.line("hosts: |2")
		for line := range strings.Lines(text) {
			w.b.WriteString(strings.TrimRight("  "+strings.TrimRight(line, "\n"), " ") + "\n")
		}
	}
}

// unprintable are the characters that a YAML file has as escapes alone, or that it takes for the end of a line.
func unprintable(r rune) bool {
	return r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffd
}

// versions writes nothing when all hosts get the agent from the server.
func (w *writer) versions(s bootstrap.Sources) {
	if s.Usual() {
		return
	}
	w.line("versions:")
	w.depth++
	for _, family := range s.Families() {
		source := s[family]
		if source == (bootstrap.Source{}) {
			w.line(string(family) + ": {}")
			continue
		}
		w.line(string(family) + ":")
		w.depth++
		w.text("channel", source.Channel)
		w.text("url", source.URL)
		w.text("key", source.Key)
		w.depth--
	}
	w.depth--
}

func (w *writer) login(key string, l *Login) {
	w.line(scalar(key) + ":")
	w.depth++
	w.text("user", l.User)
	w.number("port", l.Port)
	w.text("become", string(l.Become))
	w.secrets(&l.Secrets, true)
	if j := l.Jump; j != nil {
		w.line("jump:")
		w.depth++
		w.text("host", j.Host)
		w.text("user", j.User)
		w.number("port", j.Port)
		w.secrets(&j.Secrets, false)
		w.depth--
	}
	w.depth--
}

// secrets writes where secrets are, or how to say it.
func (w *writer) secrets(s *Secrets, sudo bool) {
	for _, secret := range []struct {
		name, example string
		from          Source
		written       bool
	}{
		{"private_key", "~/.ssh/id_ed25519", s.PrivateKey, true},
		{"passphrase", "key.passphrase", s.Passphrase, true},
		{"password", "login.password", s.Password, true},
		{"sudo_password", "sudo.password", s.SudoPassword, sudo},
	} {
		switch {
		case !secret.written:
		case secret.from.File != "":
			w.text(secret.name+"_file", secret.from.File)
		case secret.from.Env != "":
			w.text(secret.name+"_env", secret.from.Env)
		default:
			w.line("#" + secret.name + "_file: " + secret.example)
		}
	}
}
