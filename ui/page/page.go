// Package page holds the pages: each is a function of one view model that lies beside it, and does no query and
// knows no business rule. Texts come from the catalogue by the context's language (i18n.With); view models carry
// codes, numbers and times. The row builders here make the first paint as well as the live deltas.
package page

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"hostler/ui/i18n"
	"hostler/ui/live"
)

// Problem is a failure that a person can act on, as the database keeps it.
type Problem struct {
	Code  string            // finds the texts: "key_refused"
	Cause string            // English, shown when the catalogue does not know the code
	Hint  string            // likewise
	Args  map[string]string // fills the catalogue's texts
}

// CauseIn is the cause in the context's language; "" without a problem.
func (p Problem) CauseIn(ctx context.Context) string { return p.text(ctx, ".cause", p.Cause) }

// HintIn is how to mend it, in the context's language; "" without a problem.
func (p Problem) HintIn(ctx context.Context) string { return p.text(ctx, ".hint", p.Hint) }

func (p Problem) text(ctx context.Context, part, english string) string {
	if p.Code == "" {
		return english
	}
	// What the server says in English may hold more detail than the catalogue can, so it wins there.
	if i18n.Lang(ctx) == i18n.English && english != "" {
		return english
	}
	if s, ok := i18n.Fill(ctx, "failure."+p.Code+part, p.Args); ok {
		return s
	}
	return english
}

// FailureCodes are the codes that the catalogues have a cause and a hint for: those of tasks, and those of
// credentials that are refused before anything starts.
var FailureCodes = []string{
	"agent_missing", "arch_unsupported", "canceled", "cannot_write", "clock_off", "connect_dropped",
	"connect_failed", "connect_silent", "connect_timeout", "connection_lost", "copy_failed", "disk_full",
	"heartbeat_timeout", "host_key_changed", "internal", "interrupted", "key_certificate", "key_encrypted",
	"key_invalid", "key_needed", "key_public", "key_putty", "key_refused", "key_too_large", "key_unsupported",
	"method_refused", "name_unresolved", "no_common_algorithm", "no_route", "not_root", "not_ssh",
	"os_unsupported", "package_busy", "package_failed", "package_unpublished", "password_refused", "port_closed", "port_invalid",
	"register_timeout", "script_failed", "server_unreachable", "service_failed", "shell_refused",
	"become_invalid", "become_missing", "become_no_terminal", "become_password_needed", "become_refused",
	"behind_connect_failed", "behind_name_unresolved", "behind_no_route", "jump_busy", "jump_connect_dropped", "jump_connect_failed", "jump_connect_silent", "jump_connect_timeout", "jump_forward_refused", "jump_host_key_changed",
	"jump_invalid", "jump_key_refused", "jump_lost", "jump_method_refused", "jump_name_unresolved", "jump_no_common_algorithm", "jump_no_route", "jump_not_ssh", "jump_password_refused", "jump_port_closed",
	"signature_failed", "step_timeout", "sudo_missing", "sudo_password_needed", "sudo_refused", "user_invalid",
	"wrong_passphrase", "credentials_missing",
	"check_unreadable", "host_gone", "job_bad", "job_bad_package", "job_canceled", "job_checksum",
	"job_definition", "job_disk_full", "job_download", "job_exit_status", "job_expired",
	"job_failed", "job_lost", "job_no_child", "job_rolled_back", "job_timed_out",
	"job_too_large", "job_unknown_action", "job_user", "removal_unreached", "upgrade_no_agent", "upgrade_unconfirmed",
	"upgrade_unpublished", "upgrade_version_gone", "work_forgotten",
	"mirror_empty", "mirror_full", "mirror_gone", "mirror_package", "mirror_target", "upstream_address", "upstream_changed", "upstream_expired",
	"upstream_lacking", "upstream_missing", "upstream_page", "upstream_refused", "upstream_signature", "upstream_unreachable", "upstream_unreadable",
	"upstream_unsigned", "mirror_without",
	"channel_invalid", "channel_of_mirror", "family_left_out", "family_unknown", "mirror_invalid", "mirror_key_alone", "mirror_key_invalid", "mirror_of_archives",
}

