package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"hostler/agent/cgroup"
	"hostler/agent/command"
	"hostler/agent/owner"
	"hostler/agent/wire"
)

const (
	// Bounds of Exec.Keep, and what 0 means, in bytes.
	minKeep     = 2
	defaultKeep = 1 << 20
	maxKeep     = 64 << 20
)

// execute runs a command or a script, with its limits in the named tree of control groups.
func execute(tree string) func(context.Context, *Work) (wire.JobResult, error) {
	return func(ctx context.Context, work *Work) (wire.JobResult, error) {
		if err := checkExec(work.Job); err != nil {
			return wire.JobResult{}, err
		}
		outcome, err := work.Command(ctx, func() (*command.Spec, error) { return specOf(work, tree) })
		if err != nil {
			return wire.JobResult{}, err
		}
		return resultOf(outcome, work)
	}
}

// rightsOf is what a runner starts a command with.
func rightsOf(who *owner.Owner) *command.User {
	if who.Own {
		return nil
	}
	return &command.User{UID: who.UID, GID: who.GID, Groups: who.Groups}
}

// checkExec refuses what cannot be run as it is.
func checkExec(job *wire.Job) error {
	e := job.Exec
	if e == nil {
		return badJob("exec is missing")
	}
	if (len(e.Command) == 0) == (e.Script == "") {
		return badJob("exec needs either a command or a script")
	}
	if len(e.Command) > 0 && e.Interpreter != "" {
		return badJob("only a script has an interpreter")
	}
	if e.Interpreter != "" && !filepath.IsAbs(e.Interpreter) {
		return badJob("the interpreter must be an absolute path")
	}
	if e.Directory != "" && !filepath.IsAbs(e.Directory) {
		return badJob("the directory must be an absolute path")
	}
	if e.Keep != 0 && (e.Keep < minKeep || e.Keep > maxKeep) {
		return badJob("keep must be from %d to %d, not %d", minKeep, maxKeep, e.Keep)
	}
	for _, text := range append([]string{e.Interpreter, e.Directory, e.User, e.Group}, e.Command...) {
		if strings.ContainsRune(text, 0) {
			return badJob("exec holds a NUL byte")
		}
	}
	if _, err := cgroup.Parse(job.Limits); err != nil {
		return badJob("%w", err)
	}
	return checkEnvs(job.Envs)
}

// specOf turns the job into what a runner runs. Everything that can be refused is refused here, before the
// command counts as begun.
func specOf(work *Work, tree string) (*command.Spec, error) {
	e := work.Job.Exec
	who, err := owner.Find(e.User, e.Group)
	if err != nil {
		return nil, failed(wire.ErrCodeUser, "%w", err)
	}
	limit, err := cgroup.Parse(work.Job.Limits)
	if err != nil {
		return nil, badJob("%w", err)
	}
	spec := &command.Spec{
		Env: who.Environment(work.Job.Envs), Directory: e.Directory, User: rightsOf(who),
		Timeout: work.Timeout, Keep: e.Keep, Limit: limit, Tree: tree,
	}
	if spec.Keep == 0 {
		spec.Keep = defaultKeep
	}
	if spec.Directory == "" {
		spec.Directory = who.Directory()
	}
	if e.Script != "" {
		return spec, writeScript(spec, work.Dir, e)
	}
	program, err := findProgram(e.Command[0], spec.Env, spec.Directory)
	if err != nil {
		return nil, err
	}
	spec.Command = append([]string{program}, e.Command[1:]...)
	return spec, nil
}

// writeScript puts the script into a file that only its user can read, and makes its interpreter the command.
func writeScript(spec *command.Spec, dir string, e *wire.Exec) (err error) {
	path := filepath.Join(dir, "script")
	if err := os.RemoveAll(path); err != nil { // of an attempt that a crash cut short
		return fmt.Errorf("cannot write the script: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700) //nolint:gosec // a script is to be executable
	if err != nil {
		return fmt.Errorf("cannot write the script: %w", err)
	}
	_, err = f.WriteString(e.Script)
	if err == nil && spec.User != nil {
		err = f.Chown(int(spec.User.UID), int(spec.User.GID))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("cannot write the script: %w", err)
	}
	spec.Script = path
	spec.Command = append(interpreterOf(e), path)
	return nil
}

// interpreterOf is what runs a script: what the job says, or the script's first line as the kernel reads it (a
// program and at most one argument), or the shell. The script is never executed itself, because its file system
// may forbid that.
func interpreterOf(e *wire.Exec) []string {
	if e.Interpreter != "" {
		return []string{e.Interpreter}
	}
	line, _, _ := strings.Cut(e.Script, "\n")
	line, isCommand := strings.CutPrefix(strings.TrimSuffix(line, "\r"), "#!")
	program, argument, _ := strings.Cut(strings.TrimSpace(line), " ")
	switch argument = strings.TrimSpace(argument); {
	case !isCommand || !filepath.IsAbs(program):
		return []string{"/bin/sh"}
	case argument == "":
		return []string{program}
	default:
		return []string{program, argument}
	}
}

// findProgram looks a program up in the PATH that the command will have.
func findProgram(name string, env []string, directory string) (string, error) {
	if name == "" {
		return "", badJob("the program's name is empty")
	}
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(directory, name)
		}
		return name, nil
	}
	path := owner.CleanPath
	for _, variable := range env {
		if value, is := strings.CutPrefix(variable, "PATH="); is {
			path = value
		}
	}
	for dir := range strings.SplitSeq(path, ":") {
		candidate := filepath.Join(dir, name)
		if info, err := os.Stat(candidate); filepath.IsAbs(dir) && err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("there is no program %q in %s", name, path)
}

// checkEnvs refuses variables that no environment can hold.
func checkEnvs(envs map[string]string) error {
	if err := owner.CheckVariables(envs); err != nil {
		return badJob("%w", err)
	}
	return nil
}

// resultOf tells how a command ended.
func resultOf(o *command.Outcome, work *Work) (wire.JobResult, error) {
	result := wire.JobResult{
		ExitCode: o.ExitCode, Stdout: o.Stdout.Size, Stderr: o.Stderr.Size, Elapsed: max(1, o.Elapsed.Milliseconds()),
	}
	switch {
	case o.Canceled:
		return result, errCanceled
	case o.TimedOut:
		return result, failed(wire.ErrCodeTimeout, "it took longer than %v and was ended", work.Timeout)
	case o.Full:
		return result, failed(wire.ErrCodeDiskFull, "%s", o.Failure)
	case o.Failure != "":
		return result, errors.New(o.Failure)
	case o.OverMemory:
		return result, failed(wire.ErrCodeExitStatus, "the command was over its memory limit of %s and was ended", work.Job.Limits.Memory)
	case o.Signal != "":
		return result, failed(wire.ErrCodeExitStatus, "the command was ended by %s", o.Signal)
	case *o.ExitCode != 0:
		return result, failed(wire.ErrCodeExitStatus, "the command ended with status %d", *o.ExitCode)
	}
	if o.Unlimited != "" {
		result.Message = "success; its limits were not enforced by the kernel: " + o.Unlimited
	}
	return result, nil
}
