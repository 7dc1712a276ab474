package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

// connection is how a command reaches the server.
type connection struct {
	server, tokenFile, ca string
	json                  bool
}

func (o *connection) flags(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&o.server, "server", "", "`URL` of the server (default HOSTLER_SERVER, or http://127.0.0.1:8080)")
	fs.StringVar(&o.tokenFile, "token-file", "", "`file` with the bearer token (default the token in HOSTLER_TOKEN)")
	fs.StringVar(&o.ca, "ca", "", "PEM `file` with the authority of the server's certificate (default the system's)")
	fs.BoolVar(&o.json, "json", false, "print JSON as the API answers it")
}

func (o *connection) open() (*client.Client, error) {
	token := os.Getenv("HOSTLER_TOKEN")
	if o.tokenFile != "" {
		text, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the token: %w", err)
		}
		token = string(text)
	}
	server := o.server
	if server == "" {
		server = os.Getenv("HOSTLER_SERVER")
	}
	if server == "" {
		server = "http://127.0.0.1:8080"
	}
	return client.New(server, strings.TrimSpace(token), o.ca)
}

// targets says which hosts a command works on, and how many at a time. Its fields are the API's.
type targets struct {
	Targets struct {
		Hosts  string `json:"hosts,omitempty"`
		State  string `json:"state,omitempty"`
		Search string `json:"search,omitempty"`
		All    bool   `json:"all,omitempty"`
	} `json:"targets"`
	Parallel  int `json:"parallel,omitempty"`
	Batch     int `json:"batch,omitempty"`
	StopAfter int `json:"stop_after,omitempty"`
	Timeout   int `json:"timeout,omitempty"`
	ExpiresIn int `json:"expires_in,omitempty"`

	hosts  []string
	noWait bool
}

// choose are the flags that say which hosts.
func (t *targets) choose(c *cobra.Command) {
	fs := c.Flags()
	fs.StringArrayVar(&t.hosts, "hosts", nil, "`list` of hosts, with patterns such as web[01-20]; may be given more than once")
	fs.BoolVar(&t.Targets.All, "all", false, "every registered host")
	fs.StringVar(&t.Targets.State, "state", "", "only hosts in this `state`: healthy, unhealthy, lost, …")
	fs.StringVar(&t.Targets.Search, "search", "", "only hosts with this `text` in their name, address or system")
}

func (t *targets) flags(c *cobra.Command) {
	t.choose(c)
	fs := c.Flags()
	fs.IntVar(&t.Parallel, "parallel", 0, "hosts at a time (default the server's)")
	fs.IntVar(&t.Batch, "batch", 0, "hosts of which all must end before the next ones begin")
	fs.IntVar(&t.StopAfter, "stop-after", 0, "begin no more hosts after so many failures")
	fs.IntVar(&t.Timeout, "timeout", 0, "`seconds` that the work may take on one host (default the action's)")
	fs.IntVar(&t.ExpiresIn, "expires-in", 0, "`seconds` within which a host must have got its job (default an hour)")
	fs.BoolVar(&t.noWait, "no-wait", false, "print the number of the operation and do not wait for it")
}

// list is the hosts as the API takes them.
func (t *targets) list() *targets {
	t.Targets.Hosts = strings.Join(t.hosts, "\n")
	return t
}

// begin starts an operation and, unless it is not to be waited for, follows it to its end.
func begin(c *cobra.Command, o *connection, t *targets, path string, in any) error {
	api, err := o.open()
	if err != nil {
		return err
	}
	return beginWith(c, api, o, t, path, in)
}

func beginWith(c *cobra.Command, api *client.Client, o *connection, t *targets, path string, in any) error {
	id, err := api.Start(c.Context(), path, in)
	if err != nil {
		return refused(c, err)
	}
	if t.noWait {
		_, err := fmt.Fprintln(c.OutOrStdout(), id)
		return err
	}
	return follow(c, api, o, id)
}

// refused prints what the server has against a request; a request that was wrong exits with 2.
func refused(c *cobra.Command, err error) error {
	var refusal *client.Refusal
	if !errors.As(err, &refusal) || !refusal.Invalid() {
		return err
	}
	if _, err := fmt.Fprintln(c.ErrOrStderr(), "hostler:", refusal); err != nil {
		return err
	}
	return exitError(2)
}

// printJSON prints a resource as the API answers it.
func printJSON(ctx context.Context, api *client.Client, path string, to io.Writer) error {
	if _, err := api.Download(ctx, path, to); err != nil {
		return err
	}
	_, err := fmt.Fprintln(to)
	return err
}