// Steps are the codes of the steps that the catalogues have a title for.
var Steps = []string{
	"connect", "detect", "check", "copy", "repository", "install", "configure", "start", "register", "heartbeat",
	"deliver", "run", "confirm", "recheck", "uninstall", "revoke", "forget",
	"read", "fetch", "publish",
}

// StepTitle is the title of a step; a code without a title is shown as it is.
func StepTitle(ctx context.Context, code string) string { return known(ctx, "step.", code) }

// stepTitles are the titles of all steps as a JSON object, for the scripts.
func stepTitles(ctx context.Context) string {
	titles := make(map[string]string, len(Steps))
	for _, code := range Steps {
		titles[code] = StepTitle(ctx, code)
	}
	b, err := json.Marshal(titles)
	if err != nil {
		panic(fmt.Sprintf("cannot encode texts: %v", err)) // strings always can
	}
	return string(b)
}

// States of operations, tasks and steps, as the engine names them.
const (
	Pending  = "pending"
	Running  = "running"
	Waiting  = "waiting"
	Done     = "done"
	Failed   = "failed"
	Skipped  = "skipped"
	Canceled = "canceled"
)

// StateText names the state of an operation, a task or a step.
func StateText(ctx context.Context, state string) string { return known(ctx, "state.", state) }

func stateTone(state string) string {
	switch state {
	case Done:
		return live.ToneDone
	case Running:
		return live.ToneRunning
	case Failed:
		return live.ToneFailed
	case Skipped, Canceled:
		return live.ToneStopped
	}
	return live.ToneWaiting
}

// FieldCodes are the complaints about one form field that the catalogues have a text for; see FieldText. What is
// wrong with credentials is a Problem.
var FieldCodes = []string{
	"required", "too_long", "token_wrong", "name_invalid", "token_name_invalid", "password_short", "password_long", "password_name", "password_weak",
	"password_differs", "login_wrong", "login_wait", "login_disabled", "role_unknown", "role_above", "role_limited", "limit_invalid", "limit_administrator", "expires_invalid",
	"last_administrator", "name_taken", "old_wrong", "cluster_invalid", "hosts_too_many", "hosts_imported", "many", "check_locked", "check_running", "check_empty", "check_choose", "keys_harmful", "step_invalid", "key_too_large",
	"key_misplaced", "env_invalid", "number_invalid", "match_alone", "no_file", "too_many_files", "path_no_directory", "same_name",
	"enrol_host", "enrol_networks", "enrol_uses", "enrol_lifetime", "enrol_text", "enrol_rules", "enrol_presign", "enrol_known",
	"remove_typed", "code_wrong", "factor_rule_unknown", "login_over", "password_provider",
	"provider_down", "provider_refused", "provider_flow", "provider_role", "provider_name", "provider_last",
	"check_unknown", "check_mend", "family_needed", "versions_wrong", "review_needed", "channel_missing", "channel_without_agent", "source_unknown",
}

// HostListCodes are the problems of a host list that the catalogues have a text for; see HostListText.
var HostListCodes = []string{
	"address", "bracket_close", "bracket_empty", "bracket_many", "bracket_nested", "bracket_open", "busy", "character", "control_character",
	"empty", "label_empty", "label_hyphen", "label_length", "name_length", "non_ascii", "port", "range_digits",
	"range_invalid", "range_letters", "range_reversed", "too_many", "user", "zone", "user_invalid", "port_invalid", "network", "address_range",
	"address_shared", "credentials", "label", "label_twice", "labels_long", "setting_alone", "contradiction",
	"import_host", "import_setting", "import_access", "import_titles", "import_broken",
}

// HostListText is what is wrong with a line of a host list, in the context's language; english is shown when the
// catalogue does not know the code.
func HostListText(ctx context.Context, code string, args map[string]string, english string) string {
	if s, ok := i18n.Fill(ctx, "hostlist."+code, args); ok {
		return s
	}
	return english
}

