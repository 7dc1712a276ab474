package task

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hostler/agent/agenttest"
	"hostler/agent/cgroup"
	"hostler/agent/owner"
	"hostler/agent/space"
	"hostler/agent/wire"
)

func execRig(t *testing.T) *rig { t.Helper(); return newRig(t, Actions(&Parts{})).start() }

// exec does one exec job and returns what came of it.
func (r *rig) exec(e wire.Exec, change ...func(*wire.Job)) (wire.JobResult, map[wire.Stream]string) {
	r.t.Helper()
	job := wire.Job{ID: fmt.Sprintf("job-%p", &e), Action: wire.ActionExec, Exec: &e}
	for _, c := range change {
		c(&job)
	}
	r.submit(job)
	return r.resultAndOutput(job.ID)
}

func TestExecCommand(t *testing.T) {
	r := execRig(t)
	result, output := r.exec(wire.Exec{Command: []string{"sh", "-c", "echo out; echo err >&2; exit 3"}})
	if result.ErrCode != wire.ErrCodeExitStatus || result.ExitCode == nil || *result.ExitCode != 3 || result.Stdout != 4 || result.Stderr != 4 {
		t.Errorf("got %+v", result)
	}
	if output[wire.Stdout] != "out\n" || output[wire.Stderr] != "err\n" {
		t.Errorf("output %v", output)
	}
	if entries, _ := os.ReadDir(filepath.Join(r.dir, "jobs")); len(entries) != 0 {
		t.Error("the job's directory stays behind")
	}
	if result, _ := r.exec(wire.Exec{Command: []string{"sh", "-c", "kill -9 $$"}}); result.ErrCode != wire.ErrCodeExitStatus || result.ExitCode != nil || !strings.Contains(result.Message, "SIGKILL") {
		t.Errorf("got %+v", result)
	}
	if result, _ := r.exec(wire.Exec{Command: []string{"no-such-program"}}); result.ErrCode != wire.ErrCodeFailed || !strings.Contains(result.Message, "no program") {
		t.Errorf("got %+v", result)
	}
	if result, _ := r.exec(wire.Exec{Command: []string{"sleep", "1000"}}, func(j *wire.Job) { j.Timeout = 1 }); result.ErrCode != wire.ErrCodeTimeout {
		t.Errorf("got %+v", result)
	}
}

func TestExecScripts(t *testing.T) {
	r := execRig(t)
	for name, test := range map[string]struct {
		exec wire.Exec
		want string
	}{
		"the shell":                 {wire.Exec{Script: "echo $0 | sed 's,.*/,,'; ls -l $0 | cut -c1-10"}, "script\n-rwx------\n"},
		"its own first line":        {wire.Exec{Script: "#!/bin/cat\nhello\n"}, "#!/bin/cat\nhello\n"},
		"a first line with more":    {wire.Exec{Script: "#! /usr/bin/env -S cat -n\n"}, "     1\t#! /usr/bin/env -S cat -n\n"},
		"the interpreter of a job":  {wire.Exec{Script: "#!/bin/sh\nx", Interpreter: "/bin/cat"}, "#!/bin/sh\nx"},
		"a directory":               {wire.Exec{Script: "pwd", Directory: "/usr"}, "/usr\n"},
		"a clean environment":       {wire.Exec{Script: "env | grep -v ^_= | grep -v ^PWD= | sort"}, "A=b\nHOME=" + home(t) + "\nLANG=C.UTF-8\nLOGNAME=root\nPATH=/usr/bin:/bin\nSHELL=/bin/sh\nUSER=root\n"},
		"lines end as on Windows":   {wire.Exec{Script: "#!/bin/cat\r\nx"}, "#!/bin/cat\r\nx"},
		"a first line that is none": {wire.Exec{Script: "#!cat\necho x"}, "x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if os.Getuid() != 0 && strings.Contains(test.want, "root") {
				t.Skip("the environment is root's")
			}
			result, output := r.exec(test.exec, func(j *wire.Job) {
				j.ID = "j" + strings.ReplaceAll(name, " ", "-")
				j.Envs = map[string]string{"A": "b", "PATH": "/usr/bin;/bin"}
			})
			if result.ErrCode != 0 || output[wire.Stdout] != test.want {
				t.Errorf("got %+v, output %q, want %q", result, output, test.want)
			}
		})
	}
}

