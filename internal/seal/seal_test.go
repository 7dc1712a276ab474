package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hostler/internal/seal"
)

const purpose = "a test"

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestWhatIsSealedIsOpenedByTheSameKeyForTheSamePurpose(t *testing.T) {
	key, secret := seal.NewKey(), []byte("very secret")
	text := must[[]byte](t)(key.Seal(secret, purpose))
	if bytes.Contains(text, secret) || bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString(secret))) {
		t.Errorf("the secret is in the open:\n%s", text)
	}
	if id, sealed := seal.IsSealed(text); !sealed || id != key.ID() {
		t.Errorf("it says that %q opens it, and that is %q", id, key.ID())
	}
	if got := must[[]byte](t)(key.Open(text, purpose)); !bytes.Equal(got, secret) {
		t.Errorf("got %q", got)
	}
	if again := must[[]byte](t)(key.Seal(secret, purpose)); bytes.Equal(again, text) {
		t.Error("the same secret was sealed into the same text")
	}
	if _, err := key.Open(text, "another"); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("for another purpose: %v", err)
	}
	other := seal.NewKey()
	if _, err := other.Open(text, purpose); err == nil || !strings.Contains(err.Error(), key.ID()) || !strings.Contains(err.Error(), other.ID()) {
		t.Errorf("with another key: %v", err)
	}
}

func TestDamageIsFound(t *testing.T) {
	key := seal.NewKey()
	text := must[[]byte](t)(key.Seal([]byte("very secret"), purpose))
	block, _ := pem.Decode(text)
	for i := range block.Bytes {
		changed := &pem.Block{Type: block.Type, Headers: block.Headers, Bytes: bytes.Clone(block.Bytes)}
		changed.Bytes[i] ^= 1
		if _, err := key.Open(pem.EncodeToMemory(changed), purpose); err == nil {
			t.Fatalf("byte %d was changed, and it opens", i)
		}
	}
	for name, c := range map[string]struct {
		change func(*pem.Block)
		want   string
	}{
		"cut short":     {func(b *pem.Block) { b.Bytes = b.Bytes[:20] }, "damaged"},
		"a later form":  {func(b *pem.Block) { b.Headers = map[string]string{"Format": "2", "Master-Key": key.ID()} }, "start the newer hostler"},
		"of other kind": {func(b *pem.Block) { b.Type = "PRIVATE KEY" }, "not sealed"},
	} {
		changed := *block
		c.change(&changed)
		if _, err := key.Open(pem.EncodeToMemory(&changed), purpose); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysAreReadInEitherForm(t *testing.T) {
	key := seal.NewKey()
	raw := must[[]byte](t)(base64.StdEncoding.DecodeString(strings.TrimSpace(string(key.Text()))))
	for _, text := range []string{string(key.Text()), hex.EncodeToString(raw), base64.RawURLEncoding.EncodeToString(raw), " " + base64.StdEncoding.EncodeToString(raw) + "\r\n"} {
		if got := must[seal.Key](t)(seal.ParseKey(text, "here")); got.ID() != key.ID() {
			t.Errorf("%q was read as another key", text)
		}
	}
	for _, text := range []string{"", "correct horse battery staple", hex.EncodeToString(raw[:31]), base64.StdEncoding.EncodeToString(append(raw, 0))} {
		_, err := seal.ParseKey(text, "here")
		if err == nil || !strings.Contains(err.Error(), "here") || !strings.Contains(err.Error(), "openssl rand -base64 32") {
			t.Errorf("%q: %v", text, err)
		}
		if text != "" && err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("the error tells the key: %v", err)
		}
	}
}

// place is a directory with a sealed secret, and where its key comes from.
type place struct {
	*testing.T
	dir   string
	env   map[string]string
	files []seal.Sealed
}

func newPlace(t *testing.T, secrets ...string) *place {
	p := &place{T: t, dir: t.TempDir(), env: map[string]string{}}
	for _, secret := range secrets {
		p.files = append(p.files, seal.Sealed{Path: filepath.Join(p.dir, secret), Purpose: purpose})
	}
	return p
}

func (p *place) source() seal.Source {
	return seal.Source{Environ: func(name string) (string, bool) { v, ok := p.env[name]; return v, ok }, Kept: filepath.Join(p.dir, "master.key")}
}

// fill seals each file's name in it.
func (p *place) fill(key seal.Key) {
	for _, f := range p.files {
		p.write(f.Path, must[[]byte](p.T)(key.Seal([]byte(filepath.Base(f.Path)), purpose)))
	}
}

func (p *place) write(path string, text []byte) {
	p.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		p.Fatal(err)
	}
}

// check wants every file to be opened by a key.
func (p *place) check(key seal.Key) {
	p.Helper()
	for _, f := range p.files {
		got, err := key.Open(must[[]byte](p.T)(os.ReadFile(f.Path)), purpose)
		if err != nil || string(got) != filepath.Base(f.Path) {
			p.Errorf("%s holds %q: %v", f.Path, got, err)
		}
	}
}

