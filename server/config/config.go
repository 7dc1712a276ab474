// Package config holds the server's settings: every name, default and meaning is written here once. A value
// comes from a flag, else from the environment (HOSTLER_LISTEN), else from a YAML file, else it is the
// default.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// namePattern holds what a name that hosts are given consists of; it goes into their files and commands.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// Options are the settings of "hostler serve".
type Options struct {
	File      string // YAML, flag names as keys
	Data      string // directory of everything that the server keeps on disk
	DB        string // database URL; "" for SQLite in Data
	Listen    string // pages and API, host:port
	Handshake string // enrolment and packages, host:port
	Secured   string // heartbeats, host:port
	Advertise string // the name or address by which hosts reach this server
	TLSCert   string // for Listen; "" for one of the internal authority
	TLSKey    string
	NATS      string // URL of an external message bus; "" for the embedded one

	Step           time.Duration
	MissedSteps    int
	MinLost        time.Duration
	Epel           bool // install epel-release on hosts of the RHEL family
	LogKeep        time.Duration
	EventKeep      time.Duration
	CertLife       time.Duration // of agents' certificates
	MasterKey      string        // file of the master key; "" for one in Data
	Autosign       string        // program that decides on hosts without a token; "" for none
	SetupScript    string        // replaces the built-in setup-agent.sh
	WatchFolder    string        // directory from which packages are taken; "" for none
	MirrorAllow    string        // address ranges that mirrors may ask although they are this server's own, separated by commas
	AnonymousHosts bool          // packages are for everybody who reaches Handshake
	PublicURL      string        // where browsers reach pages; "" for the address of Listen

	OIDC OIDC

	LogLevel  string
	LogFormat string
}

// StorageFlags defines the settings that find the database, for commands that work beside the server.
func (o *Options) StorageFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.File, "config", "", "YAML `file` with settings, named like these flags")
	fs.StringVar(&o.Data, "data", "data", "`directory` for everything kept on disk")
	fs.StringVar(&o.DB, "db", "", "database `URL`, sqlite:PATH or mysql://user:password@host/name (default SQLite in the data directory)")
}

// MasterKeyFlag defines the setting that finds the master key. The key itself is no setting: arguments can be read by everybody.
func (o *Options) MasterKeyFlag(fs *pflag.FlagSet) {
	fs.StringVar(&o.MasterKey, "master-key-file", "", "`file` of the master key that the authority's key is sealed with (default master.key in the data directory)")
}

// Flags defines all settings.
func (o *Options) Flags(fs *pflag.FlagSet) {
	o.StorageFlags(fs)
	o.MasterKeyFlag(fs)
	fs.StringVar(&o.Listen, "listen", "127.0.0.1:8080", "`address` of pages and API; TLS is used on any but a loopback address")
	fs.StringVar(&o.Handshake, "handshake", ":8440", "`address` where agents enrol and fetch packages")
	fs.StringVar(&o.Secured, "secured", ":8441", "`address` where agents report, with certificates on both sides")
	fs.StringVar(&o.Advertise, "advertise", "", "`name` or address by which hosts reach this server (default the host name)")
	fs.StringVar(&o.TLSCert, "tls-cert", "", "PEM `file` with the certificate for pages and API (default one of the internal authority)")
	fs.StringVar(&o.TLSKey, "tls-key", "", "PEM `file` with its key")
	fs.StringVar(&o.NATS, "nats", "", "`URL` of an external NATS server (default an embedded one)")
	fs.DurationVar(&o.Step, "step", 10*time.Second, "`time` between heartbeats, in whole seconds")
	fs.IntVar(&o.MissedSteps, "missed-steps", 3, "heartbeats that may be missing before a host counts as lost")
	fs.DurationVar(&o.MinLost, "min-lost", 15*time.Second, "least `time` without a heartbeat before a host counts as lost")
	fs.BoolVar(&o.Epel, "epel", false, "install epel-release on hosts of the RHEL family")
	fs.DurationVar(&o.LogKeep, "log-keep", 90*24*time.Hour, "`time` that the logs of ended operations are kept")
	fs.DurationVar(&o.EventKeep, "event-keep", 90*24*time.Hour, "`time` that events are kept")
	fs.DurationVar(&o.CertLife, "cert-lifetime", 7*24*time.Hour, "`time` that the certificates of hosts live; agents renew them at two thirds of it")
	fs.StringVar(&o.Autosign, "autosign-program", "", "`program` that signs hosts without a token by exiting with 0: argument 1 is the name, standard input the request")
	fs.StringVar(&o.SetupScript, "setup-script", "", "`file` to run on hosts instead of the built-in setup-agent.sh")
	fs.StringVar(&o.WatchFolder, "watch-folder", "", "`directory` from which packages are taken that are put into REPOSITORY/CHANNEL below it (default none)")
	fs.StringVar(&o.MirrorAllow, "mirror-allow", "", "address `ranges` on loopback or its link that mirrors may ask, separated by commas (default none)")
	fs.BoolVar(&o.AnonymousHosts, "anonymous-hosts", true, "let everybody fetch packages; with false only hosts that report may, but for the agent and the keys")
	fs.StringVar(&o.PublicURL, "public-url", "", "`URL` by which browsers reach this server (default that of the listen address)")
	o.OIDC.flags(fs)
	fs.StringVar(&o.LogLevel, "log-level", "info", "debug, info, warn or error")
	fs.StringVar(&o.LogFormat, "log-format", "text", "text or json")
}

