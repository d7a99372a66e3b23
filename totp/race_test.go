package totp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// TestMain lets this program be one of the processes of TestRaceOfProcesses.
func TestMain(m *testing.M) {
	if path := os.Getenv("TOTP_RACER"); path != "" {
		os.Exit(racer(path))
	}
	os.Exit(m.Run())
}

// racer submits each line of its input 16 times at once and says how often the
// code was taken.
func racer(path string) int {
	db, err := handle(path)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	keys, err := totp.LoadKeyring(path + ".keys")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	book, err := totp.Open(db, keys, totp.Policy{Issuer: "Example Panel"})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var mu sync.Mutex
		var all sync.WaitGroup
		won := 0
		for range 16 {
			all.Go(func() {
				if _, err := book.Verify(context.Background(), jane, lines.Text(), totp.Web); err == nil {
					mu.Lock()
					defer mu.Unlock()
					won++
				}
			})
		}
		all.Wait()
		fmt.Println(won)
	}
	return 0
}

// T2, ASVS 6.5.1: of 64 submissions at once of one code by four processes exactly
// one succeeds, for codes of an authenticator and for backup codes.
func TestRaceOfProcesses(t *testing.T) {
	d := newDesk(t)
	key, codes := d.enroll(jane, totp.Proof{})
	d.must(d.keys.Write(d.path + ".keys"))
	const processes = 4
	var in []*os.File
	var out []*bufio.Scanner
	for range processes {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "TOTP_RACER="+d.path)
		stdout, err := cmd.StdoutPipe()
		d.must(err)
		r, w, err := os.Pipe()
		d.must(err)
		cmd.Stdin = r
		d.must(cmd.Start())
		r.Close()
		t.Cleanup(func() { w.Close(); cmd.Wait() })
		lines := bufio.NewScanner(stdout)
		if !lines.Scan() || lines.Text() != "ready" {
			t.Fatalf("a process says %q", lines.Text())
		}
		in, out = append(in, w), append(out, lines)
	}
	race := func(code string) (won int) {
		for _, w := range in {
			fmt.Fprintln(w, code)
		}
		for _, lines := range out {
			n := 0
			if !lines.Scan() {
				t.Fatal("a process ended")
			}
			fmt.Sscan(lines.Text(), &n)
			won += n
		}
		return won
	}
	for i, code := range []string{at(key, time.Now().Add(30*time.Second)), codes[0], codes[1], codes[0]} {
		want := 1
		if i == 3 {
			want = 0
		}
		if won := race(code); won != want {
			t.Errorf("code %d: %d of 64 succeeded, want %d", i, won, want)
		}
		d.unfreeze() // the losers of a backup code are failures
	}
	if n := d.status(jane).CodesLeft; n != 8 {
		t.Errorf("%d codes left", n)
	}
}

// B3: one backup code in 64 hands over two Books with a handle each.
func TestRaceOfRenewals(t *testing.T) {
	d := newDesk(t)
	_, codes := d.enroll(jane, totp.Proof{})
	books := []*totp.Book{d.book, d.open(open(t, d.path))}
	var mu sync.Mutex
	var all sync.WaitGroup
	won := 0
	for i := range 64 {
		all.Go(func() {
			fresh, err := books[i%2].RenewBackupCodes(t.Context(), jane, totp.Proof{Code: codes[0]})
			mu.Lock()
			defer mu.Unlock()
			if err == nil && len(fresh) == 10 {
				won++
			}
		})
	}
	all.Wait()
	if n := d.status(jane).CodesLeft; won != 1 || n != 10 {
		t.Errorf("%d renewals with one code, %d codes left", won, n)
	}
}

// Ten thousand wrong codes at once: none gets in, those that were compared are
// counted, the user is locked, and memory stays bounded.
func TestFlood(t *testing.T) {
	d := newDesk(t)
	key, _ := d.enroll(jane, totp.Proof{})
	guess := wrong(key, time.Now())
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var mu sync.Mutex
	var all sync.WaitGroup
	compared, locked := 0, 0
	for range 10_000 {
		all.Go(func() {
			err := d.verify(guess)
			var lock *totp.LockedError
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, totp.ErrInvalidCode):
				compared++
			case errors.As(err, &lock):
				locked++
			case err == nil:
				t.Error("a wrong code got in")
			}
		})
	}
	all.Wait()
	runtime.ReadMemStats(&after)
	s := d.status(jane)
	// Five are free; a slow machine may see the first waits end.
	if compared < 5 || compared > 8 || s.Failures != compared || locked < 9_000 || !s.LockedUntil.After(time.Now()) {
		t.Errorf("%d compared, %d counted, %d locked out, until %v", compared, s.Failures, locked, s.LockedUntil)
	}
	if grown := int64(after.Sys) - int64(before.Sys); grown > 200<<20 {
		t.Errorf("memory grew by %d MB", grown>>20)
	} else {
		t.Logf("memory grew by %d MB", grown>>20)
	}
}

// T5, ASVS 16.2.5: what a backup (VACUUM INTO) and the errors of a whole life
// hold is no secret in any spelling.
func TestNoSecretInBackup(t *testing.T) {
	inBubble(t, func(d *desk) {
		key, codes := d.enroll(jane, totp.Proof{})
		pass := d.reset(1)
		var said strings.Builder
		for _, err := range []error{d.verify("000000"), d.begin(totp.Proof{Pass: "0"}), d.begin(totp.Proof{})} {
			fmt.Fprintln(&said, err)
		}
		second, more := d.enroll(jane, totp.Proof{Pass: pass})
		time.Sleep(time.Minute)
		for _, err := range []error{d.verify(wrong(second, time.Now())), d.verify(at(second, time.Now())), d.verify(at(second, time.Now())),
			d.verify(more[0]), d.verify(more[0]), d.book.TurnOff(d.Context(), jane, totp.Proof{Code: more[1]})} {
			fmt.Fprintln(&said, err)
		}
		all, err := d.book.History(d.Context(), jane, 100)
		d.must(err)
		fmt.Fprintf(&said, "%+v", all)
		backup := filepath.Join(d.TempDir(), "backup.db")
		d.must(d.exec(`VACUUM INTO '` + backup + `'`))
		text, err := os.ReadFile(backup)
		d.must(err)
		if !strings.Contains(string(text), jane) {
			d.Error("the scan does not see what is there")
		}
		for _, needle := range spellings(d, []totp.Key{key, second}, append(codes, more...), pass) {
			if strings.Contains(string(text), needle) || strings.Contains(said.String(), needle) {
				d.Error("a secret is in the backup, an error or an event")
			}
		}
	})
}