func TestWhereTheKeyComesFrom(t *testing.T) {
	p := newPlace(t)
	if _, err := p.source().Find(); !errors.Is(err, seal.ErrNone) {
		t.Errorf("there is none yet: %v", err)
	}
	kept := must[seal.Key](t)(p.source().Make())
	info := must[os.FileInfo](t)(os.Stat(filepath.Join(p.dir, "master.key")))
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file has mode %o", info.Mode().Perm())
	}
	find := func(want seal.Key) {
		t.Helper()
		if got := must[seal.Key](t)(p.source().Find()); got.ID() != want.ID() {
			t.Errorf("found that from %s", got.Origin())
		}
	}
	find(kept)
	credentials, given, named := t.TempDir(), seal.NewKey(), seal.NewKey()
	p.env["CREDENTIALS_DIRECTORY"] = credentials
	find(kept) // the service has credentials, and none of them is this
	credential := seal.NewKey()
	p.write(filepath.Join(credentials, "hostler-master-key"), credential.Text())
	find(credential)
	path := filepath.Join(t.TempDir(), "key")
	p.write(path, named.Text())
	source := p.source()
	source.Named = path
	if got := must[seal.Key](t)(source.Find()); got.ID() != named.ID() {
		t.Errorf("found that from %s", got.Origin())
	}
	p.env[seal.EnvKey] = string(given.Text())
	find(given)
	p.env[seal.EnvKey] = "" // set, and empty: a mistake that must not lead to another key
	if _, err := p.source().Find(); err == nil {
		t.Error("an empty key was passed over")
	}
}

func TestAKeyThatOthersMayReadIsRefused(t *testing.T) {
	p := newPlace(t)
	must[seal.Key](t)(p.source().Make())
	if err := os.Chmod(p.source().Kept, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := p.source().Find(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v", err)
	}
}

func TestChangingTheKeyFile(t *testing.T) {
	p := newPlace(t, "one", "two")
	before := must[seal.Key](t)(p.source().Make())
	p.fill(before)
	from, to, err := p.source().Change(p.files)
	if err != nil || from.ID() != before.ID() || to.ID() == before.ID() {
		t.Fatalf("%s became %s: %v", from.ID(), to.ID(), err)
	}
	if got := must[seal.Key](t)(p.source().Find()); got.ID() != to.ID() {
		t.Error("the key that is found is not the new one")
	}
	p.check(to)
	if names := must[[]os.DirEntry](t)(os.ReadDir(p.dir)); len(names) != 3 {
		t.Errorf("left behind: %v", names)
	}
}

// TestAChangeThatIsCutShortIsFinished begins with what a loss of power leaves at each of its moments.
func TestAChangeThatIsCutShortIsFinished(t *testing.T) {
	for name, done := range map[string]int{"before the first file": 0, "between the files": 1, "before the key takes its place": 2} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, "one", "two")
			before, after := must[seal.Key](t)(p.source().Make()), seal.NewKey()
			p.fill(before)
			p.write(p.source().Kept+".new", after.Text())
			for _, f := range p.files[:done] {
				p.write(f.Path, must[[]byte](t)(after.Seal([]byte(filepath.Base(f.Path)), purpose)))
			}
			if resumed, err := p.source().Resume(p.files); err != nil || !resumed {
				t.Fatalf("resumed %v: %v", resumed, err)
			}
			p.check(after)
			if got := must[seal.Key](t)(p.source().Find()); got.ID() != after.ID() {
				t.Error("the key that is found is not the new one")
			}
			if resumed, err := p.source().Resume(p.files); err != nil || resumed {
				t.Errorf("there was nothing left: %v %v", resumed, err)
			}
		})
	}
}

func TestChangingAKeyThatIsGiven(t *testing.T) {
	p := newPlace(t, "one", "two")
	before, after := seal.NewKey(), seal.NewKey()
	p.env[seal.EnvKey] = string(before.Text())
	p.fill(before)
	if _, _, err := p.source().Change(p.files); err == nil || !strings.Contains(err.Error(), seal.EnvNewKey) {
		t.Errorf("without a new one: %v", err)
	}
	p.check(before)
	p.env[seal.EnvNewKey] = string(after.Text())
	p.write(p.files[0].Path, must[[]byte](t)(after.Seal([]byte("one"), purpose))) // as after a change that was cut short
	for range 2 {
		if _, _, err := p.source().Change(p.files); err != nil {
			t.Fatal(err)
		}
		p.check(after)
	}
	p.env[seal.EnvKey] = string(seal.NewKey().Text())
	p.env[seal.EnvNewKey] = string(seal.NewKey().Text())
	if _, _, err := p.source().Change(p.files); err == nil || !strings.Contains(err.Error(), after.ID()) {
		t.Errorf("with neither key: %v", err)
	}
	p.check(after)
}

func TestAKeptKeyOutlivesItsMasterKey(t *testing.T) {
	p := newPlace(t)
	master := must[seal.Key](t)(p.source().Make())
	file := seal.Sealed{Path: filepath.Join(p.dir, "account", "key"), Purpose: purpose}
	kept := must[seal.Key](t)(seal.Keep(file, master))
	if text := must[[]byte](t)(os.ReadFile(file.Path)); bytes.Contains(text, bytes.TrimSpace(kept.Text())) {
		t.Errorf("the file tells the key:\n%s", text)
	}
	sealed := must[[]byte](t)(kept.Seal([]byte("a secret"), "a row"))
	if _, _, err := p.source().Change([]seal.Sealed{file}); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Keep(file, master); err == nil || !strings.Contains(err.Error(), file.Path) {
		t.Errorf("the old master key: %v", err)
	}
	again := must[seal.Key](t)(seal.Keep(file, must[seal.Key](t)(p.source().Find())))
	if secret, err := again.Open(sealed, "a row"); err != nil || string(secret) != "a secret" {
		t.Errorf("got %q, %v", secret, err)
	}
}
