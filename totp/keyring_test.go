package totp_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

func newKeyring(t testing.TB) *totp.Keyring {
	t.Helper()
	k, err := totp.NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A sealed value opens with its purpose and id only, and no bit may change.
func TestSealBindsAndDetects(t *testing.T) {
	k := newKeyring(t)
	plain := []byte("a secret")
	sealed := k.Seal("totp secret", "1:jane", plain)
	if got, err := k.Open("totp secret", "1:jane", sealed); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%q, %v", got, err)
	}
	for _, other := range [][2]string{{"totp secret", "2:jane"}, {"totp secret", "1:mallory"}, {"letter", "1:jane"},
		{"totp secret1", ":jane"}, {"", "totp secret1:jane"}} {
		if _, err := k.Open(other[0], other[1], sealed); err == nil {
			t.Errorf("opened as %q", other)
		}
	}
	for i := range len(sealed) * 8 {
		bad := bytes.Clone(sealed)
		bad[i/8] ^= 1 << (i % 8)
		if _, err := k.Open("totp secret", "1:jane", bad); err == nil {
			t.Errorf("opened with bit %d flipped", i)
		}
	}
	for n := range sealed {
		if _, err := k.Open("totp secret", "1:jane", sealed[:n]); err == nil {
			t.Errorf("opened with %d bytes", n)
		}
	}
	if _, err := newKeyring(t).Open("totp secret", "1:jane", sealed); err == nil {
		t.Error("opened with another keyring")
	}
	if bytes.Equal(sealed, k.Seal("totp secret", "1:jane", plain)) {
		t.Error("sealing twice gives the same bytes")
	}
}

func TestMACKeepsPartsApart(t *testing.T) {
	k := newKeyring(t)
	b := func(s string) []byte { return []byte(s) }
	seen := map[string]bool{}
	for _, m := range [][]byte{k.MAC("p", b("ab"), b("c")), k.MAC("p", b("a"), b("bc")), k.MAC("p", b("abc")), k.MAC("p", b("abc"), nil),
		k.MAC("p", nil, b("abc")), k.MAC("p"), k.MAC("q", b("ab"), b("c")), newKeyring(t).MAC("p", b("ab"), b("c"))} {
		if len(m) != 32 || seen[string(m)] {
			t.Error("two inputs, one MAC")
		}
		seen[string(m)] = true
	}
	if !bytes.Equal(k.MAC("p", b("a")), k.MAC("p", b("a"))) {
		t.Error("a MAC differs from itself")
	}
}

func TestKeyringFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	k := newKeyring(t)
	sealed, mac := k.Seal("p", "i", []byte("x")), k.MAC("p", []byte("i"))
	rotated, err := k.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if err := rotated.Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	if err := k.Write(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("overwritten: %v", err)
	}
	loaded, err := totp.LoadKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := loaded.Open("p", "i", sealed); err != nil || string(got) != "x" || !bytes.Equal(loaded.MAC("p", []byte("i")), mac) {
		t.Errorf("after rotating and loading: %q, %v", got, err)
	}
	if _, err := k.Open("p", "i", loaded.Seal("p", "i", nil)); err == nil {
		t.Error("the first key is not the primary")
	}
	for _, mode := range []os.FileMode{0o644, 0o602, 0o660, 0o604} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := totp.LoadKeyring(path); err == nil {
			t.Errorf("loaded with mode %v", mode)
		}
	}
	if _, err := totp.LoadKeyring(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestKeyringRefusesDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if err := newKeyring(t).Write(path); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := totp.ParseKeyring(good); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(good), "\n")
	bad := []string{"", "x", lines[0], lines[0] + lines[2], lines[0] + lines[3], strings.Join(lines[1:], ""),
		string(good) + lines[2], string(good) + lines[3], string(good) + "key 1 2\n", string(good) + "other\n",
		strings.Replace(string(good), "\nkey ", "\nkey g", 1), string(good[:len(good)-4]), strings.Replace(string(good), "=", "", 1)}
	for _, text := range bad {
		if _, err := totp.ParseKeyring([]byte(text)); err == nil {
			t.Errorf("read: %q", text)
		} else if k := strings.Fields(lines[2])[2]; strings.Contains(err.Error(), k[:8]) {
			t.Errorf("the error shows a key: %v", err)
		}
	}
}

func FuzzKeyring(f *testing.F) {
	path := filepath.Join(f.TempDir(), "keys")
	if err := newKeyring(f).Write(path); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("resetdesk keyring 1\nkey\npepper\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := totp.ParseKeyring(text)
		if err != nil {
			return
		}
		if got, err := k.Open("p", "i", k.Seal("p", "i", []byte("x"))); err != nil || string(got) != "x" {
			t.Errorf("a keyring that does not open what it seals: %v", err)
		}
	})
}

