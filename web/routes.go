package web

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"hostler/agent/wire"
	"hostler/server/account"
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

// need is what somebody's role must allow for a route, and the name by which its use is recorded.
type need struct {
	right  account.Right
	action string // "host.step"; of routes that change something, or hand out much at once
	early  bool   // also for those who lack a second factor that is required of them
	// limited says that those may use it, too, who are limited to some hosts: what it finds is within the limit of the
	// request's context. All that is not of hosts is closed to them.
	limited bool
}

// What routes need.
var (
	open       = need{right: "open"} // no role: it is for those who have none, too, or for hosts
	see        = need{right: account.See}
	operate    = need{right: account.Operate}
	review     = need{right: account.Audit}
	administer = need{right: account.Administer}
	own        = need{right: account.Own, limited: true}
	ownEarly   = need{right: account.Own, early: true, limited: true}

	seeHosts     = need{right: account.See, limited: true}
	operateHosts = need{right: account.Operate, limited: true}
)

// unrecorded is the action of what changes nothing that others would miss, a draft, a preference, a calculation, and of
// what agents report of themselves.
const unrecorded = "unrecorded"

// as names what a route does.
func (n need) as(action string) need {
	n.action = action
	return n
}

// route is one line of the table.
type route struct {
	on     listener
	method string
	path   string // gin's notation
	may    access
	needs  need
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

// routes is everything that is served. Tests walk it as nobody, as every role, as program and agent.
var routes = []route{
	{public, get, "/setup", everyone, open, (*Web).setUpPage},
	{public, post, "/setup", everyone, open.as("user.set_up"), (*Web).setUp},
	{public, get, "/login", everyone, open, (*Web).loginPage},
	{public, post, "/login", everyone, open.as("user.login"), (*Web).login},
	{public, get, "/login/code", everyone, open, (*Web).loginCodePage},
	{public, post, "/login/code", everyone, open.as("user.login_code"), (*Web).loginCode},
	{public, get, pathProvider, everyone, open, (*Web).loginByProvider},
	{public, get, PathProviderBack, everyone, open.as("user.login_provider"), (*Web).providerBack},
	{public, post, "/logout", user, ownEarly.as("user.logout"), (*Web).logout},
	{public, post, "/preferences", everyone, open.as(unrecorded), (*Web).setPreferences},

	{public, get, "/", user, seeHosts, (*Web).overviewPage},
	{public, get, "/hosts", user, seeHosts, (*Web).hostsPage},
	{public, get, "/hosts/:id", user, seeHosts, (*Web).hostPage},
	{public, post, "/hosts/:id/step", user, operateHosts.as("host.step"), (*Web).setHostStep},
	{public, get, "/operations", user, seeHosts, (*Web).operationsPage},
	{public, get, "/operations/:id", user, seeHosts, (*Web).operationPage},
	{public, get, "/operations/:id/tasks/:task", user, seeHosts, (*Web).taskPage},
	{public, get, "/operations/:id/answers.yaml", user, operate, (*Web).saveAnswers},
	{public, post, "/operations/:id/retry", user, operateHosts.as("operation.retry"), (*Web).retryForm},
	{public, post, "/operations/:id/cancel", user, operateHosts.as("operation.cancel"), (*Web).cancelForm},
	{public, post, "/operations/:id/skip", user, operateHosts.as("operation.skip"), (*Web).skipForm},
	{public, post, "/operations/:id/unlock", user, operate.as("operation.unlock"), (*Web).unlockForm},
	{public, post, "/operations/:id/tasks/:task/forget-host-key", user, operate.as("host_key.forget"), (*Web).forgetHostKeyForm},
	{public, get, "/events", user, seeHosts, (*Web).eventsPage},

	{public, get, "/commands/new", user, operateHosts, (*Web).newCommandPage},
	{public, post, "/commands/new", user, operateHosts.as("command.start"), (*Web).newCommand},
	{public, get, "/pushes/new", user, operateHosts, (*Web).newPushPage},
	{public, post, "/pushes/new", user, operateHosts.as("push.start"), (*Web).newPush},
	{public, get, "/fetches/new", user, operateHosts, (*Web).newFetchPage},
	{public, post, "/fetches/new", user, operateHosts.as("fetch.start"), (*Web).newFetch},
	{public, get, "/agent-upgrades/new", user, operateHosts, (*Web).newUpgradePage},
	{public, post, "/agent-upgrades/new", user, operateHosts.as("agent.upgrade"), (*Web).newUpgrade},
	{public, get, "/host-removals/new", user, operate, (*Web).newRemovalPage},
	{public, post, "/host-removals/new", user, operate.as("host.remove"), (*Web).newRemoval},
	{public, get, "/host-checks", user, seeHosts, (*Web).hostChecksPage},
	{public, post, "/host-checks", user, operateHosts.as("host.check"), (*Web).checkAgain},
	{public, post, "/host-checks/accept", user, operateHosts.as("warning.accept"), (*Web).acceptForm},
	{public, post, "/host-checks/unaccept", user, operateHosts.as("warning.unaccept"), (*Web).unacceptForm},
	{public, post, "/host-checks/mend", user, operateHosts.as("host.mend"), (*Web).mendForm},
	{public, get, "/host-checks/new", user, operateHosts, (*Web).newHostCheckPage},
	{public, post, "/host-checks/new", user, operateHosts.as("host.check"), (*Web).newHostCheck},
	{public, get, "/child-agents/manage", user, operateHosts, (*Web).managePage},
	{public, post, "/child-agents/manage", user, operateHosts.as("child_agent.manage"), (*Web).manageChildren},
	{public, get, "/jobs", user, seeHosts, (*Web).jobsPage},
	{public, get, "/jobs/:id", user, seeHosts, (*Web).jobPage},
	{public, get, "/jobs/:id/output", user, seeHosts, (*Web).jobOutputPart},
	{public, post, "/jobs/:id/cancel", user, operateHosts.as("job.cancel"), (*Web).cancelJobForm},
	{public, get, "/child-agents/configure", user, operateHosts, (*Web).configurePage},
	{public, post, "/child-agents/configure", user, operateHosts.as("child_agent.configure"), (*Web).configureChildren},
	{public, post, "/child-agents/actions", user, operateHosts.as("child_agent.manage"), (*Web).actOnChildren},
	{public, get, "/child-agents/catalogue", user, operateHosts, (*Web).cataloguePage},
	{public, post, "/child-agents/catalogue/forget", user, operate.as("child_definition.forget"), (*Web).forgetDefinitionForm},
	{public, get, "/child-agents", user, seeHosts, (*Web).childrenPage},
	{public, get, "/child-agents/new", user, operateHosts, (*Web).newInstallPage},
	{public, post, "/child-agents/new", user, operateHosts.as("child_agent.install"), (*Web).newInstall},
	{public, post, "/hosts/:id/child-agents", user, operateHosts.as("child_agent.manage"), (*Web).childActionForm},

	{public, get, "/repositories", user, see, (*Web).repositoriesPage},
	{public, post, "/repositories", user, operate.as("repository.create"), (*Web).newRepositoryForm},
	{public, get, "/repositories/:repository", user, see, (*Web).packagesPage},
	{public, get, "/repositories/:repository/packages/:digest", user, see, (*Web).packagePage},
	{public, get, "/repositories/:repository/packages/:digest/hosts", user, see, (*Web).installedPage},
	{public, post, "/repositories/:repository/packages/:digest/drop", user, operate.as("package.drop"), (*Web).dropForm},
	{public, get, pathUploadForm, user, operate, (*Web).uploadPage},
	{public, post, pathUploadForm, user, operate.as("package.add"), (*Web).uploadForm},
	{public, get, "/repositories/:repository/snapshots", user, see, (*Web).snapshotsPage},
	{public, get, "/repositories/:repository/diff", user, see, (*Web).diffPage},
	{public, get, "/repositories/:repository/channels", user, see, (*Web).channelsPage},
	{public, post, "/repositories/:repository/promote", user, operate.as("channel.promote"), (*Web).promoteForm},
	{public, post, "/repositories/:repository/rollback", user, operate.as("channel.roll_back"), (*Web).rollBackForm},
	{public, get, "/repositories/:repository/export", user, see.as("repository.export"), (*Web).exportSnapshot},
	{public, get, pathImportForm, user, operate, (*Web).importPage},
	{public, post, pathImportForm, user, operate.as("repository.import"), (*Web).importForm},
	{public, get, "/repositories/:repository/mirrors", user, see, (*Web).mirrorsPage},
	{public, post, "/repositories/:repository/mirrors", user, operate.as("mirror.create"), (*Web).newMirrorForm},
	{public, get, "/repositories/:repository/mirrors/:id", user, operate, (*Web).mirrorPage},
	{public, post, "/repositories/:repository/mirrors/:id", user, operate.as("mirror.change"), (*Web).changeMirrorForm},
	{public, post, "/repositories/:repository/mirrors/:id/run", user, operate.as("mirror.run"), (*Web).runMirrorForm},
	{public, post, "/repositories/:repository/mirrors/:id/remove", user, operate.as("mirror.remove"), (*Web).removeMirrorForm},
	{public, get, "/repositories/:repository/use", user, see, (*Web).repositoryUsePage},
	{public, get, "/repositories/:repository/remove", user, operate, (*Web).removeRepositoryPage},
	{public, post, "/repositories/:repository/remove", user, operate.as("repository.remove"), (*Web).removeRepositoryForm},

	{public, get, "/trust", user, see, (*Web).trustPage},
	{public, get, "/trust/certificates/:serial/revoke", user, operate, (*Web).revokePage},
	{public, post, "/trust/certificates/:serial/revoke", user, operate.as("certificate.revoke"), (*Web).revokeForm},

	{public, post, "/trust/certificates/:serial/renew", user, operate.as("certificate.renew"), (*Web).renewForm},
	{public, get, "/trust/authority", user, see, (*Web).authorityPage},
	{public, post, "/trust/authority/advance", user, administer.as("authority.advance"), (*Web).advanceAuthorityForm},
	{public, post, "/trust/authority/back", user, administer.as("authority.back"), (*Web).takeBackAuthorityForm},
	{public, get, "/trust/repository-key", user, see, (*Web).repositoryKeyPage},
	{public, post, "/trust/repository-key/advance", user, administer.as("repository_key.advance"), (*Web).advanceKeyForm},
	{public, post, "/trust/repository-key/back", user, administer.as("repository_key.back"), (*Web).takeBackKeyForm},

	{public, get, "/trust/waiting", user, see, (*Web).enrolRequestsPage},
	{public, post, "/trust/waiting/sign", user, operate.as("enrol_request.sign"), (*Web).signForm},
	{public, post, "/trust/waiting/refuse", user, operate.as("enrol_request.refuse"), (*Web).refuseForm},
	{public, post, "/trust/namesakes", user, operate.as("namesake.settle"), (*Web).settleNamesake},
	{public, get, "/trust/bundles/new", user, administer, (*Web).bundlePage},
	{public, post, "/trust/bundles/new", user, administer.as("certificate.presign"), (*Web).bundleForm},
	{public, get, "/trust/policies", user, see, (*Web).policiesPage},
	{public, post, "/trust/queue", user, administer.as("enrol_queue.set"), (*Web).enrolQueueForm},
	{public, post, "/trust/policies", user, administer.as("sign_rule.create"), (*Web).newSignRuleForm},
	{public, post, "/trust/policies/:id/remove", user, administer.as("sign_rule.remove"), (*Web).removeSignRuleForm},
	{public, get, "/trust/tokens", user, see, (*Web).enrolTokensPage},
	{public, get, "/trust/tokens/new", user, operate, (*Web).newEnrolTokenPage},
	{public, post, "/trust/tokens/new", user, operate.as("enrol_token.create"), (*Web).newEnrolTokenForm},
	{public, get, "/trust/tokens/:id", user, operate, (*Web).enrolTokenPage},
	{public, get, "/trust/tokens/:id/archive", user, operate.as("enrol_token.archive"), (*Web).tokenArchive},
	{public, post, "/trust/tokens/:id/end", user, operate.as("enrol_token.end"), (*Web).endEnrolTokenForm},

	{public, get, "/wizards", user, operate, (*Web).wizardsPage},
	{public, post, "/wizards", user, operate.as("wizard.start"), (*Web).startWizard},
	{public, get, "/wizards/:id", user, operate, (*Web).resumeWizard},
	{public, get, "/wizards/:id/start", user, operate, (*Web).wizardStartPage},
	{public, get, "/wizards/:id/answers.yaml", user, operate, (*Web).saveDraftAnswers},
	{public, post, "/wizards/:id/answers", user, operate.as(unrecorded), (*Web).loadAnswers},
	{public, post, "/wizards/:id/start", user, operate.as(unrecorded), (*Web).saveWizardStart},
	{public, get, "/wizards/:id/versions", user, operate, (*Web).wizardVersionsPage},
	{public, post, "/wizards/:id/versions", user, operate.as(unrecorded), (*Web).saveWizardVersions},
	{public, get, "/wizards/:id/hosts", user, operate, (*Web).wizardHostsPage},
	{public, post, "/wizards/:id/hosts", user, operate.as("bootstrap.start"), (*Web).saveWizardHosts},
	{public, post, "/wizards/:id/save", user, operate.as(unrecorded), (*Web).autosaveWizard},
	{public, get, "/wizards/:id/connections", user, operate, (*Web).wizardConnectionsPage},
	{public, post, "/wizards/:id/connections", user, operate.as("bootstrap.start"), (*Web).startBootstrapOfCheck},
	{public, post, "/wizards/:id/connections/compare", user, operate.as(unrecorded), (*Web).compareConnections},
	{public, post, "/wizards/:id/connections/mend", user, operate.as("check.mend"), (*Web).mendConnections},
	{public, get, "/wizards/:id/confirm", user, operate, (*Web).wizardConfirmPage},
	{public, get, "/wizards/:id/manual", user, operate, (*Web).wizardManualPage},
	{public, post, "/wizards/:id/token", user, operate.as("enrol_token.create"), (*Web).renewWizardToken},
	{public, get, "/wizards/:id/checks", user, operate, (*Web).wizardChecksPage},
	{public, post, "/wizards/:id/checks", user, operate.as("host.check"), (*Web).startWizardChecks},
	{public, post, "/wizards/:id/checks/accept", user, operate.as("warning.accept"), (*Web).acceptInWizard},
	{public, post, "/wizards/:id/checks/unaccept", user, operate.as("warning.unaccept"), (*Web).unacceptInWizard},
	{public, post, "/wizards/:id/checks/mend", user, operate.as("host.mend"), (*Web).mendInWizard},
	{public, post, "/wizards/:id/checks/next", user, operate.as("wizard.pass_checks"), (*Web).passWizardChecks},
	{public, get, "/wizards/:id/checks/report", user, operate, (*Web).wizardCheckReport},
	{public, get, "/wizards/:id/summary", user, operate, (*Web).wizardSummaryPage},
	{public, post, "/wizards/:id/finish", user, operate.as("wizard.finish"), (*Web).finishWizard},
	{public, post, "/wizards/:id/discard", user, operate.as("wizard.discard"), (*Web).discardWizard},

	{public, get, "/account", user, own, (*Web).accountPage},
	{public, post, "/account/password", user, own.as("user.password"), (*Web).changePassword},
	{public, post, "/account/sessions/:id/end", user, own.as("session.end"), (*Web).endOwnSession},
	{public, post, "/account/end-other-sessions", user, own.as("session.end_others"), (*Web).endOtherSessions},
	{public, post, "/account/tokens", user, own.as("token.create"), (*Web).createOwnToken},
	{public, post, "/account/tokens/:id/end", user, own.as("token.end"), (*Web).endOwnToken},
	{public, get, pathSecondFactor, user, ownEarly, (*Web).secondFactorPage},
	{public, post, pathSecondFactor + "/offer", user, ownEarly.as("second_factor.offer"), (*Web).offerSecondFactor},
	{public, post, pathSecondFactor + "/confirm", user, ownEarly.as("second_factor.set"), (*Web).confirmSecondFactor},
	{public, post, pathSecondFactor + "/codes", user, own.as("second_factor.codes"), (*Web).renewRecoveryCodes},
	{public, post, pathSecondFactor + "/remove", user, own.as("second_factor.remove"), (*Web).removeSecondFactor},
	{public, get, "/users", user, administer, (*Web).usersPage},
	{public, post, "/users/second-factor", user, administer.as("second_factor.require"), (*Web).requireSecondFactor},
	{public, post, "/users/:id/second-factor/reset", user, administer.as("second_factor.reset"), (*Web).resetSecondFactor},
	{public, post, "/users", user, administer.as("user.create"), (*Web).addUser},
	{public, get, "/users/:id", user, administer, (*Web).userPage},
	{public, post, "/users/:id/role", user, administer.as("user.role"), (*Web).setUserRole},
	{public, post, "/users/:id/limit", user, administer.as("user.limit"), (*Web).limitUser},
	{public, post, "/users/:id/password", user, administer.as("user.password"), (*Web).setUserPassword},
	{public, post, "/users/:id/disable", user, administer.as("user.disable"), (*Web).disableUser},
	{public, post, "/users/:id/enable", user, administer.as("user.enable"), (*Web).enableUser},
	{public, post, "/users/:id/remove", user, administer.as("user.remove"), (*Web).removeUser},
	{public, post, "/sessions/:id/end", user, administer.as("session.end"), (*Web).endSession},
	{public, post, "/tokens/:id/end", user, administer.as("token.end"), (*Web).endAPIToken},

	{public, get, "/audit", user, review, (*Web).auditPage},
	{public, get, "/audit/verify", user, review, (*Web).auditVerifyPage},
	{public, get, "/audit/:id", user, review, (*Web).auditEntryPage},

	{public, get, "/live", user, seeHosts, (*Web).live},
	{public, get, assets.Prefix + "*name", everyone, open, wrap(assets.Handler())},
	{public, head, assets.Prefix + "*name", everyone, open, wrap(assets.Handler())},

	{public, get, "/healthz", everyone, open, (*Web).healthz},
	{public, get, "/readyz", everyone, open, (*Web).readyz},
	{public, get, "/metrics", local, see, (*Web).exposeMetrics},
	{public, get, "/api/openapi.json", everyone, open, (*Web).openAPI},

	{public, post, api + "/hosts/expand", program, operateHosts.as(unrecorded), (*Web).expandHosts},
	{public, post, api + "/hosts/import", program, operate.as(unrecorded), (*Web).importHosts},
	{public, get, api + "/hosts", program, seeHosts, (*Web).listHosts},
	{public, get, api + "/hosts/:id", program, seeHosts, (*Web).getHost},
	{public, post, api + "/hosts/:id/step", program, operateHosts.as("host.step"), (*Web).putHostStep},
	{public, post, api + "/keys/check", program, operate.as(unrecorded), (*Web).checkKey},
	{public, post, api + "/checks", program, operate.as("check.start"), (*Web).createCheck},
	{public, post, api + "/checks/:id/keys", program, operate.as(unrecorded), (*Web).compareKeys},
	{public, post, api + "/bootstraps", program, operate.as("bootstrap.start"), (*Web).createBootstrap},
	{public, post, api + "/installs", program, operate.as("bootstrap.start"), (*Web).createInstall},
	{public, post, api + "/answers/check", program, operate.as(unrecorded), (*Web).checkAnswers},
	{public, get, api + "/operations", program, seeHosts, (*Web).listOperations},
	{public, get, api + "/operations/:id", program, seeHosts, (*Web).getOperation},
	{public, get, api + "/operations/:id/answers", program, operate, (*Web).saveAnswers},
	{public, post, api + "/operations/:id/retry", program, operateHosts.as("operation.retry"), (*Web).retryOperation},
	{public, post, api + "/operations/:id/cancel", program, operateHosts.as("operation.cancel"), (*Web).cancelOperation},
	{public, post, api + "/operations/:id/skip", program, operateHosts.as("operation.skip"), (*Web).skipTasks},
	{public, post, api + "/operations/:id/unlock", program, operate.as("operation.unlock"), (*Web).unlockOperation},
	{public, get, api + "/operations/:id/tasks/:task", program, seeHosts, (*Web).getTask},
	{public, get, api + "/operations/:id/tasks/:task/log", program, seeHosts, (*Web).getTaskLog},
	{public, post, api + "/operations/:id/tasks/:task/forget-host-key", program, operate.as("host_key.forget"), (*Web).forgetHostKey},
	{public, get, api + "/operations/:id/outcomes", program, seeHosts, (*Web).getOutcomes},
	{public, get, api + "/events", program, seeHosts, (*Web).listEvents},

	{public, post, pathFiles, program, operateHosts.as("file.upload"), (*Web).uploadFile},
	{public, post, api + "/commands", program, operateHosts.as("command.start"), (*Web).createCommand},
	{public, post, api + "/pushes", program, operateHosts.as("push.start"), (*Web).createPush},
	{public, post, api + "/fetches", program, operateHosts.as("fetch.start"), (*Web).createFetch},
	{public, get, api + "/child-agents", program, seeHosts, (*Web).listChildAgents},
	{public, get, api + "/child-agents/definition", program, operateHosts, (*Web).showChildFile},
	{public, get, api + "/child-definitions", program, operateHosts, (*Web).listDefinitions},
	{public, get, api + "/child-archives", program, operateHosts, (*Web).listOffers},
	{public, post, api + "/child-definitions/forget", program, operate.as("child_definition.forget"), (*Web).forgetDefinition},
	{public, post, api + "/child-agents/log", program, operateHosts.as("child_agent.log"), (*Web).createChildLog},
	{public, post, api + "/child-agents/:action", program, operateHosts.as("child_agent.manage"), (*Web).createChildAction},
	{public, post, api + "/agent-upgrades", program, operateHosts.as("agent.upgrade"), (*Web).createUpgrade},
	{public, get, api + "/namesakes", program, see, (*Web).listNamesakes},
	{public, post, api + "/namesakes/keep", program, operate.as("namesake.settle"), (*Web).postKeepNamesakes},
	{public, post, api + "/namesakes/turn-away", program, operate.as("namesake.settle"), (*Web).postTurnAwayNamesake},
	{public, post, api + "/host-removals", program, operate.as("host.remove"), (*Web).createRemoval},
	{public, post, api + "/host-checks", program, operateHosts.as("host.check"), (*Web).createHostCheck},
	{public, post, api + "/host-checks/accept", program, operateHosts.as("warning.accept"), (*Web).postAcceptWarnings},
	{public, post, api + "/host-checks/unaccept", program, operateHosts.as("warning.unaccept"), (*Web).postUnacceptWarnings},
	{public, post, api + "/host-checks/mend", program, operateHosts.as("host.mend"), (*Web).postMend},
	{public, get, api + "/host-checks", program, seeHosts, (*Web).listHostChecks},
	{public, get, api + "/host-checks/report", program, seeHosts, (*Web).hostCheckReport},
	{public, get, api + "/jobs", program, seeHosts, (*Web).listJobs},
	{public, get, api + "/jobs/:id", program, seeHosts, (*Web).getJob},
	{public, get, api + "/jobs/:id/output", program, seeHosts, (*Web).getJobOutput},
	{public, get, api + "/jobs/:id/file", program, seeHosts, (*Web).getJobFile},
	{public, post, api + "/jobs/:id/cancel", program, operateHosts.as("job.cancel"), (*Web).cancelJob},

	{public, get, api + "/certificates", program, see, (*Web).listCertificates},
	{public, post, api + "/certificates/revoke", program, operate.as("certificate.revoke"), (*Web).revokeCertificates},

	{public, post, api + "/certificates/renew", program, operate.as("certificate.renew"), (*Web).renewCertificates},
	{public, get, api + "/authority", program, see, (*Web).getAuthority},
	{public, get, api + "/authority/hosts", program, see, (*Web).listBehind},
	{public, post, api + "/authority/advance", program, administer.as("authority.advance"), (*Web).advanceAuthority},
	{public, post, api + "/authority/back", program, administer.as("authority.back"), (*Web).takeBackAuthority},
	{public, get, api + "/repository-key", program, see, (*Web).getRepositoryKey},
	{public, get, api + "/repository-key/hosts", program, see, (*Web).listLacking},
	{public, post, api + "/repository-key/advance", program, administer.as("repository_key.advance"), (*Web).advanceKey},
	{public, post, api + "/repository-key/back", program, administer.as("repository_key.back"), (*Web).takeBackKey},
	{public, post, api + "/certificates/clean", program, operate.as("certificate.clean"), (*Web).cleanCertificates},
	{public, get, api + "/enrol-requests", program, see, (*Web).listEnrolRequests},
	{public, post, api + "/enrol-requests/sign", program, operate.as("enrol_request.sign"), (*Web).signEnrolRequests},
	{public, post, api + "/enrol-requests/refuse", program, operate.as("enrol_request.refuse"), (*Web).refuseEnrolRequests},
	{public, post, api + "/bundles", program, administer.as("certificate.presign"), (*Web).createBundle},
	{public, get, api + "/enrol-queue", program, see, (*Web).getEnrolQueue},
	{public, post, api + "/enrol-queue", program, administer.as("enrol_queue.set"), (*Web).putEnrolQueue},
	{public, get, api + "/sign-rules", program, see, (*Web).listSignRules},
	{public, post, api + "/sign-rules", program, administer.as("sign_rule.create"), (*Web).createSignRule},
	{public, post, api + "/sign-rules/:id/remove", program, administer.as("sign_rule.remove"), (*Web).removeSignRule},
	{public, get, api + "/watched-folder", program, see, (*Web).getWatchedFolder},
	{public, get, api + "/repositories", program, see, (*Web).listRepositories},
	{public, post, api + "/repositories", program, operate.as("repository.create"), (*Web).createRepository},
	{public, get, api + "/repositories/:repository", program, see, (*Web).getRepository},
	{public, post, api + "/repositories/:repository/remove", program, operate.as("repository.remove"), (*Web).removeRepository},
	{public, get, pathPackages, program, see, (*Web).listPackages},
	{public, post, pathPackages, program, operate.as("package.add"), (*Web).addPackages},
	{public, get, pathPackages + "/:digest", program, see, (*Web).getPackage},
	{public, get, pathPackages + "/:digest/hosts", program, see, (*Web).listInstalled},
	{public, post, api + "/repositories/:repository/drop", program, operate.as("package.drop"), (*Web).dropPackages},
	{public, get, api + "/repositories/:repository/snapshots", program, see, (*Web).listSnapshots},
	{public, get, api + "/repositories/:repository/diff", program, see, (*Web).diffSnapshots},
	{public, post, api + "/repositories/:repository/promote", program, operate.as("channel.promote"), (*Web).promoteChannel},
	{public, post, api + "/repositories/:repository/rollback", program, operate.as("channel.roll_back"), (*Web).rollBackChannel},

	{public, get, api + "/repositories/:repository/export", program, see.as("repository.export"), (*Web).exportSnapshot},
	{public, post, pathImport, program, operate.as("repository.import"), (*Web).importSnapshot},
	{public, get, api + "/repositories/:repository/mirrors", program, see, (*Web).listMirrors},
	{public, post, api + "/repositories/:repository/mirrors", program, operate.as("mirror.create"), (*Web).createMirror},
	{public, get, api + "/repositories/:repository/mirrors/:id", program, see, (*Web).getMirror},
	{public, post, api + "/repositories/:repository/mirrors/:id", program, operate.as("mirror.change"), (*Web).changeMirror},
	{public, post, api + "/repositories/:repository/mirrors/:id/run", program, operate.as("mirror.run"), (*Web).runMirror},
	{public, post, api + "/repositories/:repository/mirrors/:id/remove", program, operate.as("mirror.remove"), (*Web).removeMirror},

	{public, get, api + "/enrol-tokens", program, see, (*Web).listEnrolTokens},
	{public, post, api + "/enrol-tokens", program, operate.as("enrol_token.create"), (*Web).createEnrolToken},
	{public, get, api + "/enrol-tokens/:id/archive", program, operate.as("enrol_token.archive"), (*Web).tokenArchive},
	{public, post, api + "/enrol-tokens/:id/end", program, operate.as("enrol_token.end"), (*Web).endEnrolToken},

	{public, get, api + "/account", program, own, (*Web).getAccount},
	{public, get, api + "/users", program, administer, (*Web).listUsers},
	{public, post, api + "/users", program, administer.as("user.create"), (*Web).createUser},
	{public, get, api + "/users/:id", program, administer, (*Web).getUser},
	{public, post, api + "/users/:id/role", program, administer.as("user.role"), (*Web).putUserRole},
	{public, post, api + "/users/:id/limit", program, administer.as("user.limit"), (*Web).putUserLimit},
	{public, post, api + "/users/:id/password", program, administer.as("user.password"), (*Web).putUserPassword},
	{public, post, api + "/users/:id/disable", program, administer.as("user.disable"), (*Web).disableUserCall},
	{public, post, api + "/users/:id/enable", program, administer.as("user.enable"), (*Web).enableUserCall},
	{public, post, api + "/users/:id/remove", program, administer.as("user.remove"), (*Web).removeUserCall},
	{public, post, api + "/users/:id/second-factor/reset", program, administer.as("second_factor.reset"), (*Web).resetSecondFactorCall},
	{public, get, api + "/second-factor", program, administer, (*Web).getSecondFactorRule},
	{public, post, api + "/second-factor", program, administer.as("second_factor.require"), (*Web).putSecondFactorRule},
	{public, get, api + "/tokens", program, administer, (*Web).listTokens},
	{public, post, api + "/tokens", program, administer.as("token.create"), (*Web).createToken},
	{public, post, api + "/tokens/:id/end", program, administer.as("token.end"), (*Web).endTokenCall},
	{public, get, api + "/sessions", program, administer, (*Web).listSessions},
	{public, post, api + "/sessions/:id/end", program, administer.as("session.end"), (*Web).endSessionCall},

	{public, get, api + "/audit", program, review, (*Web).listAudit},
	{public, get, api + "/audit/verify", program, review, (*Web).verifyAudit},
	{public, get, api + "/audit/export", program, review.as("audit.export"), (*Web).exportAudit},
	{public, get, api + "/audit/:id", program, review, (*Web).getAudit},

	{handshake, get, wire.PathPing, everyone, open, (*Web).ping},
	{handshake, get, wire.PathCA, everyone, open, (*Web).caCertificate},
	{handshake, get, wire.PathCAs, everyone, open, (*Web).caCertificates},
	{handshake, post, wire.PathEnroll, everyone, open.as("host.enrol"), (*Web).enrol},
	{handshake, get, wire.PathInstall + ":handle", everyone, open, (*Web).installScript},
	{handshake, get, wire.PathScript, everyone, open, (*Web).setupScript},
	{handshake, get, wire.PathRepo + "*path", everyone, open, (*Web).repository},
	{handshake, head, wire.PathRepo + "*path", everyone, open, (*Web).repository},

	{secured, post, wire.PathRegister, agent, open.as(unrecorded), (*Web).register},
	{secured, post, wire.PathStatus, agent, open.as(unrecorded), (*Web).status},
	{secured, post, wire.PathJobResult, agent, open.as(unrecorded), (*Web).jobResult},
	{secured, post, wire.PathRenew, agent, open.as("certificate.renewed"), (*Web).renewCertificate},
	{secured, post, wire.PathOutput, agent, open.as(unrecorded), (*Web).jobOutput},
	{secured, post, wire.PathEvents, agent, open.as(unrecorded), (*Web).hostEvents},
	{secured, get, pathJobFile, agent, open, (*Web).sendJobFile},
	{secured, post, pathJobFile, agent, open.as(unrecorded), (*Web).takeJobFile},
	{secured, get, wire.PathWake, agent, open, (*Web).openWake},
}

func wrap(h http.Handler) func(*Web, *gin.Context) error {
	return func(_ *Web, c *gin.Context) error {
		h.ServeHTTP(c.Writer, c.Request)
		return nil
	}
}
