package bootstrap

import (
	"context"
	"time"
)

var copyPhase = Phase{Name: "copy", Title: "Copy the setup script", timeout: time.Minute, repeat: true, run: copyFiles}

// Names of the files in the private directory.
const (
	scriptFile = "setup-agent.sh"
	caFile     = "ca.pem"
	keyFile    = "repository-key.asc"
	mirrorFile = "mirror-key.asc"
)

// copyFiles puts what the phases after it need into a private directory on the host.
func copyFiles(ctx context.Context, r *run) error {
	var m memory
	if err := r.task.Recall(&m); err != nil {
		return err
	}
	ca, _ := r.Authority()
	contents := []content{{scriptFile, r.Script}, {caFile, ca}, {keyFile, r.RepositoryKey()}}
	if r.source.Key != "" {
		contents = append(contents, content{mirrorFile, []byte(r.source.Key)})
	}
	files, err := r.conn.upload(ctx, m.Directory, contents)
	r.files = files // also those of a copy that failed must be removed
	if err != nil {
		return err
	}
	r.task.Logf("copied %d files to %s", len(contents), files.directory)
	return r.task.Remember(memory{Directory: files.directory})
}