// After rotating and resealing, no stored secret needs an older key, and every
// factor, the cleared ones too, still works.
func TestReseal(t *testing.T) {
	inBubble(t, func(d *desk) {
		const users = 120
		keys := map[string]totp.Key{}
		for i := range users {
			user := fmt.Sprint("user ", i)
			d.register(user, false)
			keys[user], _ = d.enroll(user, totp.Proof{})
		}
		lost, _ := d.enroll(jane, totp.Proof{})
		d.reset(1)
		old := d.keys
		rotated, err := old.Rotate()
		d.must(err)
		d.keys = rotated
		d.book = d.open(d.db)
		n, err := d.book.Reseal(d.Context())
		if err != nil || n != users+1 {
			d.Fatalf("%d resealed, %v", n, err)
		}
		if n, err := d.book.Reseal(d.Context()); err != nil || n != 0 {
			d.Errorf("%d resealed again, %v", n, err)
		}
		time.Sleep(time.Minute)
		for user, k := range keys {
			_, err := d.book.Verify(d.Context(), user, at(k, time.Now()), totp.Web)
			d.must(err)
		}
		d.must(d.undo(1))
		d.must(d.tx(func(tx *sql.Tx) error { return totp.Unfreeze(d.Context(), tx, jane) }))
		d.must(d.verify(at(lost, time.Now())))
		d.keys = old
		if _, err := d.open(d.db).Reseal(d.Context()); err == nil {
			d.Error("the old keyring still opens the secrets")
		}
	})
}

// A rotation that is cut at any row leaves every factor working with the new
// keyring, and the next run goes on from there.
func TestResealCutAtEveryRow(t *testing.T) {
	totp.ResealOneByOne(t)
	inBubble(t, func(d *desk) {
		const users = 6
		keys := map[string]totp.Key{}
		for i := range users {
			user := fmt.Sprint("user ", i)
			d.register(user, false)
			keys[user], _ = d.enroll(user, totp.Proof{})
		}
		rotated, err := d.keys.Rotate()
		d.must(err)
		d.keys = rotated
		for id := 1; id <= users; id++ {
			d.must(d.exec(fmt.Sprintf(`CREATE TRIGGER stop BEFORE UPDATE OF sealed ON credential WHEN OLD.id = %d
				BEGIN SELECT RAISE(ABORT, 'the power is off'); END`, id)))
			d.book = d.open(d.db)
			n, err := d.book.Reseal(d.Context())
			if err == nil || (id == 1) != (n == 0) {
				d.Errorf("cut at row %d: %d resealed, %v", id, n, err)
			}
			d.must(d.exec(`DROP TRIGGER stop`))
			time.Sleep(time.Minute)
			for user, k := range keys {
				_, err := d.book.Verify(d.Context(), user, at(k, time.Now()), totp.Web)
				d.must(err)
			}
		}
		if n, err := d.book.Reseal(d.Context()); err != nil || n != 1 {
			d.Errorf("the last run: %d, %v", n, err)
		}
		d.keys = rotated.Keep()
		d.book = d.open(d.db)
		time.Sleep(time.Minute)
		for user, k := range keys {
			_, err := d.book.Verify(d.Context(), user, at(k, time.Now()), totp.Web)
			d.must(err)
		}
	})
}

// The file is replaced in one step, keeps its mode, and is the old one after
// every failure before that step; what a cut attempt left is no hindrance.
func TestReplaceKeyring(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "real")
	link := filepath.Join(dir, "keys")
	k := newKeyring(t)
	for _, err := range []error{k.Write(path), os.Chmod(path, 0o640), os.Symlink("real", link), os.WriteFile(path+".new", []byte("half"), 0o666)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	load := func() []string {
		k, err := totp.LoadKeyring(link)
		if err != nil {
			t.Fatal(err)
		}
		return k.IDs()
	}
	rotated, err := k.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if err := rotated.Replace(link); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if ids := load(); len(ids) != 2 || ids[0] != rotated.IDs()[0] || ids[1] != k.IDs()[0] {
		t.Errorf("keys %v", ids)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link is a file now")
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 2 {
		t.Errorf("files %v", names)
	}
	if err := os.Mkdir(path+".new", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := k.Replace(link); err == nil || len(load()) != 2 {
		t.Errorf("a failure: %v, keys %v", err, load())
	}
	if err := k.Replace(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("replacing nothing: %v", err)
	}
	if got := rotated.Keep().IDs(); len(got) != 1 || got[0] != rotated.IDs()[0] {
		t.Errorf("kept %v", got)
	}
	if got := rotated.Keep(k.IDs()[0], "00000000").IDs(); len(got) != 2 {
		t.Errorf("kept %v", got)
	}
	if id := totp.KeyID(rotated.Seal("x", "y", nil)); id != rotated.IDs()[0] {
		t.Errorf("key id %q", id)
	}
	for _, bad := range [][]byte{nil, {1, 2, 3}, make([]byte, 60)} {
		if id := totp.KeyID(bad); id != "" {
			t.Errorf("key id %q of no seal", id)
		}
	}
}
