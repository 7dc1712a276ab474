package main

const usage = `Usage: hostler-agent COMMAND [--config FILE]

Commands:
  run       run the agent until SIGTERM; SIGHUP reads the configuration again
  setup     write the configuration: --server NAME[:PORT] --ca-pin PIN [--secured PORT] [--token TOKEN] [--hostname NAME]
            --token - reads the token from standard input; without a token the host waits for approval
  reset     forget the key and the certificate, and ask for new ones at the next start; --all forgets all that the server said
  status    say whether this host is enrolled or waits for approval, and when its last heartbeat arrived
  facts     print what the agent knows about this host, as JSON
  version   print the version

FILE is /etc/hostler-agent/agent.ini where it is not given.
`
