package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"hostler/e2e/lab"
)

func open(name string) (*lab.Lab, error) {
	cache, err := lab.Cache()
	if err != nil {
		return nil, err
	}
	return lab.Open(cache, name)
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Print the names of the running labs",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cache, err := lab.Cache()
			if err != nil {
				return err
			}
			labs, err := lab.List(cache)
			for _, l := range labs {
				fmt.Fprintln(os.Stdout, l.Name)
			}
			return err
		},
	}
}

func statusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status LAB",
		Short: "Print a running lab's hosts, keys and passwords; fails when it does not run",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := open(args[0])
			if err != nil {
				return err
			}
			return report(os.Stdout, l, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything about the lab as JSON")
	return cmd
}

func execCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "exec LAB -- COMMAND [ARGUMENT…]",
		Short: "Become a command that runs in the lab's network and with its names",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := open(args[0])
			if err != nil {
				return err
			}
			return become(l.Command(cmd.Context(), args[1], args[2:]...))
		},
	}
}

// become replaces this process, so that signals and the exit status are the command's own.
func become(cmd *exec.Cmd) error {
	if cmd.Err != nil {
		return cmd.Err
	}
	return syscall.Exec(cmd.Path, cmd.Args, os.Environ())
}

func hostCommand() *cobra.Command {
	actions := map[string]func(*lab.Host, context.Context) error{
		"boot":     (*lab.Host).Boot,
		"cut":      (*lab.Host).Cut,
		"join":     (*lab.Host).Join,
		"poweroff": (*lab.Host).PowerOff,
	}
	return &cobra.Command{
		Use:   "host LAB HOST {poweroff|boot|cut|join|exec -- COMMAND…}",
		Short: "Take a host's power or network, give it back, or become a command that runs on it as root",
		Args:  cobra.MinimumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := open(args[0])
			if err != nil {
				return err
			}
			h, err := l.Host(args[1])
			if err != nil {
				return err
			}
			if args[2] == "exec" && len(args) > 3 {
				inside, err := h.Command(cmd.Context(), args[3], args[4:]...)
				if err != nil {
					return err
				}
				return become(inside)
			}
			action, known := actions[args[2]]
			if !known || len(args) > 3 {
				return fmt.Errorf("cannot %s a host: say poweroff, boot, cut, join or exec -- COMMAND", args[2])
			}
			return action(h, cmd.Context())
		},
	}
}

func forwardCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "forward LAB ADDRESS [TARGET]",
		Short: "Pass connections to this machine's ADDRESS on to TARGET in the lab (default: the same), until stopped",
		Args:  cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := open(args[0])
			if err != nil {
				return err
			}
			listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", args[1])
			if err != nil {
				return fmt.Errorf("cannot forward: %w", err)
			}
			fmt.Fprintf(os.Stdout, "%s is passed on to %s in lab %s\n", args[1], args[len(args)-1], l.Name)
			return l.Forward(cmd.Context(), listener, args[len(args)-1])
		},
	}
}

func stopCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stop LAB",
		Short: "End a lab and remove everything that belongs to it; a lab that is gone is no error",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cache, err := lab.Cache()
			if err != nil {
				return err
			}
			if err := lab.Sweep(cmd.Context(), cache); err != nil {
				return err
			}
			labs, err := lab.List(cache)
			if err != nil {
				return err
			}
			for _, l := range labs {
				if l.Name == args[0] {
					return l.Stop(cmd.Context())
				}
			}
			return nil
		},
	}
}
