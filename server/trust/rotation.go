package trust

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/whole"
)

// Stage is how far the change from one authority to another is.
type Stage string

// The stages, in their order. From each the way leads on and, until the old authority is dropped, back.
const (
	StageNone    Stage = "none"    // there is one authority
	StageStandby Stage = "standby" // the new one is made, and nobody knows it yet
	StageTrusted Stage = "trusted" // the old one signs; hosts learn to trust both
	StageSigning Stage = "signing" // the new one signs; hosts trust both, and renew their certificates
)

// Stages lists all stages in their order.
var Stages = []Stage{StageNone, StageStandby, StageTrusted, StageSigning}

const (
	successor = "next" // what the files of the new authority are called
	// stageDropping is on the disk alone: the old authority's files are being replaced by the new one's. What is cut short then
	// is finished at the next start.
	stageDropping Stage = "dropping"
)

// authorities are the ones that there are. It is replaced whole.
type authorities struct {
	stage    Stage
	old, new *authority // new is nil in StageNone
	signs    *authority
	trusted  []string // short pins, that of the one that signs first
	bundle   []byte   // their certificates, in PEM
	pool     *x509.CertPool
}

func newAuthorities(stage Stage, old, successor *authority) *authorities {
	as := &authorities{stage: stage, old: old, new: successor, signs: old, pool: x509.NewCertPool()}
	trusted := []*authority{old}
	switch stage {
	case StageTrusted:
		trusted = append(trusted, successor)
	case StageSigning:
		as.signs, trusted = successor, []*authority{successor, old}
	default:
	}
	for _, a := range trusted {
		as.trusted = append(as.trusted, shortPin(a.pin))
		as.bundle = append(as.bundle, a.pem...)
		as.pool.AddCert(a.cert)
	}
	return as
}

// shortPin is the beginning of a pin, enough to tell the authorities of one server apart.
func shortPin(pin string) string { return pin[:min(len(pin), 16)] }

func (c *CA) stageFile() string { return filepath.Join(c.dir, "rotation") }

// setStage writes down what stage holds from now on.
func (c *CA) setStage(stage Stage) error {
	if stage == StageNone {
		return whole.Remove(c.stageFile())
	}
	return whole.WriteFile(c.stageFile(), []byte(stage+"\n"), 0o600)
}

// openAuthorities reads what there is on the disk, and finishes what was cut short.
func (c *CA) openAuthorities(ctx context.Context) error {
	text, err := os.ReadFile(c.stageFile())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	stage := Stage(bytes.TrimSpace(text))
	if stage == "" {
		stage = StageNone
	}
	if stage == stageDropping {
		if err := c.takeOver(); err != nil {
			return err
		}
		stage = StageNone
	}
	if !slices.Contains(Stages, stage) {
		return fmt.Errorf("%s says %q, which this program does not know: start the newer hostler", c.stageFile(), stage)
	}
	old, err := openAuthority(c.dir, present, c.master)
	if err != nil {
		return err
	}
	var next *authority
	if stage != StageNone {
		if next, err = openAuthority(c.dir, successor, c.master); err != nil {
			return err
		}
	}
	c.inForce.Store(newAuthorities(stage, old, next))
	if stage == StageNone { // what former versions signed
		return c.db.NameAuthority(ctx, shortPin(old.pin))
	}
	return nil
}

// takeOver makes the new authority's files those of the one in force. It may be called again after it was cut short.
func (c *CA) takeOver() error {
	for _, file := range []func(dir, name string) string{keyFile, certFile} {
		from := file(c.dir, successor)
		if _, err := os.Stat(from); err == nil {
			if err := whole.Rename(from, file(c.dir, present)); err != nil {
				return err
			}
		}
	}
	return c.setStage(StageNone)
}

// Rotation is what there is of authorities.
type Rotation struct {
	Stage Stage
	Old   Authority
	New   *Authority // nil in StageNone
}

// Authority is what people may know of one.
type Authority struct {
	Pin   string
	Short string // as hosts tell which they trust, and as certificates say who signed them
	Name  string
	Cert  *x509.Certificate
	Signs bool
}

// Rotation tells how far the change of authorities is.
func (c *CA) Rotation() Rotation {
	as := c.inForce.Load()
	view := func(a *authority) Authority {
		return Authority{Pin: a.pin, Short: shortPin(a.pin), Name: a.cert.Subject.CommonName, Cert: a.cert, Signs: a == as.signs}
	}
	r := Rotation{Stage: as.stage, Old: view(as.old)}
	if as.new != nil {
		next := view(as.new)
		r.New = &next
	}
	return r
}

