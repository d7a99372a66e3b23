package main

import (
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// A vault is a folder with configuration, keys and users with factors, as an
// operator has it.
type vault struct {
	t      *testing.T
	config string
	cfg    Config
	codes  []string // backup codes of user U-0
}

func newVault(t *testing.T, users int) *vault {
	t.Helper()
	v := &vault{t: t, config: write(t, ExampleConfig(Example{}))}
	var err error
	if v.cfg, err = LoadConfig(v.config, nil); err != nil {
		t.Fatal(err)
	}
	if err := writeKeys(v.cfg.Keys.File); err != nil {
		t.Fatal(err)
	}
	v.desk(func(d *review.Desk) {
		var rows []review.AccountRow
		for i := range users {
			rows = append(rows, review.AccountRow{AccountID: "A-1", AccountName: "A", Locale: "en", UserID: fmt.Sprint("U-", i), Login: fmt.Sprint("u", i),
				Email: fmt.Sprintf("u%d@a.example", i), Role: "admin"})
		}
		if _, err := d.Import(t.Context(), rows, "test", false, false); err != nil {
			t.Fatal(err)
		}
		for i := range users {
			user := fmt.Sprint("U-", i)
			e, err := d.Book().Begin(t.Context(), user, user, totp.Proof{})
			if err != nil {
				t.Fatal(err)
			}
			codes, err := d.Book().Confirm(t.Context(), user, e.ID, codeAt(t, e.Key.Secret().Base32(), time.Now().Unix()/30))
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				v.codes = codes
			}
		}
	})
	return v
}

func (v *vault) desk(f func(d *review.Desk)) {
	v.t.Helper()
	d, err := openDesk(v.t.Context(), v.cfg, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	defer d.Close()
	f(d)
}

func (v *vault) ring() *totp.Keyring {
	v.t.Helper()
	k, err := totp.LoadKeyring(v.cfg.Keys.File)
	if err != nil {
		v.t.Fatal(err)
	}
	return k
}

// works wants a backup code of the first user to be taken, and all secrets to
// be under one key.
func (v *vault) works(key string) {
	v.t.Helper()
	v.desk(func(d *review.Desk) {
		if _, err := d.Book().Verify(v.t.Context(), "U-0", v.codes[0], totp.Web); err != nil {
			v.t.Error(err)
		}
		v.codes = v.codes[1:]
		used, err := d.KeysInUse(v.t.Context())
		if err != nil || len(used) != 1 || used[0].ID != key {
			v.t.Errorf("keys in use %+v, %v; want %s alone", used, err, key)
		}
	})
}

func (v *vault) rotate(drop bool) rotation {
	v.t.Helper()
	r, err := rotateKeys(v.t.Context(), v.config, drop)
	if err != nil {
		v.t.Fatal(err)
	}
	return r
}

func TestKeysRotate(t *testing.T) {
	v := newVault(t, 3)
	if err := os.Chmod(v.cfg.Keys.File, 0o640); err != nil {
		t.Fatal(err)
	}
	first := v.ring().IDs()[0]
	r := v.rotate(false)
	if !r.New || r.Resealed["credential"] != 3 || r.Resealed["meta"] != 1 || !slices.Equal(r.Kept, []string{first}) {
		t.Errorf("first run %+v", r)
	}
	v.works(r.Key)
	info, err := os.Stat(v.cfg.Keys.File)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the key file is %v, %v; a panel must still read it", info.Mode(), err)
	}
	second := v.rotate(true)
	if !slices.Equal(second.Dropped, []string{r.Key, first}) || len(second.Kept) != 0 || !slices.Equal(v.ring().IDs(), []string{second.Key}) {
		t.Errorf("second run %+v, ring %v", second, v.ring().IDs())
	}
	v.works(second.Key)
	all, err := listKeys(t.Context(), v.config)
	if err != nil || len(all) != 1 || all[0].Rows["credential"] != 3 {
		t.Errorf("list %+v, %v", all, err)
	}
	for _, args := range [][]string{{"keys", "list"}, {"keys", "list", "-json"}, {"keys", "rotate", "-json"}, {"keys", "rotate", "-drop-old"}} {
		if code := run(t.Context(), append(args, "-config", v.config)); code != 0 {
			t.Errorf("%v ends with %d", args, code)
		}
	}
	v.desk(func(*review.Desk) { // serve runs
		if code := run(t.Context(), []string{"keys", "rotate", "-config", v.config}); code != exitLater {
			t.Errorf("beside serve it ends with %d", code)
		}
	})
}

// A run that was cut, wherever, is finished by the next, which makes no further
// key: after the key file was written (done but reported failed), after any row,
// and with a half-written file beside it (failed).
func TestKeysRotateGoesOn(t *testing.T) {
	v := newVault(t, 3)
	ring := v.ring()
	if err := os.WriteFile(v.cfg.Keys.File+".new", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	rotated, err := ring.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if err := rotated.Replace(v.cfg.Keys.File); err != nil { // and then the power went off
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+v.cfg.Database.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	v.desk(func(*review.Desk) {}) // serve may run in between
	for _, stop := range []string{"credential WHEN OLD.id = 2", "meta WHEN 1"} {
		// The trigger is made while the desk is open: the next Open would refuse it.
		v.desk(func(d *review.Desk) {
			table, when := stop[:len("credential")], stop[len("credential"):]
			if stop[0] == 'm' {
				table, when = "meta", stop[len("meta"):]
			}
			if _, err := db.Exec(`CREATE TRIGGER stop BEFORE UPDATE ON ` + table + when + ` BEGIN SELECT RAISE(ABORT, 'the power is off'); END`); err != nil {
				t.Fatal(err)
			}
			if _, err := d.Reseal(t.Context(), rotated); err == nil {
				t.Error("not cut")
			}
			if _, err := db.Exec(`DROP TRIGGER stop`); err != nil {
				t.Fatal(err)
			}
		})
	}
	r := v.rotate(true)
	if r.New || r.Key != rotated.IDs()[0] || !slices.Equal(r.Dropped, ring.IDs()) {
		t.Errorf("went on as %+v", r)
	}
	v.works(r.Key)
	if _, err := os.Stat(v.cfg.Keys.File + ".new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a half-written key file is left: %v", err)
	}
	// Where the new key file cannot be written nothing is sealed with its key.
	if err := os.Mkdir(filepath.Join(filepath.Dir(v.cfg.Keys.File), filepath.Base(v.cfg.Keys.File)+".new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := rotateKeys(t.Context(), v.config, false); err == nil {
		t.Error("rotated without writing the key file")
	}
	v.works(r.Key)
}
