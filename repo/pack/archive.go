package pack

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"slices"
)

const archiveLevel = 5 // as for the packages

// archive writes the static archive: the executable and one service file per init system, at its top level.
func (a Agent) archive(_ string, w io.Writer) error {
	zipped, err := gzip.NewWriterLevel(w, archiveLevel)
	if err != nil {
		return err
	}
	out := tar.NewWriter(zipped)
	contents := a.contents()
	names := make([]string, 0, len(contents))
	for name := range contents {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		header := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(contents[name])), ModTime: a.Date, Format: tar.FormatUSTAR}
		if name == Name+".service" {
			header.Mode = 0o644
		}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
		if _, err := out.Write(contents[name]); err != nil {
			return err
		}
	}
	return errors.Join(out.Close(), zipped.Close())
}
