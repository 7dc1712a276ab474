package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hostler/server/bootstrap/answer"
	"hostler/server/client"
)

// installRequest is an answer file, and beside it the secrets that are not in it.
type installRequest struct {
	Answers string `json:"answers"`
	SSH     login  `json:"ssh"`
}

// installed is what became of a file: the server's answer, and the operation at its end if there was one.
type installed struct {
	client.Install
	Operation json.RawMessage `json:"operation,omitempty"`
	Host      *hereHost       `json:"host,omitempty"` // of --all-in-one
}

func installCommand() *cobra.Command {
	var (
		o        connection
		files    secretFiles
		name     string
		generate bool
		here     bool
		noWait   bool
		saved    int64
	)
	c := &cobra.Command{
		Use:   "install {-f FILE | --all-in-one | --gen-answer-file | --save-answer-file OPERATION}",
		Short: "Put agents on the hosts of an answer file",
		Long: "Do what an answer file says, which is what the install wizard asks, as YAML. Hosts that are managed already are left " +
			"alone, so that running it again changes nothing. Secrets are read from where the file or the flags say, and asked for on a " +
			"terminal; they are never in the file. --all-in-one needs no file: it puts an agent on this machine alone, as root and without SSH. Exits with 1 when not every host succeeded, and with 2 when the file is wrong or the " +
			"server refuses it; then nothing was started.",
		Example: "  hostler install --gen-answer-file > answers.yaml\n  hostler install -f answers.yaml\n  hostler install --all-in-one",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if generate {
				_, err := io.WriteString(c.OutOrStdout(), answer.Template())
				return err
			}
			if here {
				return installHere(c, &o)
			}
			if saved != 0 {
				return saveAnswers(c, &o, saved)
			}
			text, err := readAll(c, name)
			if err != nil {
				return fmt.Errorf("cannot read the answer file: %w", err)
			}
			in := installRequest{Answers: string(text)}
			file, problems := answer.Read(text)
			if len(problems) > 0 {
				return wrongAnswers(c, name, problems)
			}
			if err := gather(c, &in.SSH, file, &files, filepath.Dir(name)); err != nil {
				return wrongSecret(c, err)
			}
			return install(c, &o, &in, noWait)
		},
	}
	o.flags(c)
	files.flags(c)
	fs := c.Flags()
	fs.StringVarP(&name, "file", "f", "", "answer `file`; - is standard input")
	fs.BoolVar(&generate, "gen-answer-file", false, "print an answer file to begin with, and do nothing else")
	fs.BoolVar(&here, "all-in-one", false, "put an agent on this machine alone, which takes root")
	fs.Int64Var(&saved, "save-answer-file", 0, "print the answer file of a bootstrap, the `operation` of this number")
	fs.BoolVar(&noWait, "no-wait", false, "print the number of the operation and do not wait for it")
	c.MarkFlagsOneRequired("file", "all-in-one", "gen-answer-file", "save-answer-file")
	c.MarkFlagsMutuallyExclusive("file", "all-in-one", "gen-answer-file", "save-answer-file")
	return c
}

// saveAnswers prints a bootstrap as an answer file.
func saveAnswers(c *cobra.Command, o *connection, id int64) error {
	api, err := o.open()
	if err != nil {
		return err
	}
	_, err = api.Download(c.Context(), fmt.Sprintf("operations/%d/answers", id), c.OutOrStdout())
	return err
}

// wrongAnswers tells what is wrong with a file as compilers do.
func wrongAnswers(c *cobra.Command, name string, problems []answer.Problem) error {
	for _, p := range problems {
		if _, err := fmt.Fprintf(c.ErrOrStderr(), "%s:%s\n", name, p); err != nil {
			return err
		}
	}
	return exitError(2)
}

func wrongSecret(c *cobra.Command, err error) error {
	if _, err := fmt.Fprintln(c.ErrOrStderr(), "hostler:", err); err != nil {
		return err
	}
	return exitError(2)
}

func install(c *cobra.Command, o *connection, in *installRequest, noWait bool) error {
	api, err := o.open()
	if err != nil {
		return err
	}
	var done installed
	if err := api.Post(c.Context(), "installs", in, &done.Install); err != nil {
		return refused(c, err)
	}
	if noWait && done.OperationID != 0 && !o.json {
		_, err := fmt.Fprintln(c.OutOrStdout(), done.OperationID)
		return err
	}
	ended := &client.Operation{State: "done"}
	if done.OperationID != 0 && !noWait {
		if ended, err = watchWith(c, api, done.OperationID, teller(c, o)); err != nil {
			return err
		}
		ctx := context.WithoutCancel(c.Context())
		if err := api.Get(ctx, fmt.Sprintf("operations/%d", done.OperationID), &done.Operation); err != nil {
			return err
		}
	}
	err = tellInstalled(c, o, &done, ended)
	if err == nil && ended.State != "done" {
		err = exitError(1)
	}
	return err
}

func tellInstalled(c *cobra.Command, o *connection, done *installed, ended *client.Operation) error {
	if o.json {
		return json.NewEncoder(c.OutOrStdout()).Encode(done)
	}
	return printInstalled(c.OutOrStdout(), &done.Install, ended)
}

// printInstalled prints a line per host: how it went, how long it took, and what was found.
func printInstalled(to io.Writer, answered *client.Install, o *client.Operation) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintln(w, "HOST\tRESULT\tTIME\tFOUND")
	for i := range o.Tasks {
		t := &o.Tasks[i]
		_, e := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.Name, t.State, elapsed(t), found(t))
		err = errors.Join(err, e)
	}
	for _, name := range answered.Managed {
		_, e := fmt.Fprintf(w, "%s\tmanaged\t-\tit was there already, and was left alone\n", name)
		err = errors.Join(err, e)
	}
	if err = errors.Join(err, w.Flush()); err != nil {
		return err
	}
	if more := answered.Known - len(answered.Managed); more > 0 {
		_, err = fmt.Fprintf(to, "and %d more that were managed already\n", more)
	}
	return err
}
