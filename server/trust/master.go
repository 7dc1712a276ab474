package trust

import (
	"fmt"
	"path/filepath"

	"hostler/internal/seal"
)

// SealedFiles are those of the authorities in dir that a master key opens.
func SealedFiles(dir string) ([]seal.Sealed, error) {
	paths, err := filepath.Glob(keyFile(dir, "*"))
	if err != nil {
		return nil, fmt.Errorf("cannot list the keys in %s: %w", dir, err)
	}
	files := make([]seal.Sealed, len(paths))
	for i, path := range paths {
		files[i] = seal.Sealed{Path: path, Purpose: keyPurpose}
	}
	return files, nil
}
