package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"hostler/db"
	"hostler/internal/bearer"
	"hostler/internal/seal"
	"hostler/internal/totp"
	"hostler/server/audit"
	"hostler/server/event"
)

// Who has to have a second factor.
const (
	OfNobody         = "nobody"
	OfAdministrators = "administrators"
	OfEverybody      = "everybody"
)

// SecondFactorRules lists who may have to have a second factor.
var SecondFactorRules = []string{OfNobody, OfAdministrators, OfEverybody}

const (
	settingSecondFactor = "second_factor"
	keyPurpose          = "secrets of accounts"

	recoveryCodes    = 10
	recoveryCodeSize = 16 // characters of base32, 80 bits: as their hashes are fast ones, they must not be guessed from these
	recoveryGroup    = 4  // characters between hyphens
)

// SealedFiles are those in the data directory that a master key opens.
func SealedFiles(data string) []seal.Sealed {
	return []seal.Sealed{{Path: filepath.Join(data, "account", "key"), Purpose: keyPurpose}}
}

// OpenKey opens the key under which second factors are in the database, and makes it at first start.
func OpenKey(data string, master seal.Key) (seal.Key, error) {
	return seal.Keep(SealedFiles(data)[0], master)
}

// UseKey gives the register the key of second factors. Without it nobody gets one, and nobody's is checked.
func (a *Accounts) UseKey(k seal.Key) { a.key = &k }

// SecondFactor is how it stands with somebody's second factor.
type SecondFactor struct {
	Since    *time.Time  // nil: there is none
	Codes    int64       // recovery codes that are left
	Offered  totp.Secret // nil: none is shown
	Required bool
	Provider string // that the person logs in by, which asks for more than one factor itself; "" for none
}

// SecondFactor tells how it stands with the second factor of who asks.
func (a *Accounts) SecondFactor(ctx context.Context, who Identity) (f SecondFactor, err error) {
	u, err := a.db.User(ctx, who.UserID)
	if err != nil {
		return f, err
	}
	f.Since, f.Provider = u.OTPSince, u.Issuer
	if u.OTPOffered != "" {
		if f.Offered, err = a.openSecret(u.ID, u.OTPOffered); err != nil {
			return f, err
		}
	}
	if f.Codes, err = a.db.CountRecoveryCodes(ctx, u.ID); err != nil {
		return f, err
	}
	f.Required, err = a.requiredOf(ctx, u.Role)
	return f, err
}

// OfferSecondFactor makes a secret for who asks, who confirms it with a code: ErrWrongCredentials, ErrTooManyTries, ErrSecondFactor
// when there is one already.
func (a *Accounts) OfferSecondFactor(ctx context.Context, who Identity, address, password string) error {
	u, err := a.knows(ctx, who, address, password)
	if err != nil {
		return err
	}
	if u.OTPSecret != "" {
		return ErrSecondFactor
	}
	sealed, err := a.sealSecret(u.ID, totp.NewSecret())
	if err != nil {
		return err
	}
	return a.db.OfferSecondFactor(ctx, u.ID, sealed)
}

// ConfirmSecondFactor makes the secret that was offered the second factor of who asks, and returns recovery codes, which are told
// once. The person's other sessions end. ErrWrongCode, ErrTooManyTries, ErrSecondFactor when none is offered.
func (a *Accounts) ConfirmSecondFactor(ctx context.Context, who Identity, address, code string) ([]string, error) {
	u, err := a.db.User(ctx, who.UserID)
	if err != nil {
		return nil, err
	}
	audit.About(ctx, u.Name, nil, nil)
	if u.OTPOffered == "" {
		return nil, ErrSecondFactor
	}
	secret, err := a.openSecret(u.ID, u.OTPOffered)
	if err != nil {
		return nil, err
	}
	var step int64
	err = a.guarded(ctx, u.Name, address, func() (ok bool, err error) {
		step, ok = secret.Match(plainCode(code), a.now())
		return ok, nil
	})
	if err != nil {
		return nil, err
	}
	codes, hashes := newRecoveryCodes()
	if err := a.db.SetSecondFactor(ctx, u.ID, u.OTPOffered, step, a.now(), hashes, bearer.Hash(who.Session)); err != nil {
		return nil, err
	}
	a.tellEnded()
	audit.About(ctx, u.Name, secondFactor(false), secondFactor(true))
	a.record(ctx, event.UserSecondFactor, who.Name, u.Name, "")
	return codes, nil
}

