package repo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// writeWhole gives a file its name when it is whole and safe on the disk.
func writeWhole(name string, data []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(name), unfinished+"*")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return syncFile(filepath.Dir(name))
}

func writeJSON(name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return writeWhole(name, data)
}

func readJSON(name string, value any) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, value); err != nil {
		return fmt.Errorf("cannot read %s: %w", name, err)
	}
	return nil
}

// syncers is how many files are made safe at the same time: a disk's journal takes them together.
const syncers = 16

// syncTree makes every file and directory below dir safe against a power loss.
func syncTree(dir string) error {
	paths := make(chan string)
	failed := make([]error, syncers)
	var group sync.WaitGroup
	for i := range syncers {
		group.Go(func() {
			for path := range paths {
				failed[i] = errors.Join(failed[i], syncFile(path))
			}
		})
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			paths <- path
		}
		return err
	})
	close(paths)
	group.Wait()
	return errors.Join(append(failed, err)...)
}

func syncFile(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
