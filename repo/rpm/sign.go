package rpm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Sign writes the package in r to w with one signature, of header and of header and payload, in place of all that
// it has. sign returns a bare OpenPGP signature. The package must be one that Read accepts.
func Sign(w io.Writer, r io.ReadSeeker, sign func(io.Reader) ([]byte, error)) error {
	f, err := readHeaders(r)
	if err != nil {
		return err
	}
	ofHeader, err := sign(bytes.NewReader(f.Header.raw))
	if err != nil {
		return err
	}
	ofAll, err := sign(io.MultiReader(bytes.NewReader(f.Header.raw), r))
	if err != nil {
		return err
	}
	values := f.signature.values(func(tag int32) bool {
		return tag == sigRegion || tag == sigReserved || slices.Contains(signatures, tag)
	})
	values[sigRSA], values[sigPGP] = value{typeBinary, len(ofHeader), ofHeader}, value{typeBinary, len(ofAll), ofAll}
	signature := encode(values)
	if _, err := r.Seek(f.End, io.SeekStart); err != nil {
		return fmt.Errorf("cannot read the payload: %w", err)
	}
	parts := io.MultiReader(bytes.NewReader(f.lead), bytes.NewReader(signature),
		bytes.NewReader(make([]byte, padded(len(signature)))), bytes.NewReader(f.Header.raw), r)
	_, err = io.Copy(w, parts)
	return err
}

// value is one that is about to be written.
type value struct {
	kind  uint32
	count int
	data  []byte
}

// values copies what is in a header, without the tags to leave out and what has no meaning.
func (h *Header) values(leaveOut func(tag int32) bool) map[int32]value {
	kept := map[int32]value{}
	for tag, e := range h.entries {
		if leaveOut(tag) {
			continue
		}
		switch e.kind {
		case typeString, typeList, typeI18N:
			var data []byte
			texts := h.Texts(tag)
			for _, text := range texts {
				data = append(append(data, text...), 0)
			}
			if len(texts) > 0 {
				kept[tag] = value{e.kind, len(texts), data}
			}
		case typeChar, typeInt8, typeInt16, typeInt32, typeInt64, typeBinary:
			kept[tag] = value{e.kind, e.count, h.store[e.offset : e.offset+widths[e.kind]*e.count]}
		}
	}
	return kept
}

// encode writes a signature header whose entries are all within one region, as rpm itself writes them.
func encode(values map[int32]value) []byte {
	var index, store []byte
	line := func(to []byte, tag int32, kind uint32, offset, count int) []byte {
		for _, n := range []uint32{uint32(tag), kind, uint32(int32(offset)), uint32(count)} {
			to = binary.BigEndian.AppendUint32(to, n)
		}
		return to
	}
	for _, tag := range slices.Sorted(maps.Keys(values)) {
		v := values[tag]
		if align := alignments[v.kind]; align > 1 {
			for len(store)%align != 0 {
				store = append(store, 0)
			}
		}
		index = line(index, tag, v.kind, len(store), v.count)
		store = append(store, v.data...)
	}
	entries := len(values) + 1
	first := line(nil, sigRegion, typeBinary, len(store), entrySize)
	store = line(store, sigRegion, typeBinary, -entries*entrySize, entrySize) // the region's trailer
	out := append(slices.Clone(headerMagic), 0, 0, 0, 0)
	out = binary.BigEndian.AppendUint32(out, uint32(entries))
	out = binary.BigEndian.AppendUint32(out, uint32(len(store)))
	return slices.Concat(out, first, index, store)
}

var alignments = map[uint32]int{typeInt16: 2, typeInt32: 4, typeInt64: 8}
