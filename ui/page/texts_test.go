package page_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hostler/ui/page"
)

// spelled are the texts whose keys are put together from a prefix and a code.
func spelled() map[string]bool {
	keys := map[string]bool{}
	add := func(prefix string, codes ...string) {
		for _, c := range codes {
			keys[prefix+c] = true
		}
	}
	for _, c := range page.FailureCodes {
		add("failure."+c, ".cause", ".hint")
	}
	for _, c := range page.ManualCommands {
		add("command."+c, ".title", ".text")
	}
	for _, status := range []string{"403", "404", "409", "422", "429", "500", "503"} {
		add("error."+status, ".title", ".text")
	}
	for _, n := range []string{"1", "2", "3"} {
		add("welcome."+n, ".title", ".text")
	}
	add("step.", page.Steps...)
	add("field.", page.FieldCodes...)
	add("hostlist.", page.HostListCodes...)
	add("answer.", page.AnswerCodes...)
	add("refusal.", page.RefusalCodes...)
	add("notice.", page.NoticeCodes...)
	add("event.", page.EventKinds...)
	add("role.", page.Roles...)
	add("role.text.", page.Roles...)
	add("users.", "enabled", "disabled")
	add("users.action.", "enable", "disable", "remove")
	add("session.", "unknown_browser")
	add("factor.of.", page.SecondFactorRules...)
	add("host.state.", page.HostStates...)
	add("group.", page.TaskGroups...)
	add("counts.", page.TaskGroups...)
	add("state.", page.Pending, page.Running, page.Waiting, page.Done, page.Failed, page.Skipped, page.Canceled)
	add("wizard.step.", append(page.WizardSteps(page.MethodSSH), page.WizardManual)...)
	add("wizards.need.", "names", "access", "system")
	add("child.", "stoped", "running", "fatal", "killed")
	add("job.state.", page.JobStates...)
	add("job.action.", page.JobActions...)
	add("job.hint.", "lost", "expired")
	add("job.param.", "name", "url", "checksum", "version", "path", "user", "directory", "command", "mode", "step", "servers", "envs")
	add("children.action.", "start", "stop", "restart", "log", "log_errors")
	add("children.limiter.", "cgroup1", "cgroup2", "polling")
	add("operation.", "command", "script", "push", "fetch", "install", "upgrade", "upgrade_agents", "uninstall", "start", "stop", "restart", "configure")
	add("operation.", "host_checks", "host_mend")
	add("hostchecks.state.", append(slices.Clone(page.HostCheckStates), "accepted")...)
	for _, c := range page.HostChecks {
		add("hostcheck.title.", c.Check)
		add("hostcheck."+c.Check, ".why")
		add("hostcheck."+c.Check+".found.", slices.Concat(c.Fine, c.Wrong)...)
		add("hostcheck."+c.Check+".mend.", c.Wrong...)
	}
	add("reason.", "secrets")
	add("wrong.", page.WorkCodes...)
	add("manage.", page.ManageActions...)
	for _, way := range page.RemoveWays {
		add("removal.", way, way+"_text")
	}
	add("certificate.state.", page.CertificateStates...)
	add("enrol_request.state.", page.EnrolStates...)
	add("enrol_request.conflict.", page.EnrolConflicts...)
	add("enrol_request.story.", page.EnrolStories...)
	add("policies.way.", "ssh", "tokens", "queue", "rules", "program", "bundle")
	add("policies.text.", "ssh", "tokens", "queue", "rules", "program", "bundle")
	add("enrol_token.state.", page.EnrolTokenStates...)
	add("trust.tab.", page.TrustTabs()...)
	add("fact.family.", page.OSFamilies...)
	add("mirrors.trust.", page.MirrorTrusts...)
	add("mirrors.trust_text.", page.MirrorTrusts...)
	add("mirror.wrong.", page.MirrorFieldCodes...)
	add("repository.tab.", page.RepositoryTabs()...)
	add("repository.kind.", page.RepositoryKinds...)
	add("repository.kind_text.", page.RepositoryKinds...)
	add("repository.wrong.", page.RepositoryFieldCodes...)
	add("upload.lead.", page.RepositoryKinds...)
	add("upload.state.", page.UploadStates...)
	add("connections.key_", page.KeyComparisons...)
	add("folder.problem.", page.FolderProblemCodes...)
	add("upload.refused.", page.UploadRefusals...)
	add("upload.warning.", page.UploadWarnings...)
	add("use.for.", page.HostFileCodes...)
	add("package.hosts_told.", page.InstalledKinds...)
	for _, part := range []string{"stage.", "stage_text.", "back."} {
		add("authority."+part, page.AuthorityStages[1:]...)
	}
	add("authority.next.", page.AuthorityStages...)
	add("authority.next_text.", page.AuthorityStages...)
	add("authority.answer.", "true", "false")
	for _, part := range []string{"stage.", "stage_text.", "back."} {
		add("signing_key."+part, page.KeyStages[1:]...)
	}
	add("signing_key.next.", page.KeyStages...)
	add("signing_key.next_text.", page.KeyStages...)
	add("signing_key.has.", page.LackingKeys...)
	add("events.kind.", page.EventFamilies()...)
	add("events.hours.", page.EventHours...)
	add("audit.result.", page.AuditResults...)
	add("audit.action.", page.AuditActions...)
	add("audit.family.", page.AuditFamilies()...)
	add("audit.problem.", page.AuditProblemCodes...)
	add("severity.", "info", "warning", "error")
	add("manual.family.", "any", "installer", "debian", "rhel", "suse", "other", "carried")
	add("versions.family.", "debian", "rhel", "suse", "other")
	add("versions.systems.", "debian", "rhel", "suse", "other")
	add("versions.url_help.", "apt", "yum")
	add("layout.theme.", "auto", "light", "dark")
	add("nav.", "overview", "hosts", "operations", "jobs", "children", "checks", "repositories", "trust", "events", "audit", "users")
	add("age.", "s", "m", "h", "d", "in_s", "in_m", "in_h", "in_d")
	return keys
}

var (
	lookUp  = regexp.MustCompile(`i18n\.[TN]\([a-zA-Z.()]+, "([a-z0-9_.]+)"[,)]`)
	literal = regexp.MustCompile(`"([a-z0-9_.]+)"`)
)

func TestTextsAreUsedAndThere(t *testing.T) {
	catalogue := readCatalogue(t)
	mentioned := spelled()
	for key := range mentioned {
		if !catalogue[key] {
			t.Errorf("%s is not in the catalogue", key)
		}
	}
	for _, root := range []string{"..", "../../web"} {
		for _, source := range sources(t, root) {
			for _, m := range lookUp.FindAllStringSubmatch(source, -1) {
				if !strings.HasSuffix(m[1], ".") && !catalogue[m[1]] {
					t.Errorf("%s is looked up and not in the catalogue", m[1])
				}
			}
			for _, m := range literal.FindAllStringSubmatch(source, -1) {
				mentioned[m[1]] = true
			}
		}
	}
	for key := range catalogue {
		if !mentioned[key] {
			t.Errorf("%s is in the catalogue and nobody uses it", key)
		}
	}
}

func readCatalogue(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile("../i18n/en.json")
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]any
	if err := json.Unmarshal(b, &texts); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for key := range texts {
		keys[key] = true
	}
	return keys
}

// sources are the hand-written Go and templ files below root, without tests.
func sources(t *testing.T, root string) []string {
	t.Helper()
	var texts []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains([]string{".go", ".templ"}, filepath.Ext(path)) ||
			strings.HasSuffix(path, "_templ.go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		texts = append(texts, string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}
