package main

const usage = `Usage: hostler-agent COMMAND [--config FILE]

Commands:
  run       run the agent until SIGTERM; SIGHUP reads the configuration again
  status    say whether this host is enrolled or waits for approval, and when its last heartbeat arrived
  facts     print what the agent knows about this host, as JSON
  version   print the version

FILE is /etc/hostler-agent/agent.ini where it is not given.
`
