package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/repo"
	"hostler/server/account"
	"hostler/server/audit"
	"hostler/server/mirror"
	"hostler/server/remote"
	"hostler/server/trust"
	"hostler/ui/page"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc := must[*openapi3.T](t)(openapi3.NewLoader().LoadFromData(openAPIDocument))
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("the document is not valid: %v", err)
	}
	return doc
}

var parameter = regexp.MustCompile(`:(\w+)`)

// TestDocumentIsTheTable holds the document against the routes, both ways.
func TestDocumentIsTheTable(t *testing.T) {
	doc := document(t)
	described := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			described[method+" "+path] = true
			for _, p := range parameter.FindAllStringSubmatch(strings.ReplaceAll(path, "{", ":"), -1) {
				if o.Parameters.GetByInAndName("path", p[1]) == nil {
					t.Errorf("%s %s does not describe its parameter %s", method, path, p[1])
				}
			}
		}
	}
	for _, r := range routes {
		program := r.on == public && (r.may == program || r.may == local || slices.Contains([]string{"/healthz", "/readyz", "/api/openapi.json"}, r.path))
		key := r.method + " " + parameter.ReplaceAllString(r.path, "{$1}")
		if program && !described[key] {
			t.Errorf("%s is not described", key)
		}
		if program {
			delete(described, key)
		}
	}
	for key := range described {
		t.Errorf("%s is described but not served", key)
	}
}

// TestDocumentIsTheTypes holds the schemas against the Go types, both ways.
func TestDocumentIsTheTypes(t *testing.T) {
	schemas := document(t).Components.Schemas
	for name, v := range map[string]any{
		"ErrorReply": wire.ErrorReply{}, "Error": wire.Error{}, "ExpandRequest": expandRequest{}, "ExpandReply": expandReply{}, "ExpandError": expandError{}, "ExpandDuplicate": expandDuplicate{}, "ImportRequest": importRequest{}, "ImportReply": importReply{}, "KeyRequest": keyRequest{}, "KeyReply": keyReply{},
		"BootstrapRequest": bootstrapRequest{}, "InstallRequest": installRequest{}, "InstallReply": installReply{}, "AnswersRequest": answersRequest{}, "AnswersReply": answersReply{}, "AnswerProblem": answerProblem{}, "SSH": sshRequest{}, "StartedReply": startedReply{}, "StepRequest": stepRequest{},
		"ControlRequest": controlRequest{}, "ControlReply": controlReply{}, "ForgetHostKeyRequest": forgetHostKeyRequest{}, "Host": hostReply{}, "HostDetail": hostDetailReply{}, "HostsReply": hostsReply{},
		"ChildAgent": childReply{}, "Job": jobReply{}, "Event": db.Event{}, "EventsReply": eventsReply{}, "Facts": wire.Facts{}, "Disk": wire.Disk{},
		"Interface": wire.Interface{}, "Operation": operationReply{}, "OperationDetail": operationDetailReply{}, "OperationsReply": operationsReply{},
		"Targets": remote.Targets{}, "CommandRequest": remote.CommandRequest{}, "PushRequest": remote.PushRequest{}, "FetchRequest": remote.FetchRequest{},
		"ChildRequest": remote.ChildRequest{}, "LogRequest": remote.LogRequest{}, "UpgradeRequest": remote.UpgradeRequest{}, "HostCheckRequest": remote.CheckRequest{}, "HostCheckVerdict": page.HostVerdict{}, "Acceptance": page.Acceptance{}, "AcceptWarningsRequest": warningRequest{}, "UnacceptWarningsRequest": unacceptRequest{}, "WarningsReply": warningsReply{}, "HostCheck": hostCheckReply{}, "HostCheckSum": hostCheckSumReply{}, "HostChecksReply": hostChecksReply{}, "JobStartedReply": jobStartedReply{},
		"File": fileReply{}, "JobOutput": outputReply{}, "JobFile": jobFile{}, "JobDetail": jobDetailReply{}, "JobsReply": jobsReply{}, "Work": workReply{},
		"Exec": wire.Exec{}, "Push": wire.Push{}, "Fetch": wire.Fetch{}, "Log": wire.Log{}, "Limits": wire.Limits{}, "Exit": wire.Exit{},
		"HostChildAgent": hostChildReply{}, "ChildAgentsReply": childrenReply{}, "ChildDefinition": db.ChildDefinition{}, "ChildFile": childFileReply{}, "ChildDefinitionsReply": definitionsReply{}, "ForgetDefinitionRequest": forgetDefinitionRequest{},
		"Outcome": outcomeReply{}, "OutcomeHost": outcomeHost{}, "OutcomesReply": outcomesReply{},
		"Certificate": certificateReply{}, "CertificatesReply": certificatesReply{}, "RevokeRequest": trust.RevokeRequest{}, "RevokedReply": revokedReply{},
		"EnrolRequest": enrolRequestReply{}, "EnrolRequestsReply": enrolRequestsReply{}, "Decision": trust.Decision{}, "DecidedReply": decidedReply{},
		"CleanRequest": cleanRequest{}, "CleanReply": cleanReply{},
		"BundleRequest": bundleRequest{}, "SignRule": db.SignRule{}, "SignRulesReply": signRulesReply{}, "SignRuleRequest": trust.SignRuleRequest{},
		"EnrolToken": enrolTokenReply{}, "EnrolTokensReply": enrolTokensReply{}, "EnrolTokenRequest": trust.TokenRequest{}, "NewEnrolTokenReply": newEnrolTokenReply{},
		"Account": accountReply{}, "User": account.Person{}, "UsersReply": usersReply{}, "UserRequest": userRequest{}, "RoleRequest": roleRequest{},
		"PasswordRequest": passwordRequest{}, "Token": account.Program{}, "TokensReply": tokensReply{}, "TokenRequest": tokenRequest{}, "TokenMade": tokenMadeReply{},
		"AuditEntry": db.AuditEntry{}, "AuditReply": auditReply{}, "AuditReport": audit.Report{}, "AuditProblem": audit.Problem{},
		"SecondFactorRule": secondFactorRule{}, "EnrolQueue": enrolQueue{}, "Session": account.Browser{}, "SessionsReply": sessionsReply{},
		"RepositoriesReply": repositoriesReply{}, "RepositoryRequest": repositoryRequest{}, "Repository": repo.Repository{}, "RepositoryChannel": repo.Channel{},
		"StoredPackage": repo.Package{}, "Package": packageReply{}, "PackageDetail": packageDetailReply{}, "PackageOrigin": repo.Origin{}, "PackageHost": installedHost{}, "PackageHostsReply": installedReply{}, "PackageFacts": repo.Detail{}, "PackageChange": repo.Changed{},
		"PackagesReply": packagesReply{}, "Uploaded": repo.Result{}, "UploadedFile": repo.Verdict{}, "UploadWarning": repo.Warning{},
		"SnapshotsReply": snapshotsReply{}, "Snapshot": repo.Listed{}, "Diff": repo.Diff{}, "VersionChange": repo.Change{},
		"Imported": repo.Imported{}, "MirrorRequest": mirror.Request{}, "Mirror": mirror.Mirror{}, "MirrorsReply": mirrorsReply{},
		"PromoteRequest": promoteRequest{}, "RollbackRequest": rollbackRequest{}, "DropRequest": dropRequest{}, "ChannelReply": channelReply{},
		"Step": stepReply{}, "Task": taskReply{}, "Problem": db.Problem{},
	} {
		ref, ok := schemas[name]
		if !ok {
			t.Errorf("there is no schema %s", name)
			continue
		}
		fields := map[string]bool{}
		jsonFields(reflect.TypeOf(v), fields)
		for field, optional := range fields {
			if ref.Value.Properties[field] == nil {
				t.Errorf("schema %s has no %s", name, field)
			}
			if required := slices.Contains(ref.Value.Required, field); optional && required {
				t.Errorf("schema %s requires %s, which may be left out", name, field)
			}
		}
		for field := range ref.Value.Properties {
			if _, ok := fields[field]; !ok {
				t.Errorf("schema %s has %s, which the type does not", name, field)
			}
		}
	}
}

