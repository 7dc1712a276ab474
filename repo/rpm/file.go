package rpm

import (
	"bytes"
	"crypto/md5" //nolint:gosec // rpm's own checksum of header and payload; nothing is trusted because of it
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// Tags of the signature header.
const (
	sigRegion      = 62
	sigDSA         = 267
	sigRSA         = 268
	sigLongSize    = 270
	sigSHA256      = 273
	sigOpenPGP     = 278
	sigSize        = 1000
	sigPGP         = 1002
	sigMD5         = 1004
	sigGPG         = 1005
	sigPayloadSize = 1007
	sigReserved    = 1008
	sigLongPayload = 271
	leadSize       = 96
	payloadSums    = 5092
	payloadSumKind = 5093
	sumSHA256      = 8
)

var leadMagic = []byte{0xed, 0xab, 0xee, 0xdb}

// File is a package that was read.
type File struct {
	Header     *Header
	Start, End int64 // of the header in the file, in bytes
	Signed     bool  // somebody signed it; who is not looked at

	lead      []byte
	signature *Header
}

// Read reads a package to its end and holds it against its own checksums: what was cut off or changed on its way
// is refused. The payload is not unpacked.
func Read(r io.Reader) (*File, error) {
	f, err := readHeaders(r)
	if err != nil {
		return nil, err
	}
	if sum := f.signature.Text(sigSHA256); sum != "" && sum != hexSum256(f.Header.raw) {
		return nil, errors.New("it is damaged: its header does not fit its checksum")
	}
	whole, payload := md5.New(), sha256.New() //nolint:gosec // see the import
	whole.Write(f.Header.raw)
	size, err := io.Copy(io.MultiWriter(whole, payload), r)
	if err != nil {
		return nil, err
	}
	return f, f.check(size, whole, payload)
}

// readHeaders reads everything before the payload.
func readHeaders(r io.Reader) (*File, error) {
	f := &File{lead: make([]byte, leadSize)}
	if n, err := io.ReadFull(r, f.lead); n < len(leadMagic) || !bytes.Equal(f.lead[:len(leadMagic)], leadMagic) {
		return nil, errors.New("it is no rpm")
	} else if err != nil {
		return nil, cut(err)
	}
	var err error
	if f.signature, err = readHeader(r); err != nil {
		return nil, err
	}
	padding := padded(len(f.signature.raw))
	if _, err := io.CopyN(io.Discard, r, int64(padding)); err != nil {
		return nil, cut(err)
	}
	if f.Header, err = readHeader(r); err != nil {
		return nil, err
	}
	f.Start = int64(leadSize + len(f.signature.raw) + padding)
	f.End = f.Start + int64(len(f.Header.raw))
	for _, tag := range signatures {
		f.Signed = f.Signed || f.signature.Has(tag)
	}
	return f, nil
}

// signatures are the tags that say who made or checked a package.
var signatures = []int32{sigDSA, sigRSA, sigOpenPGP, sigPGP, sigGPG}

func (f *File) check(payloadSize int64, whole, payload hash.Hash) error {
	if want := f.signature.Number(sigLongSize, sigSize); want != 0 {
		if got := uint64(len(f.Header.raw)) + uint64(payloadSize); got < want {
			return fmt.Errorf("it is cut off: %d of %d bytes are there", got, want)
		} else if got > want {
			return fmt.Errorf("it is damaged: %d bytes follow its end", got-want)
		}
	}
	sums := f.Header.Texts(payloadSums)
	bySHA := len(sums) > 0 && f.Header.Number(payloadSumKind) == sumSHA256
	if bySHA && sums[0] != hex.EncodeToString(payload.Sum(nil)) {
		return errors.New("it is damaged: its payload does not fit its checksum")
	}
	byMD5 := f.signature.bytesOf(sigMD5)
	if byMD5 != nil && !bytes.Equal(byMD5, whole.Sum(nil)) {
		return errors.New("it is damaged: its content does not fit its checksum")
	}
	if !bySHA && byMD5 == nil {
		return errors.New("it is refused: it holds no checksum of its content")
	}
	return nil
}

// PayloadSize is how many bytes the payload has when it is unpacked, as the package says.
func (f *File) PayloadSize() uint64 { return f.signature.Number(sigLongPayload, sigPayloadSize) }

// padded is how many bytes follow a signature header of a size: the next header begins at a multiple of eight.
func padded(size int) int { return (8 - size%8) % 8 }

func hexSum256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
