package web

import (
	"strings"
	"testing"
)

func TestAKeyIsCheckedWhenItIsGiven(t *testing.T) {
	s := newServer(t)
	key := sshKey(t)
	var got keyReply
	s.api(post, api+"/keys/check", toJSON(t, map[string]string{"private_key": key})).json(t, &got)
	if got.Type != "ecdsa" || got.Bits != 256 || !strings.HasPrefix(got.Fingerprint, "SHA256:") || got.Encrypted || len(got.Problems) > 0 {
		t.Errorf("the key is %+v", got)
	}
	for text, says := range map[string]string{
		"": "Give a private key", "ssh-ed25519 AAAA me": "public key", strings.Replace(key, "\n", "\nx", 2): "not a private key",
	} {
		var bad keyReply
		s.api(post, api+"/keys/check", toJSON(t, map[string]string{"private_key": text})).json(t, &bad)
		if !strings.Contains(bad.Problems["private_key"], says) || bad.Fingerprint != "" {
			t.Errorf("%.20q is %+v", text, bad)
		}
	}
}
