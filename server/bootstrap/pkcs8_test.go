package bootstrap

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"
)

// A key file must not make the server work for minutes or take all its memory.
func TestKeyDerivationIsBounded(t *testing.T) {
	type scryptParams struct {
		Salt    []byte
		N, R, P int
	}
	type pbkdf2Params struct {
		Salt       []byte
		Iterations int
	}
	salt := []byte("salt")
	tests := []struct {
		name      string
		algorithm asn1.ObjectIdentifier
		params    any
		ok        bool
	}{
		{"scrypt as openssl has it", oidScrypt, scryptParams{salt, 1 << 14, 8, 1}, true},
		{"scrypt 64 MiB", oidScrypt, scryptParams{salt, 1 << 16, 8, 1}, true},
		{"scrypt 64 MiB and a little", oidScrypt, scryptParams{salt, 1 << 16, 9, 1}, false},
		{"scrypt 4 GiB", oidScrypt, scryptParams{salt, 1 << 20, 32, 1}, false},
		{"scrypt overflow", oidScrypt, scryptParams{salt, 1 << 40, 1 << 40, 1}, false},
		{"scrypt many times", oidScrypt, scryptParams{salt, 1 << 14, 8, 1000}, false},
		{"scrypt nothing", oidScrypt, scryptParams{salt, 0, 0, 0}, false},
		{"scrypt negative", oidScrypt, scryptParams{salt, -2, -1, 1}, false},
		{"PBKDF2 as openssl has it", oidPBKDF2, pbkdf2Params{salt, 2048}, true},
		{"PBKDF2 for ever", oidPBKDF2, pbkdf2Params{salt, maxIterations + 1}, false},
		{"PBKDF2 never", oidPBKDF2, pbkdf2Params{salt, 0}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			der, err := asn1.Marshal(tt.params)
			must(t, err)
			kdf := pkix.AlgorithmIdentifier{Algorithm: tt.algorithm, Parameters: asn1.RawValue{FullBytes: der}}
			key, err := deriveKey(kdf, []byte("pass"), 32)
			if tt.ok && (err != nil || len(key) != 32) {
				t.Errorf("%d bytes, error %v", len(key), err)
			}
			if !tt.ok && !errors.Is(err, errPKCS8Scheme) {
				t.Errorf("error %v, want %v", err, errPKCS8Scheme)
			}
		})
	}
}
