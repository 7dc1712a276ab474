package trust_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"hostler/agent/wire"
	"hostler/db"
	"hostler/internal/bearer"
	"hostler/internal/seal"
	"hostler/server/trust"
)

// admitForever names the variable that makes this program a server that admits hosts until it is killed, see admitter.
const admitForever = "HOSTLER_TEST_ADMIT"

// admitter is what that server works with.
type admitter struct{ URL, Dir, Master, Token, Prefix string }

func TestMain(m *testing.M) {
	if text := os.Getenv(admitForever); text != "" {
		fmt.Fprintln(os.Stderr, admit(text)) // it only ends by an error
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// admit has hosts come at once, again and again, and prints a line with the name and the serial number for each that has
// its certificate.
func admit(text string) error {
	var a admitter
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return err
	}
	ctx := context.Background()
	d, err := db.Open(ctx, a.URL)
	if err != nil {
		return err
	}
	master, err := seal.ParseKey(a.Master, "the test")
	if err != nil {
		return err
	}
	ca, err := trust.OpenCA(d, a.Dir, master, db.Now)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for host := range 16 {
		go func() {
			for i := 0; ; i++ {
				if err := admitOne(ctx, ca, fmt.Sprintf("%s-%d-%d.lab.test", a.Prefix, host, i), a.Token); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func admitOne(ctx context.Context, ca *trust.CA, name, token string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return err
	}
	reply, err := ca.Enrol(ctx, wire.EnrollRequest{Hostname: name, Token: token, CSR: encode("CERTIFICATE REQUEST", csr)}, here)
	if err != nil {
		return err
	}
	cert, err := parse(reply)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(os.Stdout, name, cert.SerialNumber.Text(16))
	return err
}

// TestKilledWhileManyAreAdmitted kills servers that admit hosts together. Every certificate that an agent has is on record,
// and the token has lost a use for each one on record, no more and no fewer.
func TestKilledWhileManyAreAdmitted(t *testing.T) {
	r := newRig(t)
	token := r.token(trust.TokenSpec{Uses: manyUses})
	told := 0
	for round := range 4 {
		a := admitter{r.url, r.dir, strings.TrimSpace(string(masterKey.Text())), token, fmt.Sprint("round", round)}
		for name, serial := range admittedUntilKilled(t, a, 20+7*round) {
			told++
			if record, err := r.db.Certificate(t.Context(), serial); err != nil || record.Hostname != name {
				t.Errorf("%s has a certificate that is recorded as %+v, %v", name, record, err)
			}
		}
		if used, admitted := usedAndAdmitted(r, token); used != admitted || admitted < told {
			t.Fatalf("%d hosts are on record, %d have been told so, and the token has lost %d uses", admitted, told, used)
		}
	}
}

const manyUses = 1_000_000

// usedAndAdmitted counts the uses that a token has lost and the hosts on record that it has admitted, at one instant: what
// a killed server has sent to the database's server may still be done there.
func usedAndAdmitted(r *rig, token string) (used, admitted int) {
	r.Helper()
	for {
		before, err := r.db.EnrolToken(r.Context(), bearer.Hash(token))
		r.must(err)
		hosts, err := r.db.AdmittedBy(r.Context(), before.ID, manyUses)
		r.must(err)
		if r.usesLeft(token) == before.UsesLeft {
			return manyUses - before.UsesLeft, len(hosts)
		}
	}
}

// admittedUntilKilled starts a server, kills it once that many hosts are admitted, and returns all that were told so: their names
// and serial numbers.
func admittedUntilKilled(t *testing.T, a admitter, most int) map[string]string {
	t.Helper()
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	server := exec.CommandContext(t.Context(), os.Args[0])
	server.Env = append(os.Environ(), admitForever+"="+string(text))
	var said strings.Builder
	server.Stderr = &said
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	kill := sync.OnceFunc(func() { _ = server.Process.Kill() }) // it may have failed by itself, which is seen below
	defer kill()
	told := map[string]string{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		name, serial, whole := strings.Cut(lines.Text(), " ")
		if whole {
			told[name] = serial
		}
		if len(told) == most {
			kill()
		}
	}
	_ = server.Wait() // it was killed
	if len(told) < most {
		t.Fatalf("it ended by itself after %d hosts\n%s", len(told), &said)
	}
	return told
}