// RenewRecoveryCodes replaces the recovery codes of who asks: ErrWrongCredentials, ErrWrongCode, ErrTooManyTries, ErrSecondFactor when
// there is no second factor.
func (a *Accounts) RenewRecoveryCodes(ctx context.Context, who Identity, address, password, code string) ([]string, error) {
	u, err := a.proves(ctx, who, address, password, code)
	if err != nil {
		return nil, err
	}
	codes, hashes := newRecoveryCodes()
	return codes, a.db.SetRecoveryCodes(ctx, u.ID, hashes)
}

// RemoveSecondFactor removes that of who asks; the errors are those of RenewRecoveryCodes.
func (a *Accounts) RemoveSecondFactor(ctx context.Context, who Identity, address, password, code string) error {
	u, err := a.proves(ctx, who, address, password, code)
	if err != nil {
		return err
	}
	return a.ResetSecondFactor(ctx, who.Name, u)
}

// ResetSecondFactor removes a person's second factor, for example because the telephone is lost; by is who does it.
func (a *Accounts) ResetSecondFactor(ctx context.Context, by string, u *db.User) error {
	audit.About(ctx, u.Name, secondFactor(u.OTPSecret != ""), secondFactor(false))
	if err := a.db.RemoveSecondFactor(ctx, u.ID); err != nil {
		return err
	}
	if u.OTPSecret != "" {
		a.record(ctx, event.UserSecondFactorRemoved, by, u.Name, "")
	}
	return nil
}

// secondFactor is what the audit log is told of whether somebody has one.
func secondFactor(has bool) map[string]bool { return map[string]bool{"second_factor": has} }

// SecondFactorRule tells who has to have a second factor, one of SecondFactorRules.
func (a *Accounts) SecondFactorRule(ctx context.Context) (string, error) {
	rule, err := a.db.Setting(ctx, settingSecondFactor)
	if errors.Is(err, db.ErrNotFound) {
		return OfNobody, nil
	}
	return rule, err
}

// RequireSecondFactor says who has to have a second factor. Whoever has none then gets to nothing else before it is set up.
func (a *Accounts) RequireSecondFactor(ctx context.Context, by, rule string) error {
	if !slices.Contains(SecondFactorRules, rule) {
		return &FieldError{"required_of", "factor_rule_unknown", "a second factor may be required of nobody, administrators or everybody"}
	}
	was, err := a.SecondFactorRule(ctx)
	if err != nil {
		return err
	}
	audit.About(ctx, "", map[string]string{"required_of": was}, map[string]string{"required_of": rule})
	if err := a.db.SetSetting(ctx, settingSecondFactor, rule); err != nil {
		return err
	}
	a.tellEnded()
	a.events.Record(ctx, db.Event{Kind: event.SecondFactorRequired, Actor: by, Params: map[string]string{"required_of": rule}})
	return nil
}

func (a *Accounts) requiredOf(ctx context.Context, role string) (bool, error) {
	rule, err := a.SecondFactorRule(ctx)
	return rule == OfEverybody || rule == OfAdministrators && role == RoleAdministrator, err
}

// lacksFactor reports whether a session's person has to set up a second factor first. An identity provider asks for its own.
func (a *Accounts) lacksFactor(ctx context.Context, s *db.Session) (bool, error) {
	if s.Issuer != "" || s.User.OTPSecret != "" {
		return false, nil
	}
	return a.requiredOf(ctx, s.User.Role)
}