// Complete fills what no flag gave from the environment and the file, and derives the rest. fs must be
// parsed already.
func (o *Options) Complete(fs *pflag.FlagSet, environ func(string) (string, bool)) error {
	if f := fs.Lookup("config"); !f.Changed {
		if v, ok := environ(envName("config")); ok {
			o.File = v
		}
	}
	file, err := readFile(o.File)
	if err != nil {
		return err
	}
	var errs []error
	fs.VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" || f.Name == "help" { // no settings: left in the file they are unknown
			return
		}
		value, ok := environ(envName(f.Name))
		source := envName(f.Name)
		if !ok {
			value, ok = file[f.Name]
			source = o.File
		}
		delete(file, f.Name)
		if !ok || f.Changed {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("cannot use %s from %s: %w", f.Name, source, err))
		}
	})
	if fs.Lookup("listen") != nil { // a command that defines fewer flags reads the same file
		for name := range file {
			errs = append(errs, fmt.Errorf("cannot use %s: unknown setting %q", o.File, name))
		}
	}
	if o.DB == "" {
		o.DB = "sqlite:" + filepath.Join(o.Data, "hostler.db")
	}
	if o.Advertise == "" {
		o.Advertise, err = os.Hostname()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Validate checks what Complete filled.
func (o *Options) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Data == "" {
		bad("cannot use data: want a directory")
	}
	for name, address := range map[string]string{"listen": o.Listen, "handshake": o.Handshake, "secured": o.Secured} {
		if _, err := hostOf(address); err != nil {
			bad("cannot use %s %q: %w", name, address, err)
		}
	}
	if (o.TLSCert == "") != (o.TLSKey == "") {
		bad("tls-cert and tls-key must be given together")
	}
	if o.Step < time.Second || o.Step > 24*time.Hour || o.Step%time.Second != 0 {
		bad("cannot use step %s: want whole seconds, from 1s to 24h", o.Step)
	}
	if o.MissedSteps < 1 {
		bad("cannot use missed-steps %d: want at least 1", o.MissedSteps)
	}
	if o.MinLost < 0 {
		bad("cannot use min-lost %s: want no less than 0s", o.MinLost)
	}
	if o.CertLife < time.Hour || o.CertLife > 825*24*time.Hour {
		bad("cannot use cert-lifetime %s: want from 1h to 19800h", o.CertLife)
	}
	if o.LogKeep <= 0 {
		bad("cannot use log-keep %s: want more than 0s", o.LogKeep)
	}
	if o.EventKeep <= 0 {
		bad("cannot use event-keep %s: want more than 0s", o.EventKeep)
	}
	if _, err := o.MirrorPrefixes(); err != nil {
		bad("cannot use mirror-allow %q: want address ranges such as 127.0.0.0/8", o.MirrorAllow)
	}
	if !namePattern.MatchString(o.Advertise) && !isIP(o.Advertise) {
		bad("cannot use advertise %q: want a name or an address, without scheme and port", o.Advertise)
	}
	if o.PublicURL != "" && !isOrigin(o.PublicURL) {
		bad("cannot use public-url %q: want https://NAME or http://NAME, with a port if need be, and nothing behind it", o.PublicURL)
	}
	errs = append(errs, o.OIDC.validate()...)
	return errors.Join(errs...)
}

// ListenTLS tells whether pages and API need TLS: everywhere but on loopback, because keys and passwords
// travel there.
func (o *Options) ListenTLS() bool {
	host, err := hostOf(o.Listen)
	if err != nil || o.TLSCert != "" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return host != "localhost" && (err != nil || !ip.IsLoopback())
}

// MirrorPrefixes are the ranges of MirrorAllow.
func (o *Options) MirrorPrefixes() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for text := range strings.SplitSeq(o.MirrorAllow, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		all = append(all, prefix)
	}
	return all, nil
}

// hostOf takes the host out of an address and checks that its port is a number.
func hostOf(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%q is not a port", port)
	}
	return host, nil
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func envName(flag string) string {
	return "HOSTLER_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// readFile reads a YAML file of scalars; an empty name gives no settings.
func readFile(name string) (map[string]string, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the settings: %w", err)
	}
	settings := map[string]string{}
	if err := yaml.Unmarshal(b, &settings); err != nil {
		return nil, fmt.Errorf("cannot read the settings in %s: %w", name, err)
	}
	return settings, nil
}
