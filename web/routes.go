package web

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/ui/assets"
)

// listener is one of the three ports.
type listener string

const (
	public    listener = "public"
	handshake listener = "handshake"
	secured   listener = "secured"
)

// access says who may use a route.
type access string

const (
	everyone access = "everyone"
	local    access = "local"   // this machine itself, or a program
	user     access = "user"    // a person with a session
	program  access = "program" // a person with a session, or a program with a bearer token
	agent    access = "agent"   // a host with a client certificate
)

// route is one line of the table.
type route struct {
	on     listener
	method string
	path   string // gin's notation
	may    access
	do     func(*Web, *gin.Context) error
}

const (
	get  = http.MethodGet
	head = http.MethodHead
	post = http.MethodPost
)

const api = "/api/v1"

// Paths whose bodies are files.
const (
	pathFiles   = api + "/files"
	pathJobFile = wire.PathJobFile + ":id"
)

// routes is everything that is served. A test walks it as nobody, user, program and agent.
var routes = []route{
	{public, get, "/setup", everyone, (*Web).setUpPage},
	{public, post, "/setup", everyone, (*Web).setUp},
	{public, get, "/login", everyone, (*Web).loginPage},
	{public, post, "/login", everyone, (*Web).login},
	{public, post, "/logout", user, (*Web).logout},
	{public, post, "/preferences", everyone, (*Web).setPreferences},

	{public, get, "/", user, (*Web).overviewPage},
	{public, get, "/hosts", user, (*Web).hostsPage},
	{public, get, "/hosts/:id", user, (*Web).hostPage},
	{public, post, "/hosts/:id/step", user, (*Web).setHostStep},
	{public, get, "/operations", user, (*Web).operationsPage},
	{public, get, "/operations/:id", user, (*Web).operationPage},
	{public, get, "/operations/:id/tasks/:task", user, (*Web).taskPage},
	{public, post, "/operations/:id/retry", user, (*Web).retryForm},
	{public, post, "/operations/:id/cancel", user, (*Web).cancelForm},
	{public, post, "/operations/:id/skip", user, (*Web).skipForm},
	{public, post, "/operations/:id/unlock", user, (*Web).unlockForm},
	{public, post, "/operations/:id/tasks/:task/forget-host-key", user, (*Web).forgetHostKeyForm},
	{public, get, "/events", user, (*Web).eventsPage},

	{public, get, "/commands/new", user, (*Web).newCommandPage},
	{public, post, "/commands/new", user, (*Web).newCommand},
	{public, get, "/pushes/new", user, (*Web).newPushPage},
	{public, post, "/pushes/new", user, (*Web).newPush},
	{public, get, "/fetches/new", user, (*Web).newFetchPage},
	{public, post, "/fetches/new", user, (*Web).newFetch},
	{public, get, "/agent-upgrades/new", user, (*Web).newUpgradePage},
	{public, post, "/agent-upgrades/new", user, (*Web).newUpgrade},
	{public, get, "/child-agents/manage", user, (*Web).managePage},
	{public, post, "/child-agents/manage", user, (*Web).manageChildren},
	{public, get, "/jobs", user, (*Web).jobsPage},
	{public, get, "/jobs/:id", user, (*Web).jobPage},
	{public, get, "/jobs/:id/output", user, (*Web).jobOutputPart},
	{public, post, "/jobs/:id/cancel", user, (*Web).cancelJobForm},
	{public, get, "/child-agents", user, (*Web).childrenPage},
	{public, get, "/child-agents/new", user, (*Web).newInstallPage},
	{public, post, "/child-agents/new", user, (*Web).newInstall},
	{public, post, "/hosts/:id/child-agents", user, (*Web).childActionForm},

	{public, get, "/trust", user, (*Web).trustPage},
	{public, get, "/trust/certificates/:serial/revoke", user, (*Web).revokePage},
	{public, post, "/trust/certificates/:serial/revoke", user, (*Web).revokeForm},

	{public, get, "/wizards", user, (*Web).wizardsPage},
	{public, post, "/wizards", user, (*Web).startWizard},
	{public, get, "/wizards/:id", user, (*Web).resumeWizard},
	{public, get, "/wizards/:id/start", user, (*Web).wizardStartPage},
	{public, post, "/wizards/:id/start", user, (*Web).saveWizardStart},
	{public, get, "/wizards/:id/hosts", user, (*Web).wizardHostsPage},
	{public, post, "/wizards/:id/hosts", user, (*Web).saveWizardHosts},
	{public, post, "/wizards/:id/save", user, (*Web).autosaveWizard},
	{public, get, "/wizards/:id/confirm", user, (*Web).wizardConfirmPage},
	{public, get, "/wizards/:id/manual", user, (*Web).wizardManualPage},
	{public, post, "/wizards/:id/token", user, (*Web).renewWizardToken},
	{public, get, "/wizards/:id/summary", user, (*Web).wizardSummaryPage},
	{public, post, "/wizards/:id/finish", user, (*Web).finishWizard},
	{public, post, "/wizards/:id/discard", user, (*Web).discardWizard},

	{public, get, "/live", user, (*Web).live},
	{public, get, assets.Prefix + "*name", everyone, wrap(assets.Handler())},
	{public, head, assets.Prefix + "*name", everyone, wrap(assets.Handler())},

	{public, get, "/healthz", everyone, (*Web).healthz},
	{public, get, "/readyz", everyone, (*Web).readyz},
	{public, get, "/metrics", local, (*Web).exposeMetrics},
	{public, get, "/api/openapi.json", everyone, (*Web).openAPI},

	{public, post, api + "/hosts/expand", program, (*Web).expandHosts},
	{public, get, api + "/hosts", program, (*Web).listHosts},
	{public, get, api + "/hosts/:id", program, (*Web).getHost},
	{public, post, api + "/hosts/:id/step", program, (*Web).putHostStep},
	{public, post, api + "/bootstraps", program, (*Web).createBootstrap},
	{public, get, api + "/operations", program, (*Web).listOperations},
	{public, get, api + "/operations/:id", program, (*Web).getOperation},
	{public, post, api + "/operations/:id/retry", program, (*Web).retryOperation},
	{public, post, api + "/operations/:id/cancel", program, (*Web).cancelOperation},
	{public, post, api + "/operations/:id/skip", program, (*Web).skipTasks},
	{public, post, api + "/operations/:id/unlock", program, (*Web).unlockOperation},
	{public, get, api + "/operations/:id/tasks/:task", program, (*Web).getTask},
	{public, get, api + "/operations/:id/tasks/:task/log", program, (*Web).getTaskLog},
	{public, post, api + "/operations/:id/tasks/:task/forget-host-key", program, (*Web).forgetHostKey},
	{public, get, api + "/operations/:id/outcomes", program, (*Web).getOutcomes},
	{public, get, api + "/events", program, (*Web).listEvents},

	{public, post, pathFiles, program, (*Web).uploadFile},
	{public, post, api + "/commands", program, (*Web).createCommand},
	{public, post, api + "/pushes", program, (*Web).createPush},
	{public, post, api + "/fetches", program, (*Web).createFetch},
	{public, get, api + "/child-agents", program, (*Web).listChildAgents},
	{public, post, api + "/child-agents/log", program, (*Web).createChildLog},
	{public, post, api + "/child-agents/:action", program, (*Web).createChildAction},
	{public, post, api + "/agent-upgrades", program, (*Web).createUpgrade},
	{public, get, api + "/jobs", program, (*Web).listJobs},
	{public, get, api + "/jobs/:id", program, (*Web).getJob},
	{public, get, api + "/jobs/:id/output", program, (*Web).getJobOutput},
	{public, get, api + "/jobs/:id/file", program, (*Web).getJobFile},
	{public, post, api + "/jobs/:id/cancel", program, (*Web).cancelJob},

	{public, get, api + "/certificates", program, (*Web).listCertificates},
	{public, post, api + "/certificates/revoke", program, (*Web).revokeCertificates},

	{handshake, get, wire.PathPing, everyone, (*Web).ping},
	{handshake, get, wire.PathCA, everyone, (*Web).caCertificate},
	{handshake, post, wire.PathEnroll, everyone, (*Web).enrol},
	{handshake, get, wire.PathScript, everyone, (*Web).setupScript},
	{handshake, get, wire.PathRepo + "*path", everyone, (*Web).repository},
	{handshake, head, wire.PathRepo + "*path", everyone, (*Web).repository},

	{secured, post, wire.PathRegister, agent, (*Web).register},
	{secured, post, wire.PathStatus, agent, (*Web).status},
	{secured, post, wire.PathJobResult, agent, (*Web).jobResult},
	{secured, post, wire.PathRenew, agent, (*Web).renewCertificate},
	{secured, post, wire.PathOutput, agent, (*Web).jobOutput},
	{secured, post, wire.PathEvents, agent, (*Web).hostEvents},
	{secured, get, pathJobFile, agent, (*Web).sendJobFile},
	{secured, post, pathJobFile, agent, (*Web).takeJobFile},
	{secured, get, wire.PathWake, agent, (*Web).openWake},
}

func wrap(h http.Handler) func(*Web, *gin.Context) error {
	return func(_ *Web, c *gin.Context) error {
		h.ServeHTTP(c.Writer, c.Request)
		return nil
	}
}