// knows finds who asks and checks the password.
func (a *Accounts) knows(ctx context.Context, who Identity, address, password string) (*db.User, error) {
	u, err := a.db.User(ctx, who.UserID)
	if err != nil {
		return nil, err
	}
	audit.About(ctx, u.Name, nil, nil)
	return u, a.try(ctx, u, Attempt{Name: u.Name, Password: password, Address: address})
}

// proves finds who asks and checks the password and the second factor.
func (a *Accounts) proves(ctx context.Context, who Identity, address, password, code string) (*db.User, error) {
	u, err := a.knows(ctx, who, address, password)
	if err != nil {
		return nil, err
	}
	if u.OTPSecret == "" {
		return nil, ErrSecondFactor
	}
	return u, a.tryCode(ctx, u, code, address)
}

// tryCode uses a code of the second factor, or a recovery code, up: ErrWrongCode, ErrTooManyTries.
func (a *Accounts) tryCode(ctx context.Context, u *db.User, code, address string) error {
	code = plainCode(code)
	recovery := len(code) == recoveryCodeSize
	err := a.guarded(ctx, u.Name, address, func() (bool, error) {
		if recovery {
			return a.db.UseRecoveryCode(ctx, u.ID, bearer.Hash(code))
		}
		secret, err := a.openSecret(u.ID, u.OTPSecret)
		if err != nil {
			return false, err
		}
		step, ok := secret.Match(code, a.now())
		if !ok {
			return false, nil
		}
		return a.db.UseStep(ctx, u.ID, step)
	})
	if err != nil || !recovery {
		return err
	}
	left, err := a.db.CountRecoveryCodes(ctx, u.ID)
	if err != nil {
		return err
	}
	a.events.Record(ctx, db.Event{Kind: event.UserRecoveryCode, Severity: db.SeverityWarning, Actor: u.Name, Params: map[string]string{
		"user": u.Name, "address": address, "left": strconv.FormatInt(left, 10),
	}})
	return nil
}

// guarded checks something that somebody could guess: wrong guesses are counted with wrong passwords, and make tries wait as these do.
func (a *Accounts) guarded(ctx context.Context, name, address string, check func() (bool, error)) error {
	release, err := a.enter(ctx, name, address)
	if err != nil {
		return err
	}
	defer release()
	ok, err := check()
	if err != nil {
		return err
	}
	if !ok {
		a.delays.failed(name, address)
		audit.Refuse(ctx, "wrong_code")
		return ErrWrongCode
	}
	a.delays.succeeded(name, address)
	return nil
}

// plainCode is a code without what people put between its characters.
func plainCode(code string) string {
	return strings.ToUpper(strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '\t' {
			return -1
		}
		return r
	}, code))
}

// newRecoveryCodes makes recovery codes, and their hashes.
func newRecoveryCodes() (codes, hashes []string) {
	for range recoveryCodes {
		code := rand.Text()[:recoveryCodeSize]
		hashes = append(hashes, bearer.Hash(code))
		var groups []string
		for part := range slices.Chunk([]byte(code), recoveryGroup) {
			groups = append(groups, string(part))
		}
		codes = append(codes, strings.Join(groups, "-"))
	}
	return codes, hashes
}

// purposeOf ties a sealed secret to its user: a row's cannot be put into another's.
func purposeOf(userID int64) string { return "second factor of user " + strconv.FormatInt(userID, 10) }

var errNoKey = errors.New("the key of second factors is not open")

func (a *Accounts) sealSecret(userID int64, s totp.Secret) (string, error) {
	if a.key == nil {
		return "", errNoKey
	}
	sealed, err := a.key.Seal(s, purposeOf(userID))
	if err != nil {
		return "", fmt.Errorf("cannot keep the second factor: %w", err)
	}
	return string(sealed), nil
}

func (a *Accounts) openSecret(userID int64, sealed string) (totp.Secret, error) {
	if a.key == nil {
		return nil, errNoKey
	}
	secret, err := a.key.Open([]byte(sealed), purposeOf(userID))
	if err != nil {
		return nil, fmt.Errorf("cannot open the second factor of user %d: %w", userID, err)
	}
	return secret, nil
}