// AnswerCodes are the problems of an answer file that the catalogues have a text for; see AnswerText.
var AnswerCodes = []string{
	"alias", "cluster", "credentials_unknown", "documents", "env_name", "hosts_missing", "jump_host", "list", "manual_install", "many", "mapping", "method",
	"no_file", "number", "parallel", "secret", "secret_key", "secret_label", "syntax", "tab", "text", "too_large", "twice", "two_sources",
	"unknown_key", "unknown_near", "version", "yes_no",
}

// AnswerText is what is wrong with an answer file, in the context's language.
func AnswerText(ctx context.Context, code string, args map[string]string) string {
	if s, ok := i18n.Fill(ctx, "answer."+code, args); ok {
		return s
	}
	return code
}

// AnswerLine is a problem of an answer file with its place.
func AnswerLine(ctx context.Context, line, column int, text string) string {
	s, _ := i18n.Fill(ctx, "answers.line", map[string]string{"line": strconv.Itoa(line), "column": strconv.Itoa(column), "text": text})
	return s
}

// FieldText is what is wrong with a form field, in the context's language.
func FieldText(ctx context.Context, code string) string { return known(ctx, "field.", code) }

// RefusalCodes are the reasons for which an agent is refused at enrolment that the catalogues have a text for.
var RefusalCodes = []string{
	"approval_pending", "csr_invalid", "enrol_refused", "host_revoked", "not_expired", "queue_closed", "queue_full", "token_ended", "token_expired", "token_network", "token_scope", "token_unknown", "token_used",
}

// refusalText is why an agent was refused.
func refusalText(ctx context.Context, code, english string) string {
	return serverText(ctx, "refusal."+code, english)
}

// serverText is the text of a key. What the server says in English holds more detail than the catalogue can, so it wins there.
func serverText(ctx context.Context, key, english string) string {
	if i18n.Lang(ctx) == i18n.English && english != "" {
		return english
	}
	if s, ok := i18n.Fill(ctx, key, nil); ok {
		return s
	}
	return english
}

// NoticeCodes are the sentences about what a request achieved; see NoticeText.
var NoticeCodes = []string{
	"retry_started", "skipped", "cancel_requested", "unlocked", "step_queued", "pushes_started", "draft_discarded", "wizard_finished", "warnings_accepted", "warnings_unaccepted", "answers_loaded", "answers_partly",
	"logged_out", "logged_out_here", "administrator_created", "job_canceled", "certificate_revoked", "namesakes_kept", "definition_forgotten",
	"repository_imported", "mirror_created", "mirror_changed", "mirror_removed",
	"repository_created", "repository_removed", "channel_promoted", "channel_rolled_back", "package_dropped",
	"enrol_token_ended", "enrol_queue_set", "enrol_signed", "enrol_denied", "sign_rule_created", "sign_rule_removed", "authority_moved", "repository_key_moved", "certificate_renewal_asked",
	"user_created", "user_limited", "role_changed", "password_set", "user_disabled", "user_enabled", "user_removed", "session_ended", "sessions_ended", "token_ended",
	"second_factor_removed", "second_factor_reset", "second_factor_required",
}

// NoticeText is the sentence of a notice code, for layout.Notice.
func NoticeText(ctx context.Context, code string) string { return known(ctx, "notice.", code) }

// Roles of people and programs, the strongest first.
var Roles = []string{"administrator", "operator", "auditor"}

// actorText names who did something: a user, "token:NAME" for a program's token, or "cli:NAME" for whoever worked on
// the server's command line.
func actorText(ctx context.Context, actor string) string {
	if name, ok := strings.CutPrefix(actor, "token:"); ok {
		return i18n.T(ctx, "actor.token", "Name", name)
	}
	if actor == "the schedule" {
		return i18n.T(ctx, "actor.schedule")
	}
	if actor == "the watched folder" {
		return i18n.T(ctx, "actor.folder")
	}
	if name, ok := strings.CutPrefix(actor, "cli:"); ok {
		return i18n.T(ctx, "actor.cli", "Name", name)
	}
	return actor
}

func known(ctx context.Context, prefix, code string) string {
	if s, ok := i18n.Fill(ctx, prefix+code, nil); ok {
		return s
	}
	return code
}