// StageError says that the authorities are not in the stage from which somebody wanted to move.
type StageError struct{ Is Stage }

// Error tells the stage.
func (e *StageError) Error() string {
	return "the change of authorities is in the stage " + string(e.Is)
}

// BehindError says how many hosts would be lost if the authorities went on.
type BehindError struct {
	Untrusting int // do not trust the new authority
	Old        int // have a certificate of the old one
}

// Error tells how many.
func (e *BehindError) Error() string {
	return fmt.Sprintf("%d hosts do not trust the new authority, %d have a certificate of the old one", e.Untrusting, e.Old)
}

// Progress counts the hosts that would be lost. See BehindError.
type Progress func(old, fresh string) BehindError

// Advance goes from a stage to the next one; after StageSigning the old authority is dropped. Hosts that would be lost then are a
// *BehindError, unless force says that they may be. A *StageError says that the stage is another.
func (c *CA) Advance(ctx context.Context, from Stage, behind Progress, force bool) (Rotation, error) {
	c.rotating.Lock()
	defer c.rotating.Unlock()
	as := c.inForce.Load()
	if as.stage != from {
		return c.Rotation(), &StageError{as.stage}
	}
	if as.new != nil && !force {
		lost := behind(shortPin(as.old.pin), shortPin(as.new.pin))
		if from == StageTrusted && lost.Untrusting > 0 || from == StageSigning && lost.Untrusting+lost.Old > 0 {
			return c.Rotation(), &lost
		}
	}
	var err error
	switch from {
	case StageNone:
		err = c.prepare(as)
	case StageStandby:
		err = c.move(StageTrusted, as)
	case StageTrusted:
		err = c.move(StageSigning, as)
	default:
		err = c.drop(ctx, as)
	}
	return c.Rotation(), err
}

// Back goes back to the stage before; from StageStandby to one authority. What the new one has signed stays good as long as it is
// trusted.
func (c *CA) Back(from Stage) (Rotation, error) {
	c.rotating.Lock()
	defer c.rotating.Unlock()
	as := c.inForce.Load()
	if as.stage != from || from == StageNone {
		return c.Rotation(), &StageError{as.stage}
	}
	before := Stages[slices.Index(Stages, from)-1]
	var err error
	if before == StageNone {
		err = c.discard(as)
	} else {
		err = c.move(before, as)
	}
	return c.Rotation(), err
}

// discard forgets the new authority.
func (c *CA) discard(as *authorities) error {
	if err := c.setStage(StageNone); err != nil {
		return err
	}
	c.inForce.Store(newAuthorities(StageNone, as.old, nil))
	return errors.Join(whole.Remove(certFile(c.dir, successor)), whole.Remove(keyFile(c.dir, successor)))
}

// prepare makes the new authority.
func (c *CA) prepare(as *authorities) error {
	if err := makeAuthority(c.dir, successor, c.master, c.now()); err != nil {
		return err
	}
	next, err := openAuthority(c.dir, successor, c.master)
	if err != nil {
		return err
	}
	if err := c.setStage(StageStandby); err != nil {
		return err
	}
	c.inForce.Store(newAuthorities(StageStandby, as.old, next))
	return nil
}

func (c *CA) move(to Stage, as *authorities) error {
	if err := c.setStage(to); err != nil {
		return err
	}
	c.inForce.Store(newAuthorities(to, as.old, as.new))
	return nil
}

// drop ends the trust in the old authority, and every connection with one of its certificates.
func (c *CA) drop(ctx context.Context, as *authorities) error {
	if err := c.setStage(stageDropping); err != nil {
		return err
	}
	if err := c.takeOver(); err != nil {
		return err
	}
	c.inForce.Store(newAuthorities(StageNone, as.new, nil))
	serials, err := c.db.CertificatesOf(ctx, shortPin(as.old.pin), c.now())
	if err != nil {
		return err
	}
	c.denied.tell(serials)
	return nil
}

// Check refuses a certificate that was revoked or that an authority signed which is no longer trusted, by a *wire.Error. It costs
// no query.
func (c *CA) Check(cert *db.Certificate) error {
	if err := c.CheckRevoked(cert.Serial); err != nil {
		return err
	}
	if by := cert.Authority; by != "" && !slices.Contains(c.inForce.Load().trusted, by) {
		return &wire.Error{
			Code: "certificate_untrusted", Message: "the authority that signed this certificate is no longer trusted",
			Hint: "bootstrap the host again, or set it up with the new pin",
		}
	}
	return nil
}
