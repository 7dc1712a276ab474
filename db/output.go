package db

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"gorm.io/gorm/clause"

	"hostler/agent/wire"
)

// JobOutput is a piece of a job's output; Start is its first byte's offset in the whole stream.
type JobOutput struct {
	JobID  string      `gorm:"primaryKey"`
	Stream wire.Stream `gorm:"primaryKey"`
	Start  int64       `gorm:"primaryKey;autoIncrement:false"`
	Body   []byte
}

// TableName is not the plural that gorm would make.
func (JobOutput) TableName() string { return "job_output" }

// AppendOutput stores the chunks of a host's job in the order of their offsets. What is stored already, or would make
// more than the job's Keep, is left out. It returns the sizes of the streams that have grown and the job's state;
// ErrNotFound when the job is not the host's.
func (d *DB) AppendOutput(ctx context.Context, hostID int64, jobID string, chunks []wire.OutputChunk) (grown map[wire.Stream]int64, state JobState, err error) {
	err = d.Tx(ctx, func(tx *DB) error {
		grown = map[wire.Stream]int64{}
		// The lock puts two messages about one job in a row: both say where the stream ends.
		var j Job
		err := tx.write(ctx).Clauses(clause.Locking{Strength: "UPDATE"}).Omit("payload").
			Where("id = ? AND host_id = ?", jobID, hostID).Take(&j).Error
		if err != nil {
			return translate("find job", err)
		}
		state = j.State
		for _, c := range chunks {
			end, err := tx.appendChunk(ctx, &j, c)
			if err != nil {
				return err
			}
			if end > 0 {
				grown[c.Stream] = end
			}
		}
		if len(grown) == 0 {
			return nil
		}
		return tx.saveOutputSizes(ctx, &j)
	})
	return grown, state, err
}

// appendChunk stores what is new of a chunk and returns where the stream ends now; 0 when nothing was new.
func (d *DB) appendChunk(ctx context.Context, j *Job, c wire.OutputChunk) (end int64, err error) {
	kept, size := &j.StdoutKept, &j.StdoutSize
	if c.Stream == wire.Stderr {
		kept, size = &j.StderrKept, &j.StderrSize
	}
	have, err := d.outputEnd(ctx, j.ID, c.Stream)
	if err != nil {
		return 0, err
	}
	start, body := c.Offset, c.Data
	if start < have {
		body = body[min(have-start, int64(len(body))):]
		start = have
	}
	end = start + int64(len(body))
	body = body[:min(int64(len(body)), max(0, j.Keep-*kept))]
	if len(body) == 0 {
		if len(c.Data) == 0 || end <= *size {
			return 0, nil
		}
		*size = end
		return end, nil
	}
	*size, *kept = max(*size, end), *kept+int64(len(body))
	err = d.write(ctx).Create(&JobOutput{JobID: j.ID, Stream: c.Stream, Start: start, Body: body}).Error
	return end, translate("store output", err)
}

// outputEnd is the offset behind the last byte that is stored of a stream.
func (d *DB) outputEnd(ctx context.Context, jobID string, stream wire.Stream) (int64, error) {
	var last []struct{ Start, Length int64 }
	err := d.read(ctx).Model(&JobOutput{}).Select("start, LENGTH(body) AS length").
		Where("job_id = ? AND stream = ?", jobID, stream).Order("start DESC").Limit(1).Scan(&last).Error
	if err != nil || len(last) == 0 {
		return 0, translate("read output", err)
	}
	return last[0].Start + last[0].Length, nil
}

// saveOutputSizes writes what AppendOutput changed of a job; output that comes after the result also changes the hash.
func (d *DB) saveOutputSizes(ctx context.Context, j *Job) error {
	set := map[string]any{
		"stdout_size": j.StdoutSize, "stdout_kept": j.StdoutKept, "stderr_size": j.StderrSize, "stderr_kept": j.StderrKept,
	}
	if j.State.Ended() {
		hash, err := d.outputHash(ctx, j.ID)
		if err != nil {
			return err
		}
		set["output_hash"] = hash
	}
	return translate("store output", d.write(ctx).Model(&Job{}).Where("id = ?", j.ID).Updates(set).Error)
}

// HashOutput sets the hash of a job's output, if it has any.
func (d *DB) HashOutput(ctx context.Context, jobID string) error {
	hash, err := d.outputHash(ctx, jobID)
	if err != nil || hash == "" {
		return err
	}
	return translate("store output", d.write(ctx).Model(&Job{}).Where("id = ?", jobID).Update("output_hash", hash).Error)
}

// outputHash reads the pieces one by one: together they may be large.
func (d *DB) outputHash(ctx context.Context, jobID string) (string, error) {
	sum, any := sha256.New(), false
	for _, stream := range []wire.Stream{wire.Stdout, wire.Stderr} {
		sum.Write([]byte(stream + ":"))
		for from := int64(-1); ; {
			var pieces []JobOutput
			err := d.read(ctx).Where("job_id = ? AND stream = ? AND start > ?", jobID, stream, from).Order("start").Limit(16).Find(&pieces).Error
			if err != nil {
				return "", translate("read output", err)
			}
			if len(pieces) == 0 {
				break
			}
			for _, p := range pieces {
				sum.Write(p.Body)
				from, any = p.Start, true
			}
		}
	}
	if !any {
		return "", nil
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// ReadOutput reads the pieces of a stream from offset on, at most about limit bytes, and says where to go on. Where a
// piece begins beyond the end of the one before, what is between was not kept.
func (d *DB) ReadOutput(ctx context.Context, jobID string, stream wire.Stream, offset int64, limit int) (pieces []JobOutput, next int64, err error) {
	next = max(0, offset)
	// Pieces are at most wire.MaxChunk long, so the one that holds offset starts no earlier than that.
	from := next - wire.MaxChunk
	for size := 0; size < limit; {
		var some []JobOutput
		err := d.read(ctx).Where("job_id = ? AND stream = ? AND start > ?", jobID, stream, from).Order("start").Limit(16).Find(&some).Error
		if err != nil {
			return nil, offset, translate("read output", err)
		}
		if len(some) == 0 {
			break
		}
		for _, p := range some {
			from = p.Start
			end := p.Start + int64(len(p.Body))
			if end <= next || size >= limit {
				continue
			}
			if p.Start < next {
				p.Body, p.Start = p.Body[next-p.Start:], next
			}
			pieces = append(pieces, p)
			size += len(p.Body)
			next = end
		}
	}
	return pieces, next, nil
}
