package web

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"hostler/server/bootstrap"
)

type keyRequest struct {
	PrivateKey secret `json:"private_key"`
	Passphrase secret `json:"passphrase,omitempty"`
}

type keyReply struct {
	Problems    map[string]string `json:"problems"`       // what is wrong, by field; of such a key nothing else is told
	Type        string            `json:"type,omitempty"` // "ed25519", "ecdsa" or "rsa"
	Bits        int               `json:"bits,omitempty"`
	Fingerprint string            `json:"fingerprint,omitempty"` // of the public half
	Encrypted   bool              `json:"encrypted,omitempty"`   // a passphrase protects it
}

// checkKey is POST keys/check: whether a private key can be used, told before anything is started with it. Nothing of it
// is kept.
func (w *Web) checkKey(c *gin.Context) error {
	var in keyRequest
	if err := decode(c, &in); err != nil {
		return err
	}
	given := &bootstrap.Credentials{PrivateKey: in.PrivateKey, Passphrase: in.Passphrase}
	defer given.Wipe()
	err := given.Check()
	var wrong *bootstrap.FieldError
	if errors.As(err, &wrong) {
		c.JSON(http.StatusOK, keyReply{Problems: map[string]string{wrong.Field: credentialText(c.Request.Context(), wrong)}})
		return nil
	}
	if err != nil {
		return err
	}
	k := given.Key()
	c.JSON(http.StatusOK, keyReply{Problems: map[string]string{}, Type: k.Type, Bits: k.Bits, Fingerprint: k.Fingerprint, Encrypted: k.Encrypted})
	return nil
}
