package answer

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"hostler/internal/distro"
	"hostler/server/bootstrap"
)

const (
	maxCluster  = 100
	maxParallel = 500
)

// file reads the whole.
func (r *reader) file(top *yaml.Node, f *File) {
	version := Version
	var hosts hostLines
	r.mapping("", top, r.fileKeys(f, &version, &hosts))
	at := func(key string) place { return placeOf(find(top, key)) }
	if version != Version {
		r.wrong(at("version"), "version", CodeVersion, "version", strconv.Itoa(Version))
	}
	if len(f.Cluster) > maxCluster {
		r.wrong(at("cluster"), "cluster", CodeCluster, "limit", strconv.Itoa(maxCluster))
	}
	if f.Method != "" && f.Method != MethodSSH && f.Method != MethodManual {
		r.wrong(at("method"), "method", CodeMethod, "key", "method")
	}
	if n := find(top, "parallel"); n != top && !r.refused[n] && (f.Parallel < 1 || f.Parallel > maxParallel) {
		r.wrong(placeOf(n), "parallel", CodeParallel, "key", "parallel", "limit", strconv.Itoa(maxParallel))
	}
	f.Hosts = hosts.text()
	r.checkHosts(top, f, &hosts)
}

func (r *reader) fileKeys(f *File, version *int, hosts *hostLines) keys {
	return keys{
		"version":     r.number(version),
		"cluster":     r.text(&f.Cluster),
		"method":      r.text(&f.Method),
		"hosts":       r.hosts(hosts),
		"parallel":    r.number(&f.Parallel),
		"many":        r.yesNo(&f.Many),
		"ssh":         r.login(&f.SSH),
		"credentials": r.sets(&f.Credentials),
		"versions":    r.versions(&f.Versions),
	}
}

// find is the value of a key; the node itself when it has no such key.
func find(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	}
	return n
}

// login takes how to log in, and checks it as the server does once it has the secrets.
func (r *reader) login(l *Login) func(string, *yaml.Node) {
	return func(key string, n *yaml.Node) {
		r.mapping(key, n, r.loginKeys(l))
		r.oneSource(key, n)
		// Of several things that are wrong Check names the first.
		for _, part := range []*Login{{User: l.User}, {Port: l.Port}, {Become: l.Become}} {
			r.check(key, n, part)
		}
		if j := l.Jump; j != nil && j.Host != "" {
			for _, part := range []*Jump{{Host: j.Host}, {Host: "jump", User: j.User}, {Host: "jump", Port: j.Port}} {
				r.check(key, n, &Login{Jump: part})
			}
		}
	}
}

func (r *reader) loginKeys(l *Login) keys {
	var become string
	known := keys{
		"user": r.text(&l.User),
		"port": r.number(&l.Port),
		"become": func(key string, n *yaml.Node) {
			r.text(&become)(key, n)
			l.Become = bootstrap.Become(become)
		},
		"jump": func(key string, n *yaml.Node) {
			l.Jump = &Jump{}
			r.mapping(key, n, r.jumpKeys(l.Jump))
			r.oneSource(key, n)
			if l.Jump.Host == "" && !r.refused[n] && !r.refused[find(n, "host")] {
				r.wrong(placeOf(n), key, CodeJumpHost)
			}
		},
	}
	maps.Copy(known, r.sourceKeys(&l.Secrets))
	maps.Copy(known, keys{"sudo_password_file": r.text(&l.SudoPassword.File), "sudo_password_env": r.variable(&l.SudoPassword.Env)})
	return known
}

func (r *reader) jumpKeys(j *Jump) keys {
	known := keys{"host": r.text(&j.Host), "user": r.text(&j.User), "port": r.number(&j.Port)}
	maps.Copy(known, r.sourceKeys(&j.Secrets))
	return known
}

func (r *reader) sourceKeys(s *Secrets) keys {
	return keys{
		"private_key_file": r.text(&s.PrivateKey.File), "private_key_env": r.variable(&s.PrivateKey.Env),
		"passphrase_file": r.text(&s.Passphrase.File), "passphrase_env": r.variable(&s.Passphrase.Env),
		"password_file": r.text(&s.Password.File), "password_env": r.variable(&s.Password.Env),
	}
}

// oneSource refuses two places of the same secret.
func (r *reader) oneSource(key string, n *yaml.Node) {
	for _, secret := range secretNames {
		file, env := secret+"_file", secret+"_env"
		if find(n, file) != n && find(n, env) != n {
			r.wrong(placeOf(find(n, env)), below(key, env), CodeTwoSources, "key", below(key, env), "other", below(key, file))
		}
	}
}

// check tells what the server would refuse of a login.
func (r *reader) check(key string, n *yaml.Node, l *Login) {
	var wrong *bootstrap.FieldError
	if !errors.As(l.credentials().Check(), &wrong) {
		return
	}
	r.refuseField(key, n, wrong)
}

// refuseField tells what the server would refuse below a node.
func (r *reader) refuseField(key string, n *yaml.Node, wrong *bootstrap.FieldError) {
	at, field := n, wrong.Field
	for _, part := range splitKey(field) {
		at = find(at, part)
	}
	if r.refused[at] {
		return
	}
	r.refused[at] = true
	where := placeOf(at)
	message := wrong.Message
	if wrong.Hint != "" {
		message += " " + wrong.Hint
	}
	r.problems = append(r.problems, Problem{
		Line: where.line, Column: where.column, Key: below(key, field), Code: wrong.Code, Args: wrong.Args, Message: message, Field: wrong,
	})
}

// sets takes further sets of credentials.
func (r *reader) sets(to *map[string]*Login) func(string, *yaml.Node) {
	return func(key string, n *yaml.Node) {
		known := keys{}
		if n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				name, login := n.Content[i].Value, &Login{}
				if slices.Contains(secretNames, name) { // it is one, and not the name of a set
					continue
				}
				known[name] = func(key string, n *yaml.Node) {
					r.login(login)(key, n)
					if *to == nil {
						*to = map[string]*Login{}
					}
					(*to)[name] = login
				}
			}
		}
		r.mapping(key, n, known)
	}
}

// versions takes where the hosts of each family get the agent from. A family without more than its name gets it as usual.
func (r *reader) versions(to *bootstrap.Sources) func(string, *yaml.Node) {
	return func(key string, n *yaml.Node) {
		chosen := bootstrap.Sources{}
		known := keys{}
		for _, family := range distro.Families {
			known[string(family)] = func(key string, n *yaml.Node) {
				var s bootstrap.Source
				r.mapping(key, n, r.sourceOf(&s))
				chosen[family] = s
			}
		}
		r.mapping(key, n, known)
		var wrong *bootstrap.FieldError
		if errors.As(chosen.Check(), &wrong) {
			wrong.Field = strings.TrimPrefix(wrong.Field, key+".")
			r.refuseField(key, n, wrong)
		}
		*to = chosen
	}
}

func (r *reader) sourceOf(s *bootstrap.Source) keys {
	return keys{"channel": r.text(&s.Channel), "url": r.text(&s.URL), "key": r.text(&s.Key)}
}

// AllKeys are the last words of all keys that a file may have, but for the names of sets of credentials.
func AllKeys() []string {
	r := &reader{}
	all := slices.Collect(maps.Keys(r.fileKeys(&File{}, new(int), &hostLines{})))
	all = slices.AppendSeq(all, maps.Keys(r.loginKeys(&Login{})))
	all = slices.AppendSeq(all, maps.Keys(r.sourceOf(&bootstrap.Source{})))
	return slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(all, maps.Keys(r.jumpKeys(&Jump{}))))))
}
