package remote

import (
	"maps"
	"slices"
	"strings"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/clip"
	"hostler/server/operation"
)

// Codes of failures.
const (
	codeHostGone      = "host_gone"
	codeForgotten     = "work_forgotten"
	codeExpired       = "job_expired"
	codeCanceled      = "job_canceled"
	codeTimedOut      = "job_timed_out"
	codeLost          = "job_lost"
	codeFailed        = "job_failed"
	codeUnknownAction = "job_unknown_action"
	codeBadJob        = "job_bad"
	codeChecksum      = "job_checksum"
	codeDownload      = "job_download"
	codeBadPackage    = "job_bad_package"
	codeNoChild       = "job_no_child"
	codeDefinition    = "job_definition"
	codeDiskFull      = "job_disk_full"
	codeExitStatus    = "job_exit_status"
	codeTooLarge      = "job_too_large"
	codeUser          = "job_user"
	codeRolledBack    = "job_rolled_back"
	codeUnconfirmed   = "upgrade_unconfirmed"
	codeUnpublished   = "upgrade_unpublished"
	codeNoAgent       = "upgrade_no_agent"
	codeVersionGone   = "upgrade_version_gone"
	codeUnreadable    = "check_unreadable"
	codeUnreached     = "removal_unreached"
)

// ended are the failures that a job's state means, whatever its error code.
var ended = map[db.JobState]string{
	db.JobExpired: codeExpired, db.JobCanceled: codeCanceled, db.JobTimedOut: codeTimedOut, db.JobLost: codeLost,
}

// failed are the failures that the error code of a failed job means; others mean codeFailed.
var failed = map[int]string{
	wire.ErrCodeUnknownAction: codeUnknownAction, wire.ErrCodeBadJob: codeBadJob, wire.ErrCodeChecksum: codeChecksum,
	wire.ErrCodeDownload: codeDownload, wire.ErrCodeBadPackage: codeBadPackage, wire.ErrCodeNoChild: codeNoChild,
	wire.ErrCodeDefinition: codeDefinition, wire.ErrCodeDiskFull: codeDiskFull, wire.ErrCodeExitStatus: codeExitStatus,
	wire.ErrCodeTooLarge: codeTooLarge, wire.ErrCodeUser: codeUser, wire.ErrCodeRolledBack: codeRolledBack,
}

// text is what a person is told; "{name}" stands for an argument.
type text struct{ cause, hint string }

var texts = map[string]text{
	codeHostGone: {
		"{host} is not registered any more.",
		"Set the host up again, then retry.",
	},
	codeForgotten: {
		"What this operation was to do is no longer kept: it ended too long ago.",
		"Start it anew.",
	},
	codeExpired: {
		"{host} did not report in time: the job did not run.",
		"Look why the host does not report, then retry.",
	},
	codeCanceled: {
		"The job was canceled.",
		"Retry it when you like.",
	},
	codeTimedOut: {
		"The work took longer than {seconds} s and was ended.",
		"Look at its output; give it more time, or find out what it waits for.",
	},
	codeLost: {
		"{host} got the job and sent no result in time: nobody knows how it ended.",
		"Look at the host before you retry: the work may have been done. A late result corrects this.",
	},
	codeFailed: {
		"{message}",
		"Look at the job's output on its page.",
	},
	codeUnknownAction: {
		"The agent on {host} does not know this kind of job.",
		"Upgrade the agent, then retry.",
	},
	codeBadJob: {
		"The agent refused the job: {message}",
		"Mend what it names and start again. Nothing was done on the host.",
	},
	codeChecksum: {
		"What was downloaded is not what was meant: {message}",
		"Check the checksum and the download's address. Nothing was changed on the host.",
	},
	codeDownload: {
		"The download failed: {message}",
		"Check that the host reaches the address, then retry.",
	},
	codeBadPackage: {
		"The package cannot be used: {message}",
		"Check how it was built. Nothing was changed on the host.",
	},
	codeNoChild: {
		"There is no child agent {subject} on {host}.",
		"Install it first, or check its name.",
	},
	codeDefinition: {
		"The child agent's settings cannot be used: {message}",
		"Mend its definition, environment or limits.",
	},
	codeDiskFull: {
		"The disk of {host} is full: {message}",
		"Free some space, then retry. Nothing was changed on the host.",
	},
	codeExitStatus: {
		"The command ended with {status}.",
		"Look at its output on the job's page.",
	},
	codeTooLarge: {
		"This is more than the limit: {message}",
		"Raise the limit, or ask for less.",
	},
	codeUser: {
		"There is no such account on {host}: {message}",
		"Check the user and the group. Nothing was run.",
	},
	codeRolledBack: {
		"The change was taken back: {message}",
		"Look at the log of what did not work before you retry.",
	},
	codeUnconfirmed: {
		"The agent of {host} was upgraded but did not report with version {version} within {seconds} s.",
		"Look at the agent's log on the host.",
	},
	codeUnpublished: {
		"The server cannot offer its agents: {error}.",
		"Mend the cause on the server, for example free some disk space below its data directory, then retry.",
	},
	codeNoAgent: {
		"This server has no agent for the architecture of {host}, {arch}.",
		"Agents exist for amd64 (x86_64) and arm64 (aarch64).",
	},
	codeVersionGone: {
		"This server has agent {have} now, and the operation was to bring {version}.",
		"Start a new upgrade.",
	},
	codeUnreached: {
		"{host} did not report in time: its agent was not told to go.",
		"Retry once it reports. If the host is gone for good, remove it as one that is gone: what is on it stays there.",
	},
	codeUnreadable: {
		"What {host} found cannot be read.",
		"Upgrade the agent or the server, whichever is older, then check the host again.",
	},
}

// Codes lists the codes of all failures, sorted.
func Codes() []string { return slices.Sorted(maps.Keys(texts)) }

// fail makes a failure; args are names and values in turn.
func fail(code string, err error, args ...string) *operation.Failure {
	f := &operation.Failure{Code: code, Err: err, Args: map[string]string{}}
	pairs := make([]string, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		f.Args[args[i]] = args[i+1]
		pairs = append(pairs, "{"+args[i]+"}", args[i+1])
	}
	filled := strings.NewReplacer(pairs...)
	f.Cause, f.Hint = filled.Replace(texts[code].cause), filled.Replace(texts[code].hint)
	return f
}

// maxMessage bounds how much of an agent's message becomes part of a failure.
const maxMessage = 1000

// outcome makes the end of a job the end of its task.
func (r *Remote) outcome(t *operation.Task, j *db.Job) error {
	t.Logf("the job has ended: %s", j.State)
	if j.State == db.JobSucceeded {
		if j.FileName != "" {
			t.SetNote(j.FileName)
		}
		return nil
	}
	code, ok := ended[j.State]
	if !ok {
		code, ok = failed[j.ErrCode]
	}
	if !ok {
		code = codeFailed
	}
	message := clip.Text(j.Message, maxMessage)
	if message == "" {
		message = "errcode " + itoa(j.ErrCode)
	}
	status := message // a signal has no number
	if j.ExitCode != nil {
		status = "status " + itoa(*j.ExitCode)
	}
	return fail(code, nil, "host", t.Name(), "message", message, "status", status, "seconds", itoa(j.Timeout), "subject", j.Detail)
}
