package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"hostler/server/bootstrap"
	"hostler/server/bootstrap/answer"
)

// gather reads the secrets of a file from where it and the flags say. What flags say wins; paths in the file begin in
// its directory.
func gather(c *cobra.Command, to *login, file *answer.File, flags *secretFiles, directory string) error {
	if file.SSH.Jump != nil {
		to.Jump = &jump{}
	} else if flags.jumpKey+flags.jumpPassphrase+flags.jumpPassword != "" {
		return errors.New("there is no jump host in the file: name it with ssh.jump.host")
	}
	if err := flags.read(to); err != nil {
		return err
	}
	if err := gatherLogin(c, to, &file.SSH, directory, "ssh"); err != nil {
		return err
	}
	for name, set := range file.Credentials {
		if to.Others == nil {
			to.Others = map[string]*login{}
		}
		to.Others[name] = &login{}
		if set.Jump != nil {
			to.Others[name].Jump = &jump{}
		}
		if err := gatherLogin(c, to.Others[name], set, directory, "credentials."+name); err != nil {
			return err
		}
	}
	return nil
}

// given is a secret: its name in the file, where the file says it is, and where it goes.
type given struct {
	key  string
	from answer.Source
	line bool // a single line, of which the end is no part
	to   *string
}

func gatherLogin(c *cobra.Command, to *login, from *answer.Login, directory, key string) error {
	secrets := []given{
		{key + ".private_key", from.PrivateKey, false, &to.PrivateKey},
		{key + ".passphrase", from.Passphrase, true, &to.Passphrase},
		{key + ".password", from.Password, true, &to.Password},
		{key + ".sudo_password", from.SudoPassword, true, &to.SudoPassword},
	}
	if j := from.Jump; j != nil {
		secrets = append(secrets,
			given{key + ".jump.private_key", j.PrivateKey, false, &to.Jump.PrivateKey},
			given{key + ".jump.passphrase", j.Passphrase, true, &to.Jump.Passphrase},
			given{key + ".jump.password", j.Password, true, &to.Jump.Password})
	}
	for _, secret := range secrets {
		if err := secret.read(directory); err != nil {
			return err
		}
	}
	if err := askPassphrase(c, to.PrivateKey, &to.Passphrase, key); err != nil {
		return err
	}
	if to.Jump == nil {
		return nil
	}
	return askPassphrase(c, to.Jump.PrivateKey, &to.Jump.Passphrase, key+".jump")
}

// read takes the secret unless a flag gave it already.
func (g *given) read(directory string) error {
	switch {
	case *g.to != "":
	case g.from.Env != "":
		if *g.to = os.Getenv(g.from.Env); *g.to == "" {
			return fmt.Errorf("cannot read %s: the variable %s of the environment is empty", g.key, g.from.Env)
		}
	case g.from.File != "":
		path, err := secretPath(g.from.File, directory)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", g.key, err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", g.key, err)
		}
		if *g.to = string(text); g.line {
			*g.to = strings.TrimRight(*g.to, "\r\n")
		}
	}
	return nil
}

// secretPath is a path in a file: ~ is the home of whoever replays it.
func secretPath(path, directory string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		return filepath.Join(home, rest), err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(directory, path)
	}
	return path, nil
}

// askPassphrase asks for the passphrase of a key that is protected, if it was not given and there is somebody to ask.
func askPassphrase(c *cobra.Command, key string, to *string, name string) error {
	var wrong *bootstrap.FieldError
	probe := bootstrap.Credentials{PrivateKey: []byte(key), Passphrase: []byte(*to)}
	defer probe.Wipe()
	if key == "" || *to != "" || !errors.As(probe.Check(), &wrong) || wrong.Field != "passphrase" {
		return nil
	}
	in, ok := c.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return nil // the server says that it is missing
	}
	if _, err := fmt.Fprintf(c.ErrOrStderr(), "Passphrase of the private key (%s): ", name); err != nil {
		return err
	}
	text, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(c.ErrOrStderr()) // the line of the question ends
	if err != nil {
		return fmt.Errorf("cannot read the passphrase: %w", err)
	}
	*to = string(text)
	return nil
}
