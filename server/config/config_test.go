package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"hostler/server/config"
)

// given is what a command was started with.
type given struct {
	args []string
	env  map[string]string
	file string // YAML; "" for none
}

// read does what a command does with its settings.
func read(t *testing.T, define func(*config.Options, *pflag.FlagSet), g given) (config.Options, error) {
	t.Helper()
	var o config.Options
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	fs.Bool("help", false, "") // as cobra defines it
	define(&o, fs)
	if g.file != "" {
		name := filepath.Join(t.TempDir(), "hostler.yaml")
		if err := os.WriteFile(name, []byte(g.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if g.env == nil {
			g.env = map[string]string{}
		}
		g.env["HOSTLER_CONFIG"] = name
	}
	if err := fs.Parse(g.args); err != nil {
		t.Fatal(err)
	}
	err := o.Complete(fs, func(name string) (string, bool) { v, ok := g.env[name]; return v, ok })
	return o, err
}

func TestDefaults(t *testing.T) {
	o, err := read(t, (*config.Options).Flags, given{})
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := config.Options{
		Data: "data", DB: "sqlite:" + filepath.Join("data", "hostler.db"), Listen: "127.0.0.1:8080", Handshake: ":8440", Secured: ":8441",
		Advertise: host, Step: 10 * time.Second, MissedSteps: 3, MinLost: 15 * time.Second, LogKeep: 90 * 24 * time.Hour, EventKeep: 90 * 24 * time.Hour,
		CertLife: 7 * 24 * time.Hour, AnonymousHosts: true,
		OIDC:     config.OIDC{ClientID: "hostler", Scopes: "profile,email", NameClaim: "preferred_username", RoleClaim: "groups"},
		LogLevel: "info", LogFormat: "text",
	}
	if o != want {
		t.Errorf("got  %+v\nwant %+v", o, want)
	}
	if err := o.Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
}

func TestFlagBeforeEnvironmentBeforeFile(t *testing.T) {
	for name, c := range map[string]struct {
		given
		want time.Duration
	}{
		"default":                {given{}, 10 * time.Second},
		"file":                   {given{file: "step: 20s"}, 20 * time.Second},
		"environment":            {given{env: map[string]string{"HOSTLER_STEP": "30s"}}, 30 * time.Second},
		"environment over file":  {given{env: map[string]string{"HOSTLER_STEP": "30s"}, file: "step: 20s"}, 30 * time.Second},
		"flag":                   {given{args: []string{"--step", "40s"}}, 40 * time.Second},
		"flag over all":          {given{args: []string{"--step", "40s"}, env: map[string]string{"HOSTLER_STEP": "30s"}, file: "step: 20s"}, 40 * time.Second},
		"flag with the default":  {given{args: []string{"--step", "10s"}, env: map[string]string{"HOSTLER_STEP": "30s"}}, 10 * time.Second},
		"flag over a wrong file": {given{args: []string{"--step", "40s"}, file: "step: soon"}, 40 * time.Second},
	} {
		o, err := read(t, (*config.Options).Flags, c.given)
		if err != nil || o.Step != c.want {
			t.Errorf("%s: got %s, want %s: %v", name, o.Step, c.want, err)
		}
	}
}

const everything = `
# all that can be set, as a person writes it
data: /var/lib/hostler
db: mysql://hostler:secret@db/hostler
listen: ":8080"
handshake: 0.0.0.0:18440
secured: "[::1]:18441"
advertise: hostler.example
tls-cert: /etc/hostler/cert.pem
tls-key: /etc/hostler/key.pem
nats: nats://bus:4222
step: 20s
missed-steps: 5
min-lost: 1m
epel: true
log-keep: 48h
event-keep: 24h
cert-lifetime: 24h
autosign-program: /etc/hostler/decide
master-key-file: /etc/hostler/master.key
mirror-allow: 127.0.0.0/8
watch-folder: /srv/packages
anonymous-hosts: false
public-url: https://hostler.example
oidc-issuer: https://login.example
oidc-client-id: fleet
oidc-client-secret-file: /etc/hostler/oidc
oidc-scopes: profile,groups
oidc-name-claim: email
oidc-role-claim: roles
oidc-roles: cn=admins=administrator, *=auditor
oidc-label: Example
oidc-ca: /etc/hostler/login.pem
log-level: debug
log-format: json
`

func TestFile(t *testing.T) {
	o, err := read(t, (*config.Options).Flags, given{file: everything})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Options{
		File: o.File, Data: "/var/lib/hostler", DB: "mysql://hostler:secret@db/hostler", Listen: ":8080", Handshake: "0.0.0.0:18440",
		Secured: "[::1]:18441", Advertise: "hostler.example", TLSCert: "/etc/hostler/cert.pem", TLSKey: "/etc/hostler/key.pem",
		NATS: "nats://bus:4222", Step: 20 * time.Second, MissedSteps: 5, MinLost: time.Minute, Epel: true, LogKeep: 48 * time.Hour, EventKeep: 24 * time.Hour,
		PublicURL: "https://hostler.example",
		OIDC: config.OIDC{
			Issuer: "https://login.example", ClientID: "fleet", SecretFile: "/etc/hostler/oidc", Scopes: "profile,groups", NameClaim: "email", RoleClaim: "roles",
			Roles: "cn=admins=administrator, *=auditor", Label: "Example", CA: "/etc/hostler/login.pem",
		},
		CertLife: 24 * time.Hour, Autosign: "/etc/hostler/decide", MasterKey: "/etc/hostler/master.key",
		MirrorAllow: "127.0.0.0/8", WatchFolder: "/srv/packages", LogLevel: "debug", LogFormat: "json",
	}
	if o != want {
		t.Errorf("got  %+v\nwant %+v", o, want)
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

func TestAServersFileServesTheOtherCommands(t *testing.T) {
	o, err := read(t, (*config.Options).StorageFlags, given{file: everything})
	if err != nil {
		t.Fatal(err)
	}
	if o.Data != "/var/lib/hostler" || o.DB != "mysql://hostler:secret@db/hostler" {
		t.Errorf("got %+v", o)
	}
}

func TestFileFromAFlag(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(name, []byte("data: elsewhere"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := read(t, (*config.Options).StorageFlags, given{args: []string{"--config", name}, env: map[string]string{"HOSTLER_CONFIG": "missing.yaml"}})
	if err != nil || o.Data != "elsewhere" || o.DB != "sqlite:"+filepath.Join("elsewhere", "hostler.db") {
		t.Errorf("got %+v: %v", o, err)
	}
}

func TestCompleteRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		given
		want []string
	}{
		"a file that is not there":  {given{args: []string{"--config", "missing.yaml"}}, []string{"cannot read the settings", "missing.yaml"}},
		"no YAML":                   {given{file: "step: [20s"}, []string{"cannot read the settings in", "hostler.yaml"}},
		"a list":                    {given{file: "listen: [a, b]"}, []string{"cannot read the settings in"}},
		"a setting twice":           {given{file: "step: 1s\nstep: 2s"}, []string{"cannot read the settings in", "step"}},
		"unknown settings":          {given{file: "steps: 20s\nportt: 1\nstep: 20s"}, []string{`unknown setting "steps"`, `unknown setting "portt"`}},
		"a file that names a file":  {given{file: "config: other.yaml"}, []string{`unknown setting "config"`}},
		"a file that asks for help": {given{file: "help: true"}, []string{`unknown setting "help"`}},
		"a bad value in the file":   {given{file: "step: soon"}, []string{"cannot use step from", "hostler.yaml", "soon"}},
		"a bad value outside":       {given{env: map[string]string{"HOSTLER_MISSED_STEPS": "three"}}, []string{"cannot use missed-steps from HOSTLER_MISSED_STEPS", "three"}},
		"two at once":               {given{file: "epel: perhaps", env: map[string]string{"HOSTLER_STEP": "20"}}, []string{"epel", "HOSTLER_STEP"}},
	} {
		_, err := read(t, (*config.Options).Flags, c.given)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", name, err, want)
			}
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"listen", "8080", "cannot use listen"},
		{"listen", "127.0.0.1", "cannot use listen"},
		{"listen", "127.0.0.1:http", "not a port"},
		{"handshake", ":70000", "cannot use handshake"},
		{"handshake", "", "cannot use handshake"},
		{"secured", ":-1", "cannot use secured"},
		{"secured", "::1:8441", "cannot use secured"},
		{"secured", "[::1]:8441", ""},
		{"listen", "127.0.0.1:0", ""},
		{"tls-cert", "cert.pem", "together"},
		{"tls-key", "key.pem", "together"},
		{"step", "0s", "cannot use step 0s"},
		{"step", "999ms", "cannot use step"},
		{"step", "1500ms", "whole seconds"},
		{"step", "-10s", "cannot use step"},
		{"step", "24h0m1s", "cannot use step"},
		{"step", "24h", ""},
		{"step", "1s", ""},
		{"missed-steps", "0", "cannot use missed-steps 0"},
		{"missed-steps", "1", ""},
		{"min-lost", "-1s", "cannot use min-lost -1s"},
		{"min-lost", "0s", ""},
		{"log-keep", "0s", "cannot use log-keep 0s"},
		{"cert-lifetime", "59m", "cannot use cert-lifetime 59m0s"},
		{"cert-lifetime", "20000h", "cannot use cert-lifetime"},
		{"event-keep", "0s", "cannot use event-keep 0s"},
		{"log-keep", "-1h", "cannot use log-keep"},
		{"data", "", "cannot use data"},
		{"advertise", "https://hostler.example", "cannot use advertise"},
		{"advertise", "hostler.example:8440", "cannot use advertise"},
		{"advertise", "two names", "cannot use advertise"},
		{"advertise", "[::1]", "cannot use advertise"},
		{"advertise", "one\ntwo", "cannot use advertise"},
		{"advertise", "(none)", "cannot use advertise"},
		{"advertise", "2001:db8::1", ""},
		{"advertise", "hostler.example", ""},
		{"public-url", "https://hostler.example:8443", ""},
		{"public-url", "hostler.example", "cannot use public-url"},
		{"public-url", "https://hostler.example/", "nothing behind it"},
		{"oidc-issuer", "https://login.example", "oidc-client-secret-file are needed"},
		{"oidc-issuer", "http://login.example", "want https"},
	} {
		o, err := read(t, (*config.Options).Flags, given{args: []string{"--" + c.name + "=" + c.value}})
		if err != nil {
			t.Fatalf("%s %q: %v", c.name, c.value, err)
		}
		err = o.Validate()
		if c.want == "" && err != nil {
			t.Errorf("%s %q: %v", c.name, c.value, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %q: got %v, want %q", c.name, c.value, err, c.want)
		}
	}
}

func TestListenTLS(t *testing.T) {
	for _, c := range []struct {
		listen, cert string
		want         bool
	}{
		{"127.0.0.1:8080", "", false},
		{"127.1.2.3:8080", "", false},
		{"localhost:8080", "", false},
		{"[::1]:8080", "", false},
		{"127.0.0.1:8080", "cert.pem", true},
		{":8080", "", true},
		{"0.0.0.0:8080", "", true},
		{"[::]:8080", "", true},
		{"192.168.1.2:8080", "", true},
		{"hostler.example:8080", "", true},
		{"localhost.example:8080", "", true},
		{"nonsense", "", true},
	} {
		o := config.Options{Listen: c.listen, TLSCert: c.cert}
		if got := o.ListenTLS(); got != c.want {
			t.Errorf("%s with %q: %t", c.listen, c.cert, got)
		}
	}
}

func TestRules(t *testing.T) {
	for roles, want := range map[string]string{
		"admins=administrator": "[{admins administrator}]", "cn=a=operator, *=auditor": "[{cn=a operator} {* auditor}]",
		"": "", "admins": "", "=operator": "", "admins=root": "", "admins=operator,": "",
	} {
		o := config.OIDC{Roles: roles}
		rules, err := o.Rules()
		if got := fmt.Sprint(rules); want != "" && (err != nil || got != want) || want == "" && err == nil {
			t.Errorf("%q: %s, %v", roles, got, err)
		}
	}
}
