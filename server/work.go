package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"hostler/agent/wire"
	"hostler/server/client"
)

func runCommand() *cobra.Command {
	var (
		o  connection
		t  targets
		in struct {
			*targets
			Exec   wire.Exec         `json:"exec"`
			Envs   map[string]string `json:"envs,omitempty"`
			Limits *wire.Limits      `json:"limits,omitempty"`
		}
		script string
		envs   []string
		limits wire.Limits
	)
	c := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGUMENT…]",
		Short: "Run a command or a script on hosts",
		Long: "Run a command, or with --script a script, on hosts through their agents. Each host is told of when it has ended; " +
			"then comes what they wrote, hosts that wrote the same together. Ctrl-C cancels. Exits with 1 when not every host succeeded.",
		Example: "  hostler run --hosts 'web[01-20].example' -- uptime\n  hostler run --all --script tidy.sh --user deploy --batch 10 --stop-after 1",
		RunE: func(c *cobra.Command, args []string) (err error) {
			if (len(args) == 0) == (script == "") {
				return fmt.Errorf("give either a command or --script")
			}
			in.targets, in.Exec.Command = t.list(), args
			if script != "" {
				if in.Exec.Script, err = readScript(c.InOrStdin(), script); err != nil {
					return err
				}
			}
			if in.Envs, err = variables(envs); err != nil {
				return err
			}
			if limits != (wire.Limits{}) {
				in.Limits = &limits
			}
			return begin(c, &o, &t, "commands", &in)
		},
	}
	o.flags(c)
	t.flags(c)
	fs := c.Flags()
	fs.StringVar(&script, "script", "", "`file` with a script to run instead of a command; - is standard input")
	fs.StringVar(&in.Exec.Interpreter, "interpreter", "", "`program` for the script (default its #! line, or /bin/sh)")
	fs.StringVar(&in.Exec.User, "user", "", "`user` to run as (default root)")
	fs.StringVar(&in.Exec.Group, "group", "", "`group` to run as (default the user's)")
	fs.StringVar(&in.Exec.Directory, "directory", "", "`directory` to run in (default the user's home)")
	envFlag(c, &envs)
	limitFlags(c, &limits)
	return c
}

func readScript(stdin io.Reader, name string) (string, error) {
	var text []byte
	var err error
	if name == "-" {
		text, err = io.ReadAll(stdin)
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the script: %w", err)
	}
	return string(text), nil
}

func envFlag(c *cobra.Command, envs *[]string) {
	c.Flags().StringArrayVar(envs, "env", nil, "environment variable, `NAME=VALUE`; may be given more than once")
}

func limitFlags(c *cobra.Command, l *wire.Limits) {
	fs := c.Flags()
	fs.StringVar(&l.CPU, "cpu", "", "`limit` of the processor, per cent of one core, as in 50%")
	fs.StringVar(&l.Memory, "memory", "", "`limit` of memory, as in 200M")
	fs.IntVar(&l.PIDs, "pids", 0, "limit of processes and threads")
	fs.IntVar(&l.Files, "files", 0, "limit of open files of each process")
}

// variables reads NAME=VALUE; none give nil, which leaves those that are there.
func variables(envs []string) (map[string]string, error) {
	if len(envs) == 0 {
		return nil, nil
	}
	all := map[string]string{}
	for _, text := range envs {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("cannot use --env %q: want NAME=VALUE", name)
		}
		all[name] = value
	}
	return all, nil
}

func pushCommand() *cobra.Command {
	var (
		o  connection
		t  targets
		in struct {
			*targets
			File   string `json:"file"`
			Path   string `json:"path"`
			Mode   string `json:"mode,omitempty"`
			Owner  string `json:"owner,omitempty"`
			Group  string `json:"group,omitempty"`
			Backup bool   `json:"backup,omitempty"`
		}
	)
	c := &cobra.Command{
		Use:     "push [flags] FILE PATH",
		Short:   "Put a file on hosts, whole or not at all",
		Long:    "Upload FILE to the server once and put it at PATH on every host. A file that is there is replaced in one instant.",
		Example: "  hostler push --hosts 'web[01-20]' --mode 0644 --backup nginx.conf /etc/nginx/nginx.conf",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			file, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("cannot read the file: %w", err)
			}
			defer func() { _ = file.Close() }() // only read
			if in.File, err = api.Upload(c.Context(), file); err != nil {
				return err
			}
			in.targets, in.Path = t.list(), args[1]
			return beginWith(c, api, &o, &t, "pushes", &in)
		},
	}
	o.flags(c)
	t.flags(c)
	fs := c.Flags()
	fs.StringVar(&in.Mode, "mode", "", "octal `mode` (default that of the file that is replaced, or 0644)")
	fs.StringVar(&in.Owner, "owner", "", "`user` that owns it (default likewise, or root)")
	fs.StringVar(&in.Group, "group", "", "`group` that owns it (default likewise)")
	fs.BoolVar(&in.Backup, "backup", false, "keep what is replaced beside it")
	return c
}

func fetchCommand() *cobra.Command {
	var (
		o  connection
		t  targets
		to string
		in struct {
			*targets
			Path string `json:"path"`
			Most int64  `json:"most,omitempty"`
		}
	)
	c := &cobra.Command{
		Use:   "fetch [flags] PATH",
		Short: "Bring a file or a directory from hosts",
		Long: "Bring the file at PATH from every host into a directory of its own below --to. A directory comes as a tar.gz archive. " +
			"The server keeps what was fetched, too.",
		Example: "  hostler fetch --hosts 'web[01-20]' --to logs /var/log/nginx/error.log",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := o.open()
			if err != nil {
				return err
			}
			in.targets, in.Path = t.list(), args[0]
			id, err := api.Start(c.Context(), "fetches", &in)
			if err != nil {
				return refused(c, err)
			}
			if t.noWait {
				_, err := fmt.Fprintln(c.OutOrStdout(), id)
				return err
			}
			ended, err := watch(c, api, &o, id)
			if err != nil {
				return err
			}
			return saveFetched(c, api, ended, to)
		},
	}
	o.flags(c)
	t.flags(c)
	c.Flags().StringVar(&to, "to", ".", "`directory` for what is fetched")
	c.Flags().Int64Var(&in.Most, "most", 0, "`bytes` that one host may send (default 256 MiB)")
	return c
}

// saveFetched stores what each host sent as TO/HOST/NAME.
func saveFetched(c *cobra.Command, api *client.Client, o *client.Operation, to string) error {
	for i := range o.Tasks {
		t := &o.Tasks[i]
		if t.State != "done" || t.JobID == "" {
			continue
		}
		j, err := api.Job(c.Context(), t.JobID)
		if err != nil {
			return err
		}
		if j.File == nil {
			continue
		}
		path := filepath.Join(to, safeName(t.Name), safeName(j.File.Name))
		if err := save(c, api, j.ID, path); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(c.OutOrStdout(), path); err != nil {
			return err
		}
	}
	if o.State != "done" {
		return exitError(1)
	}
	return nil
}

// safeName keeps what a host says within its directory.
func safeName(name string) string {
	name = filepath.Base(filepath.Clean("/" + name))
	if name == "/" || name == "." {
		return "file"
	}
	return name
}

func save(c *cobra.Command, api *client.Client, jobID, path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return fmt.Errorf("cannot store what was fetched: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".fetch-*")
	if err != nil {
		return fmt.Errorf("cannot store what was fetched: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the first error counts
		}
	}()
	_, err = api.Download(c.Context(), "jobs/"+jobID+"/file", f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