// jsonFields lists the names of a struct's fields in JSON, and whether they may be left out.
func jsonFields(typ reflect.Type, into map[string]bool) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			jsonFields(f.Type, into)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		into[name] = strings.Contains(options, "omit")
	}
}

// TestAnswersAreAsDescribed validates real answers.
func TestAnswersAreAsDescribed(t *testing.T) {
	s := newServer(t)
	c, hostID := s.register("node1.lab.test")
	s.beat(c, "node1.lab.test", wire.ChildAgent{Name: "BasicAgent", Version: "1", Status: wire.ChildRunning, Uptime: 3})
	_ = must[*db.Job](t)(s.web.Jobs.Add(t.Context(), hostID, wire.Job{Action: wire.ActionConfig, Step: 20}, "admin"))
	s.agent("node2.lab.test")
	id := s.startBootstrap("node1.lab.test, bad.lab.test")
	s.awaitOperation(id, db.Failed)
	tasks := must[[]db.Task](t)(s.db.Tasks(t.Context(), id))
	fetched := s.fetch(c, hostID, "/etc/motd", "welcome")
	uploaded := s.upload("content")
	s.api(post, api+"/sign-rules", `{"host":"*.rack.test"}`) // the paths come in any order
	targets := map[string]any{"hosts": "node1.lab.test"}
	added := s.addPackage("tools", "tool-1.0.tar.gz")
	mirrored := s.addMirrors("mirrored", 2)
	s.publishAgent()
	carried := s.enrolToken(trust.TokenRequest{})
	last := s.person(testUser, account.RoleAdministrator) // who cannot be removed
	replace := strings.NewReplacer(
		api+"/enrol-tokens/{id}/archive", fmt.Sprintf("%s/enrol-tokens/%d/archive", api, carried.ID),
		mirrored+"/mirrors/{id}/remove", mirrored+"/mirrors/2/remove", mirrored+"/mirrors/{id}", mirrored+"/mirrors/1",
		api+"/users/{id}", api+last.path(testUser), api+"/audit/{id}", api+"/audit/1", api+"/tokens/{id}", api+"/tokens/999", api+"/sessions/{id}", api+"/sessions/999",
		api+"/hosts/{id}", fmt.Sprintf("%s/hosts/%d", api, hostID), api+"/jobs/{id}", api+"/jobs/"+fetched, "{action}", "restart", "{id}", fmt.Sprint(id), "{task}", fmt.Sprint(tasks[1].ID), "{digest}", added.Digest)
	s.answered(c, "node1.lab.test", hostID, wire.Definition{Name: "BasicAgent", File: "/etc/basic.ini", Text: "[agent]\n"})
	query := map[string]string{"diffSnapshots": "?from=1&to=2", "showChildFile": "?host=node1.lab.test&name=BasicAgent"}
	bodies := map[string]string{
		"createMirror": `{"channel":"free","url":"http://127.0.0.1:1/debian","suite":"stable","trust":"nothing"}`, "changeMirror": `{"url":"http://127.0.0.1:1/debian","suite":"stable","trust":"nothing"}`,
		"createRepository": `{"name":"another","kind":"apt"}`, "promoteChannel": `{"channel":"test","snapshot":1,"create":true}`,
		"rollBackChannel": `{"channel":"stable","snapshot":2}`, "dropPackages": toJSON(t, dropRequest{Packages: []string{added.Digest}}),
		"expandHosts": `{"text":"a, b[2-1]"}`, "checkKey": toJSON(t, map[string]string{"private_key": sshKey(t)}), "importHosts": `{"text":"name\nnode1"}`, "setHostStep": `{"step":20}`, "retryOperation": "{}",
		"createInstall":       toJSON(t, map[string]any{"answers": "hosts: node4", "ssh": map[string]any{"private_key": sshKey(t)}}),
		"checkAnswers":        `{"answers":"hosts: [node1.lab.test, n_x]"}`,
		"createBootstrap":     toJSON(t, map[string]any{"hosts": "node3", "ssh": map[string]any{"private_key": sshKey(t)}}),
		"createCheck":         toJSON(t, map[string]any{"hosts": "node3", "ssh": map[string]any{"private_key": sshKey(t)}}),
		"createCommand":       toJSON(t, map[string]any{"targets": targets, "exec": map[string]any{"command": []string{"true"}}}),
		"createPush":          toJSON(t, map[string]any{"targets": targets, "file": uploaded.ID, "path": "/etc/motd"}),
		"createFetch":         toJSON(t, map[string]any{"targets": targets, "path": "/etc/motd"}),
		"createChildAction":   toJSON(t, map[string]any{"targets": targets, "name": "BasicAgent"}),
		"createUser":          `{"name":"carol","password":"correct horse","role":"auditor"}`,
		"setSecondFactorRule": `{"required_of":"administrators"}`, "setEnrolQueue": `{"open":true}`,
		"createToken":        `{"name":"backup","role":"operator","expires_in":3600}`,
		"revokeCertificates": `{"hosts":["node2.lab.test"]}`,
		"cleanCertificates":  `{"hosts":["node1.lab.test"]}`, "signEnrolRequests": `{"all":true}`, "refuseEnrolRequests": `{"all":true}`,
		"createBundle": `{"hosts":"carried[1-2].test"}`, "createSignRule": `{"host":"*.rack.test"}`, "removeSignRule": "{}",
		"createEnrolToken": `{"host":"*.lab.test","uses":3}`, "endEnrolToken": "{}",
		"createChildLog": `{"host":"node1.lab.test","name":"BasicAgent"}`, "createUpgrade": toJSON(t, map[string]any{"targets": targets}),
	}
	doc := document(t)
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			repository := "tools"
			if strings.Contains(path, "{repository}/mirrors") {
				repository = "mirrored"
			} else if method == http.MethodPost && strings.Contains(path, "{repository}") { // each changes one of its own
				repository = strings.ToLower(o.OperationID)
				s.addPackage(repository, "tool-1.0.tar.gz")
			}
			path := replace.Replace(strings.ReplaceAll(path, "{repository}", repository))
			r := s.api(method, path+query[o.OperationID], bodies[o.OperationID])
			described := o.Responses.Value(fmt.Sprint(r.status))
			if described == nil {
				described = o.Responses.Default()
			}
			if described == nil {
				t.Errorf("%s answered %d, which is not described", o.OperationID, r.status)
				continue
			}
			if _, isAction := bodies[o.OperationID]; method == http.MethodGet || isAction {
				if r.status > 299 {
					t.Errorf("%s answered %d %s", o.OperationID, r.status, r.body)
				}
			}
			content := described.Value.Content.Get("application/json")
			if content == nil {
				continue
			}
			var v any
			if err := json.Unmarshal([]byte(r.body), &v); err != nil {
				t.Errorf("%s: %v", o.OperationID, err)
			} else if err := doc.ValidateSchemaJSON(content.Schema.Value, v, openapi3.MultiErrors()); err != nil {
				t.Errorf("%s: %v\n%s", o.OperationID, err, r.body)
			}
		}
	}
}
