package lab

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed holder.sh
var holderScript string

// Options say what lab to start. Name is required; everything else has a default.
type Options struct {
	Name     string       // lower-case letters, digits and hyphens; one running lab of a name per cache
	Cache    string       // holds bases and running labs; default [Cache]
	Count    int          // number of hosts, called node1, node2, …; default 1; ignored with Hosts
	Hosts    []string     // first labels of the hosts' names
	Aliases  int          // further names per host: node1-a1, node1-a2, …
	Domain   string       // default "lab.test"
	Subnet   netip.Prefix // default 10.77.0.0/24, which all labs can have at once: none sees another's network
	Flavours []string     // Debian, DNF or Zypper, of one host after the other and again from the first; default Debian
	KeyTypes []string     // of ed25519, ecdsa and rsa; default ed25519
	Detach   bool         // the lab outlives the process that starts it
}

// Addresses within the subnet: the server's side has the first, hosts start at the eleventh.
const (
	serverNumber    = 1
	firstHostNumber = 11
)

var labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Start makes the base if need be, boots the hosts in parallel and returns when each one's sshd answers. Unless it is
// detached the lab ends with the calling process at the latest. Labs whose processes are gone are swept first.
// What a failed start had made is removed again.
func Start(ctx context.Context, o Options) (_ *Lab, err error) {
	l, cache, err := plan(o)
	if err != nil {
		return nil, fmt.Errorf("cannot start lab %q: %w", o.Name, err)
	}
	bases := map[string]string{}
	for _, h := range l.Hosts {
		if bases[h.Flavour] != "" {
			continue
		}
		if bases[h.Flavour], err = Base(ctx, cache, h.Flavour); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Dir(l.Dir), 0o755); err != nil {
		return nil, fmt.Errorf("cannot start lab %s: %w", l.Name, err)
	}
	if err := Sweep(ctx, cache); err != nil {
		return nil, err
	}
	err = l.locked(ctx, func() error { return l.start(ctx, bases, o) })
	if err != nil {
		return nil, fmt.Errorf("cannot start lab %s: %w", l.Name, err)
	}
	return l, nil
}

// plan turns options into a lab that does not run yet.
func plan(o Options) (*Lab, string, error) {
	if !labelPattern.MatchString(o.Name) {
		return nil, "", errors.New("a name consists of lower-case letters, digits and hyphens")
	}
	if o.Cache == "" {
		cache, err := Cache()
		if err != nil {
			return nil, "", err
		}
		o.Cache = cache
	}
	cache, err := filepath.Abs(o.Cache)
	if err != nil {
		return nil, "", err
	}
	if strings.ContainsAny(cache, `:,\ "'`) {
		return nil, "", fmt.Errorf("overlay mounts do not take the path %s: set HOSTLER_LAB_CACHE to a plain one", cache)
	}
	if len(o.Hosts) == 0 {
		for i := range max(o.Count, 1) {
			o.Hosts = append(o.Hosts, "node"+strconv.Itoa(i+1))
		}
	}
	if !o.Subnet.IsValid() {
		o.Subnet = netip.MustParsePrefix("10.77.0.0/24")
	}
	l := &Lab{
		Name: o.Name, Dir: runDir(cache, o.Name), Subnet: o.Subnet.Masked(),
		Domain: or(o.Domain, "lab.test"), Keys: map[string]string{},
	}
	l.HostsFile = filepath.Join(l.Dir, "hosts.server")
	l.Server = Endpoint{Name: "server." + l.Domain, Address: l.address(serverNumber)}
	return l, cache, l.planHosts(o)
}

func (l *Lab) planHosts(o Options) error {
	if len(o.Flavours) == 0 {
		o.Flavours = []string{Debian}
	}
	for i, label := range o.Hosts {
		if !labelPattern.MatchString(label) {
			return fmt.Errorf("%q cannot be a host's label", label)
		}
		if label == "server" || slices.Index(o.Hosts, label) != i {
			return fmt.Errorf("two machines would be called %s", label)
		}
		h := &Host{
			Label: label, Name: label + "." + l.Domain, Number: i + 1, Address: l.address(firstHostNumber + i),
			Flavour: o.Flavours[i%len(o.Flavours)], lab: l,
		}
		if !l.Subnet.Contains(h.Address) || !h.Address.Is4() {
			return fmt.Errorf("%s has no room for %d hosts", l.Subnet, len(o.Hosts))
		}
		for a := range o.Aliases {
			h.Aliases = append(h.Aliases, fmt.Sprintf("%s-a%d.%s", label, a+1, l.Domain))
		}
		l.Hosts = append(l.Hosts, h)
	}
	return nil
}

// address returns the n-th address of the subnet.
func (l *Lab) address(n int) netip.Addr {
	addr := l.Subnet.Addr()
	for range n {
		addr = addr.Next()
	}
	return addr
}

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

// start does Start's work under the lab's lock.
func (l *Lab) start(ctx context.Context, bases map[string]string, o Options) (err error) {
	if old, err := load(l.Dir); err == nil && old.Running() {
		return errors.New("it is running already")
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.remove(context.WithoutCancel(ctx)))
		}
	}()
	if err := os.MkdirAll(l.Dir, 0o755); err != nil {
		return err
	}
	if err := l.makeKeys(o.KeyTypes); err != nil {
		return err
	}
	if err := l.hold(ctx, bases); err != nil {
		return err
	}
	if err := l.makeGroups(ctx); err != nil {
		return err
	}
	if err := l.seed(); err != nil {
		return err
	}
	began := time.Now()
	if err := l.bootAll(ctx); err != nil {
		return err
	}
	l.BootMS = time.Since(began).Milliseconds()
	if o.Detach {
		if _, err := io.WriteString(l.input, "keep\n"); err != nil {
			return err
		}
	}
	return l.save()
}

// hold starts the process that holds the lab's namespaces and waits until it has set them up.
func (l *Lab) hold(ctx context.Context, bases map[string]string) error {
	problems, err := os.Create(filepath.Join(l.Dir, "holder.log"))
	if err != nil {
		return err
	}
	defer func() { _ = problems.Close() }()
	inputEnd, input, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = inputEnd.Close() }()
	l.input = input

	prefix := netip.PrefixFrom(l.Server.Address, l.Subnet.Bits()).String()
	args := []string{"-c", holderScript, "hostler-lab-" + l.Name, prefix}
	for _, h := range l.Hosts {
		args = append(args, h.dir(), bases[h.Flavour])
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "sh", args...) // it may outlive the call
	cmd.Stdin, cmd.Stderr = inputEnd, problems
	cmd.SysProcAttr = ownSession()
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("cannot make namespaces: %w", err)
	}
	if l.Holder, err = identify(cmd.Process.Pid); err != nil {
		return err
	}
	// Saved before anything else is made, so that a lab whose start was killed can be swept.
	if err := l.save(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	line, _ := bufio.NewReader(output).ReadString('\n')
	go func() { _ = cmd.Wait() }() // collects the holder whenever it ends; this process may end first
	if line != "ready\n" {
		raw, _ := os.ReadFile(problems.Name())
		return fmt.Errorf("cannot set up the lab's namespaces: %s", lastLines(raw, 5))
	}
	return ctx.Err()
}

// bootAll boots all hosts at once.
func (l *Lab) bootAll(ctx context.Context) error {
	results := make(chan error, len(l.Hosts))
	for _, h := range l.Hosts {
		go func() { results <- h.boot(ctx) }()
	}
	var errs []error
	for range l.Hosts {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// ownSession keeps a process away from the terminal's signals.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
