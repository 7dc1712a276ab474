package trust

import (
	"hostler/agent/wire"
	"hostler/db"
)

// codeMachineChanged makes an agent ask for a certificate of its own.
const codeMachineChanged = "machine_changed"

// CheckMachine refuses a certificate that another machine shows than the one that got it, by a *wire.Error: the disk was copied, or the
// machine id was made anew. The agent then asks for a certificate of its own, and a person decides. Machines that do not say who
// they are cannot be told apart.
func (c *CA) CheckMachine(cert *db.Certificate, facts *wire.Facts) error {
	machine := machineOf(facts)
	if cert.Machine == "" || machine == "" || machine == cert.Machine {
		return nil
	}
	return &wire.Error{
		Code: codeMachineChanged, Message: "this certificate is that of another machine: this host is a copy of it, or has got another machine id",
		Hint: "the agent asks for a certificate of its own; see the page Trust, Waiting",
	}
}
