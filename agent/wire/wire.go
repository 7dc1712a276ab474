// Package wire holds the types that the agent and the server exchange, what the names in them may look like, and nothing
// else.
//
// The messages on the secured port are those of the BootAgent document, letter for letter: a client that
// sends exactly that document's fields is served. Everything Hostler adds is an optional field or a new path,
// so either side may be older than the other. The package imports the standard library only, never contacts
// anything and never touches a disk.
package wire

// Paths on the handshake port (server certificate only).
const (
	PathPing   = "/ping"            // GET: answers PingReply; used to prove that a host reaches the server
	PathCA     = "/ca.pem"          // GET: the CA certificate, PEM; trusted only after its pin was checked
	PathCAs    = "/authorities.pem" // GET: all CA certificates to trust, PEM; only for who trusts the server's certificate already
	PathEnroll = "/agent/enroll"    // POST EnrollRequest -> EnrollReply
	PathScript = "/setup-agent.sh"
	// PathInstall, with the beginning of a token's hash after it: GET answers install.sh for that token, without it.
	PathInstall = "/install/"
	PathRepo    = "/repo/" // apt, yum and static archives below it
)

// Paths on the secured port (both certificates).
const (
	PathRegister  = "/agent/register"   // POST RegisterRequest -> RegisterReply
	PathStatus    = "/agent/status"     // POST StatusRequest -> StatusReply
	PathJobResult = "/agent/job/result" // POST []JobResult -> ResultReply
	PathRenew     = "/agent/renew"      // POST RenewRequest -> EnrollReply
	PathEvents    = "/agent/events"     // POST []Event -> ResultReply
	PathOutput    = "/agent/job/output" // POST []OutputChunk -> ResultReply
	// PathJobFile, with a job's id after it: GET brings what a push puts on the host; POST takes the body that a
	// fetch sends, Content-Type application/octet-stream or, for a directory, application/gzip (a tar archive).
	PathJobFile = "/agent/job/file/"
	// PathWake is a WebSocket. Each message of the server, whatever is in it, means "report now". Agents that do
	// not open it miss nothing but time.
	PathWake = "/agent/wake"
)

// PingReply is the body of GET /ping. Time lets a host compare its clock with the server's.
type PingReply struct {
	Product string `json:"product"` // always "hostler"
	Time    int64  `json:"time"`    // Unix seconds, UTC
}

// EnrollRequest asks for a certificate. The key pair was made on the host and its private half never leaves it.
type EnrollRequest struct {
	Hostname string `json:"hostname"`          // what the host is to be called, lower case
	AgentSN  string `json:"agentsn,omitempty"` // the serial number the agent would like to keep (UUID)
	Token    string `json:"token"`             // one-time enrolment token
	CSR      string `json:"csr"`               // PKCS #10, PEM
	Facts    *Facts `json:"facts,omitempty"`   // for the person who approves the host
}

// EnrollReply carries the signed certificate. The agent's serial number is the certificate's common name.
type EnrollReply struct {
	AgentSN     string `json:"agentsn"`
	Certificate string `json:"certificate"` // PEM, leaf first
	CA          string `json:"ca"`          // PEM: the authorities to trust from now on
}

// RenewRequest asks for a new certificate over a connection that the old one still authenticates.
type RenewRequest struct {
	CSR string `json:"csr"` // PKCS #10, PEM
}

// RegisterRequest announces the host behind an enrolled agent.
type RegisterRequest struct {
	Hostname string `json:"hostname"`
	AgentSN  string `json:"agentsn"`
	Version  string `json:"version,omitempty"`
	Facts    *Facts `json:"facts,omitempty"`
}

// RegisterReply says which serial number the agent is to use from now on and what it is tagged with.
type RegisterReply struct {
	Status  int    `json:"status"` // 0: registered
	AgentSN string `json:"agentsn"`
	Tags    string `json:"tags"`           // "service=ecs,component"
	Step    int    `json:"step,omitempty"` // seconds between heartbeats
}

// ErrorReply is the body of every answer that is not a success, on every port.
type ErrorReply struct {
	Error Error `json:"error"`
}

// Error is a failure a person can act on. It is an error value, too.
type Error struct {
	Code    string            `json:"code"`             // stable, for programs: "token_expired"
	Message string            `json:"message"`          // plain cause
	Hint    string            `json:"hint,omitempty"`   // how to mend it
	Fields  map[string]string `json:"fields,omitempty"` // field name -> what is wrong with it
}

// Error returns the plain cause.
func (e *Error) Error() string { return e.Message }