func home(t *testing.T) string {
	t.Helper()
	own, err := owner.Find("", "")
	if err != nil {
		t.Fatal(err)
	}
	return own.Home
}

func TestExecUsers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may run commands as others")
	}
	r := execRig(t)
	// The directories of a test are its own, up to the one that everybody may write to; the product's lie below /var/lib.
	for dir := r.dir; dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && info.Mode()&os.ModeSticky != 0 {
			break
		}
		if err := errors.Join(err, os.Chmod(dir, 0o711)); err != nil {
			t.Fatal(err)
		}
	}
	mark := filepath.Join(t.TempDir(), "mark")
	for _, e := range []wire.Exec{{User: "no-such-user"}, {User: "nobody", Group: "no-such-group"}, {Group: "no-such-group"}, {User: "4294967295999"}} {
		e.Command = []string{"touch", mark}
		if result, _ := r.exec(e); result.ErrCode != wire.ErrCodeUser {
			t.Errorf("%+v: got %+v", e, result)
		}
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("it was run all the same")
	}
	for name, test := range map[string]struct{ user, group, want string }{
		"its own group":  {"nobody", "", "nobody nogroup nogroup\n"},
		"another group":  {"nobody", "daemon", "nobody daemon daemon nogroup\n"},
		"by number":      {"65534", "1", "nobody daemon daemon nogroup\n"},
		"the group only": {"", "daemon", "root daemon"},
	} {
		script := "echo $(id -un) $(id -gn) $(id -Gn | tr ' ' '\\n' | sort)"
		result, output := r.exec(wire.Exec{Script: script, User: test.user, Group: test.group}, func(j *wire.Job) { j.ID = strings.ReplaceAll(name, " ", "-") })
		if result.ErrCode != 0 || !strings.HasPrefix(output[wire.Stdout], test.want) {
			t.Errorf("%s: got %+v, %q, want %q", name, result, output, test.want)
		}
	}
}

func TestExecOutlivesTheAgentAndIsReportedByTheNext(t *testing.T) {
	r := execRig(t)
	lines := filepath.Join(t.TempDir(), "lines")
	r.submit(wire.Job{ID: "j", Action: wire.ActionExec, Exec: &wire.Exec{Script: fmt.Sprintf(
		"echo began >>%[1]s; until [ -e %[1]s.go ]; do sleep 0.01; done; echo ended >>%[1]s; exit 5", lines,
	)}})
	agenttest.Eventually(t, "the command has begun", func() bool {
		content, _ := os.ReadFile(lines)
		return string(content) == "began\n"
	})
	r.stop()
	r.start()
	if err := os.WriteFile(lines+".go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if result := r.result("j"); result.ErrCode != wire.ErrCodeExitStatus || *result.ExitCode != 5 {
		t.Errorf("got %+v", result)
	}
	if content, _ := os.ReadFile(lines); string(content) != "began\nended\n" {
		t.Errorf("it did %q", content)
	}
}

func TestCancelOfARunningCommand(t *testing.T) {
	r := execRig(t)
	r.submit(wire.Job{ID: "j", Action: wire.ActionExec, Exec: &wire.Exec{Script: "echo begun; exec sleep 1000"}})
	agenttest.Eventually(t, "output", func() bool { return len(r.Output().Next()) > 0 })
	r.Cancel([]string{"j"})
	result, output := r.resultAndOutput("j")
	if result.ErrCode != wire.ErrCodeCanceled || result.Stdout != 6 || output[wire.Stdout] != "begun\n" {
		t.Errorf("got %+v, %q", result, output)
	}
}

