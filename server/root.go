package main

import "github.com/spf13/cobra"

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "hostler",
		Short:         "Bring a rack of Linux machines under management",
		Long:          "Hostler puts an agent on every host of a list, over SSH or by one command, and shows what they report.",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.SetVersionTemplate("hostler {{.Version}}\n")
	c.AddCommand(
		serveCommand(),
		group("admin", "Manage administrators and the master key", createAdmin(), setPassword(), rotateMasterKey()),
		group("users", "Manage who may log in", listUsers(), addUser(), changeRole(), limitUser(), setPassword(), disableUser(), enableUser(), removeUser(),
			resetSecondFactor(), requireSecondFactor()),
		group("token", "Manage API tokens", createToken(), listTokens(), endToken()),
		group("certs", "Manage the certificates of hosts", listCertificates(), listWaiting(), enrolQueue(), signWaiting(), refuseWaiting(),
			revokeCertificates(), renewCertificates(), cleanCertificates(), presignCertificates()),
		group("authority", "Change the authority that signs certificates", authorityStatus(), authorityHosts(), advanceAuthority(), takeBackAuthority()),
		group("audit", "Read and verify the audit log", listAudit(), verifyAudit(), exportAudit()),
		group("enrol-tokens", "Manage the tokens that admit hosts", listEnrolTokens(), createEnrolToken(), carryEnrolToken(), endEnrolToken()),
		group("sign-rules", "Manage the rules that sign hosts without asking", listSignRules(), createSignRule(), removeSignRule()),
		group("hosts", "Work with lists of hosts", expandHosts(), importHosts(), checkHosts(), removeHosts(), namesakes()),
		installCommand(),
		repositoryCommands(),
		runCommand(), pushCommand(), fetchCommand(), upgradeAgents(),
		group("checks", "Check the state of hosts", runChecks(), showChecks(), acceptWarnings(), unacceptWarnings(), mendChecked()),
		group("jobs", "See what hosts were told to do", listJobs(), showJob(), jobOutput(), cancelJob()),
		group("agents", "Manage child agents on hosts", listChildren(),
			childAction("install", "Install a child agent from a package or an archive", true, true),
			childAction("upgrade", "Upgrade a child agent; what does not stay up is taken back", true, true),
			childAction("uninstall", "Stop a child agent and take it away", false, false),
			childAction("start", "Start a child agent", false, false),
			childAction("stop", "Stop a child agent until it is told to start", false, false),
			childAction("restart", "Restart a child agent", false, false),
			childAction("configure", "Change a child agent's definition, environment or limits", false, true),
			childFile(), childLog(), catalogue(), forgetDefinition()),
	)
	return c
}

// group is a command that only holds others. By itself cobra would answer a mistyped one with help and success.
func group(name, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(commands...)
	return c
}
