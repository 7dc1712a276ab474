package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hostler/server/client"
)

// login is how the server is to log in on hosts. Its fields are the API's.
type login struct {
	User         string `json:"user,omitempty"`
	Port         int    `json:"port,omitempty"`
	PrivateKey   string `json:"private_key,omitempty"`
	Passphrase   string `json:"passphrase,omitempty"`
	Password     string `json:"password,omitempty"`
	Become       string `json:"become,omitempty"`
	SudoPassword string `json:"sudo_password,omitempty"`
	Jump         *jump  `json:"jump,omitempty"`
	// Others are further sets, by the names that hosts ask for them with.
	Others map[string]*login `json:"others,omitempty"`
}

// jump is the host through which the others are reached.
type jump struct {
	Host       string `json:"host,omitempty"` // "" if an answer file says it
	PrivateKey string `json:"private_key,omitempty"`
	Passphrase string `json:"passphrase,omitempty"`
	Password   string `json:"password,omitempty"`
}

func checkHosts() *cobra.Command {
	var (
		o  connection
		in struct {
			Hosts    string `json:"hosts"`
			SSH      login  `json:"ssh"`
			Parallel int    `json:"parallel,omitempty"`
		}
		files   secretFiles
		known   string
		through string
	)
	c := &cobra.Command{
		Use:   "check [flags] TEXT…",
		Short: "Try the connections that a bootstrap would make",
		Long: "Have the server reach every host of a list, log in, look at its system, become root and reach the server from there. " +
			"Nothing is changed on a host, and no host key is trusted. Exits with 1 when a host fails, or when --known-hosts " +
			"speaks against the key that one shows. Secrets come from files; the server keeps them for half an hour at most.",
		Example: "  hostler hosts check --key ~/.ssh/id_ed25519 --known-hosts ~/.ssh/known_hosts 'node[01-40].dc1.example'",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in.Hosts = strings.Join(args, "\n")
			if through != "" {
				in.SSH.Jump = &jump{Host: through}
			}
			if err := files.read(&in.SSH); err != nil {
				return err
			}
			compare := struct {
				KnownHosts *string `json:"known_hosts,omitempty"`
			}{}
			if known != "" {
				text, err := os.ReadFile(known)
				if err != nil {
					return fmt.Errorf("cannot read the known hosts: %w", err)
				}
				lines := string(text)
				compare.KnownHosts = &lines
			}
			api, err := o.open()
			if err != nil {
				return err
			}
			id, err := api.Start(c.Context(), "checks", &in)
			if err != nil {
				return refused(c, err)
			}
			ended, err := watch(c, api, &o, id)
			if err != nil {
				return err
			}
			ctx := context.WithoutCancel(c.Context())
			keys, err := api.CheckedKeys(ctx, id, &compare)
			if err != nil {
				return refused(c, err)
			}
			if o.json {
				err = printJSON(ctx, api, fmt.Sprintf("operations/%d", id), c.OutOrStdout())
			} else {
				err = printChecked(c, ended, keys)
			}
			if err == nil && (ended.State != "done" || harmful(keys)) {
				err = exitError(1)
			}
			return err
		},
	}
	o.flags(c)
	fs := c.Flags()
	fs.StringVar(&in.SSH.User, "user", "", "`user` to log in as (default root)")
	fs.IntVar(&in.SSH.Port, "port", 0, "SSH port (default 22)")
	fs.StringVar(&in.SSH.Become, "become", "", "how the user becomes root: `sudo`, su or doas (default sudo)")
	fs.StringVarP(&through, "jump", "J", "", "jump host through which the hosts are reached: `[user@]host[:port]`")
	fs.IntVar(&in.Parallel, "parallel", 0, "hosts at a time (default the server's)")
	fs.StringVar(&known, "known-hosts", "", "known_hosts `file` to hold the hosts' keys against")
	files.flags(c)
	return c
}

// secretFiles are where secrets are read from: a command line is no place for them.
type secretFiles struct{ key, passphrase, password, sudo, jumpKey, jumpPassphrase, jumpPassword string }

func (f *secretFiles) flags(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.key, "key", "", "private key `file` to log in with")
	fs.StringVar(&f.passphrase, "passphrase-file", "", "`file` with the key's passphrase")
	fs.StringVar(&f.password, "password-file", "", "`file` with the password to log in with")
	fs.StringVar(&f.sudo, "sudo-password-file", "", "`file` with the password that --become asks for: root's for su, the user's for sudo and doas")
	fs.StringVar(&f.jumpKey, "jump-key", "", "private key `file` for the jump host (default as for the hosts)")
	fs.StringVar(&f.jumpPassphrase, "jump-passphrase-file", "", "`file` with the passphrase of that key")
	fs.StringVar(&f.jumpPassword, "jump-password-file", "", "`file` with the password for the jump host")
}

func (f *secretFiles) read(to *login) error {
	through := cmp.Or(to.Jump, &jump{})
	if to.Jump == nil && f.jumpKey+f.jumpPassphrase+f.jumpPassword != "" {
		return errors.New("give the jump host with --jump")
	}
	for _, secret := range []struct {
		file string
		line bool // a single line, of which the end is no part
		to   *string
	}{
		{f.key, false, &to.PrivateKey},
		{f.passphrase, true, &to.Passphrase},
		{f.password, true, &to.Password},
		{f.sudo, true, &to.SudoPassword},
		{f.jumpKey, false, &through.PrivateKey},
		{f.jumpPassphrase, true, &through.Passphrase},
		{f.jumpPassword, true, &through.Password},
	} {
		if secret.file == "" {
			continue
		}
		text, err := os.ReadFile(secret.file)
		if err != nil {
			return fmt.Errorf("cannot read the credentials: %w", err)
		}
		*secret.to = string(text)
		if secret.line {
			*secret.to = strings.TrimRight(*secret.to, "\r\n")
		}
	}
	return nil
}

// printChecked prints a line per host: how it went, its key, and how that compares.
func printChecked(c *cobra.Command, o *client.Operation, keys []client.ShownKey) error {
	shown := map[string]client.ShownKey{}
	for _, k := range keys {
		if !k.Jump {
			shown[k.Host] = k
		}
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, "HOST\tRESULT\tKEY\tKNOWN\tFOUND"); err != nil {
		return err
	}
	for _, k := range keys {
		if !k.Jump {
			continue
		}
		trusted := "new"
		if k.Known {
			trusted = "known"
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.Host, "-", k.Fingerprint, cmp.Or(k.Comparison, trusted), "the jump host"); err != nil {
			return err
		}
	}
	for i := range o.Tasks {
		t := &o.Tasks[i]
		k := shown[t.Name]
		trusted := "new"
		if k.Known {
			trusted = "known"
		}
		if k.Fingerprint == "" {
			k.Fingerprint, trusted = "-", "-"
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.Name, t.State, k.Fingerprint, cmp.Or(k.Comparison, trusted), found(t)); err != nil {
			return err
		}
	}
	return w.Flush()
}

// harmful says whether the known hosts speak against a key.
func harmful(keys []client.ShownKey) bool {
	for _, k := range keys {
		if k.Comparison == "differs" || k.Comparison == "revoked" {
			return true
		}
	}
	return false
}
