package rpm

import (
	"bytes"
	"errors"
	"io"
)

// Verify gives check the signatures of the package in r, each with what it is of, until one is accepted. Only those count
// that vouch for the whole package: for all of it, or for a header that holds the payload's checksum, which Read looks at.
func Verify(r io.Reader, check func(signed io.Reader, signature []byte) error) error {
	f, err := readHeaders(r)
	if err != nil {
		return err
	}
	failed := errors.New("it has no signature of its whole content")
	if f.Header.Number(payloadSumKind) == sumSHA256 && len(f.Header.Texts(payloadSums)) > 0 {
		for _, tag := range []int32{sigRSA, sigDSA} {
			if signature := f.signature.bytesOf(tag); signature != nil {
				if failed = check(bytes.NewReader(f.Header.raw), signature); failed == nil {
					return nil
				}
			}
		}
	}
	for _, tag := range []int32{sigPGP, sigGPG} {
		if signature := f.signature.bytesOf(tag); signature != nil {
			return check(io.MultiReader(bytes.NewReader(f.Header.raw), r), signature)
		}
	}
	return failed
}
