// Command labctl starts, inspects, breaks and stops labs of real hosts; see e2e/README.md. It is a thin shell around
// package lab and keeps no state of its own.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "labctl:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "labctl",
		Short:         "Boot real hosts on this machine and put them in trouble",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(baseCommand(), startCommand(), listCommand(), statusCommand(), execCommand(), hostCommand(),
		forwardCommand(), stopCommand())
	return root
}
