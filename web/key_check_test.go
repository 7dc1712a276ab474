package web

import (
	"net/http"
	"strings"
	"testing"
)

func TestAKeyIsCheckedWhenItIsGiven(t *testing.T) {
	s := newServer(t)
	key := sshKey(t)
	var got keyReply
	s.api(post, api+"/keys/check", toJSON(t, map[string]string{"private_key": key})).json(t, &got)
	if got.Type != "ecdsa" || got.Bits != 256 || !strings.HasPrefix(got.Fingerprint, "SHA256:") || got.Encrypted {
		t.Errorf("the key is %+v", got)
	}
	for text, says := range map[string]string{
		"": "Give a private key", "ssh-ed25519 AAAA me": "public key", strings.Replace(key, "\n", "\nx", 2): "not a private key",
	} {
		r := s.api(post, api+"/keys/check", toJSON(t, map[string]string{"private_key": text}))
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.failure(t).Fields["private_key"], says) {
			t.Errorf("%.20q answered %d %s", text, r.status, r.body)
		}
	}
}