func TestALongOutputArrivesAsHeadAndTail(t *testing.T) {
	r := execRig(t)
	r.submit(wire.Job{ID: "j", Action: wire.ActionExec, Exec: &wire.Exec{Script: "seq 1 1000000", Keep: 400_000}})
	var chunks []wire.OutputChunk
	var result wire.JobResult
	agenttest.Eventually(t, "a result", func() bool {
		next := r.Output().Next()
		total := 0
		for _, chunk := range next {
			total += len(chunk.Data)
			if len(chunk.Data) > wire.MaxChunk {
				t.Errorf("a piece of %d bytes", len(chunk.Data))
			}
		}
		if total > wire.MaxOutput {
			t.Errorf("a message of %d bytes", total)
		}
		chunks = append(chunks, next...)
		r.Output().Acknowledge(next)
		if results := r.Results(1); len(results) > 0 {
			result = results[0]
		}
		return result.ID != ""
	})
	var head, tail strings.Builder
	end := int64(0)
	for _, chunk := range chunks {
		switch {
		case tail.Len() == 0 && chunk.Offset == end:
			head.Write(chunk.Data)
		case tail.Len() == 0 || chunk.Offset == end:
			tail.Write(chunk.Data)
		default:
			t.Fatalf("a piece at %d after %d", chunk.Offset, end)
		}
		end = chunk.Offset + int64(len(chunk.Data))
	}
	if result.Stdout != 6_888_896 || end != result.Stdout || head.Len() != 200_000 || tail.Len() != 200_000 {
		t.Errorf("%d bytes written, %d + %d kept, to %d", result.Stdout, head.Len(), tail.Len(), end)
	}
	if !strings.HasPrefix(head.String(), "1\n2\n3\n") || !strings.HasSuffix(tail.String(), "\n999999\n1000000\n") {
		t.Error("head or tail is not that of the output")
	}
}

func TestScenario27AFullDiskLosesNoResult(t *testing.T) {
	dir := agenttest.SmallDisk(t, "16m")
	r := newRigIn(t, dir, Actions(&Parts{})).start()
	filler := filepath.Join(dir, "filler")
	fill := "dd if=/dev/zero of=" + filler + " bs=64k; echo this does not fit; exit 9"
	r.submit(wire.Job{ID: "fills", Action: wire.ActionExec, Exec: &wire.Exec{Script: fill, Directory: "/"}})
	agenttest.Eventually(t, "a result", func() bool { return len(r.Progress()) == 1 && r.Progress()[0].State == wire.JobDone })
	r.stop()
	r.start() // what is in memory only is lost
	if got := r.result("fills"); got.ErrCode != wire.ErrCodeExitStatus || *got.ExitCode != 9 {
		t.Errorf("got %+v", got)
	}
	// What the journal has no room for stays with the server, which sends it again.
	large := wire.Job{ID: "large", Action: wire.ActionExec, Exec: &wire.Exec{Script: strings.Repeat("# long\n", 100_000)}}
	if err := r.Submit([]wire.Job{large}); !space.IsFull(err) || len(r.Progress()) != 0 {
		t.Errorf("got %v, progress %v", err, r.Progress())
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r.submit(large)
	if got := r.result("large"); got.ErrCode != 0 {
		t.Errorf("with room again: %+v", got)
	}
}

func TestExecLimits(t *testing.T) {
	tree := fmt.Sprintf("hostler-test-task-%d", os.Getpid())
	groups := cgroup.Open(tree)
	t.Cleanup(func() {
		if err := groups.Close(); err != nil {
			t.Error(err)
		}
	})
	r := newRig(t, Actions(&Parts{Tree: tree})).start()
	got, _ := r.exec(wire.Exec{Script: "head -c 200m /dev/zero | tail -c 150m | (sleep 1; wc -c)"}, func(j *wire.Job) { j.Limits = &wire.Limits{Memory: "20M"} })
	if got.ErrCode != wire.ErrCodeExitStatus || !strings.Contains(got.Message, "over its memory limit of 20M") {
		t.Errorf("over its memory: %+v", got)
	}
	if got, output := r.exec(wire.Exec{Script: "ulimit -n"}, func(j *wire.Job) { j.Limits = &wire.Limits{CPU: "50%", Files: 99} }); got.ErrCode != 0 || output[wire.Stdout] != "99\n" {
		t.Errorf("within its limits: %+v, %v", got, output)
	}
	if got, _ := r.exec(wire.Exec{Script: "true"}, func(j *wire.Job) { j.Limits = &wire.Limits{CPU: "much"} }); got.ErrCode != wire.ErrCodeBadJob {
		t.Errorf("limits that are none: %+v", got)
	}
}
