package piece

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// Sizes of the parts of an xz stream that have one.
const (
	xzHeader = 12
	xzFooter = 12
)

// xzJoin makes one stream of the blocks of many. Clients stop at the end of the first stream of a file, so streams
// behind each other would not do.
type xzJoin struct {
	header  []byte
	records []byte // of the index: the sizes of each block
	blocks  uint64
}

var errNoStream = errors.New("cannot join a list: a part of it is no xz stream")

// add writes the blocks of a stream that has no more than one index.
func (j *xzJoin) add(w io.Writer, stream []byte) error {
	if len(stream) < xzHeader+xzFooter || string(stream[len(stream)-2:]) != "YZ" {
		return errNoStream
	}
	end := len(stream) - xzFooter
	size := (int64(binary.LittleEndian.Uint32(stream[end+4:])) + 1) * 4
	if size > int64(end-xzHeader) {
		return errNoStream
	}
	index := stream[end-int(size) : end]
	count, n := binary.Uvarint(index[1:])
	if index[0] != 0 || n <= 0 {
		return errNoStream
	}
	records := index[1+n:]
	used := 0
	for range 2 * count {
		_, n := binary.Uvarint(records[used:])
		if n <= 0 {
			return errNoStream
		}
		used += n
	}
	if j.header == nil {
		j.header = stream[:xzHeader]
		if _, err := w.Write(j.header); err != nil {
			return err
		}
	}
	if string(j.header) != string(stream[:xzHeader]) {
		return errNoStream // another kind of checksum
	}
	j.blocks += count
	j.records = append(j.records, records[:used]...)
	_, err := w.Write(stream[xzHeader : end-int(size)])
	return err
}

// end writes the index of all blocks and the stream's footer.
func (j *xzJoin) end(w io.Writer) error {
	if j.header == nil {
		return errNoStream
	}
	index := append(binary.AppendUvarint([]byte{0}, j.blocks), j.records...)
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	tail := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	tail = append(tail, j.header[6:8]...)
	footer := append(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(tail)), tail...)
	_, err := w.Write(append(index, append(footer, "YZ"...)...))
	return err
}
