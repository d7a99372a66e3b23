package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mailOf is a mail with the given header lines and body, CRLF throughout.
func mailOf(body string, header ...string) []byte {
	return []byte(strings.Join(header, "\r\n") + "\r\n\r\n" + body)
}

// nested is a multipart mail with that many levels.
func nested(depth int) []byte {
	var b bytes.Buffer
	b.WriteString("From: admin@company0.example\r\nTo: support@host.example\r\nSubject: 2FA reset for user0\r\nMessage-ID: <nested@mail.example>\r\nDate: " +
		time.Now().Format(time.RFC1123Z) + "\r\nMIME-Version: 1.0\r\n")
	for i := range depth {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("Content-Type: text/plain\r\n\r\nreset user0\r\n")
	return b.Bytes()
}

// Bad input is normal input: each mail gets a visible fate, and the next one is
// processed. All of it goes through the real program and a real Dovecot.
func TestBadMail(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.start()
	w.ready()
	w.awaitFirstLook()
	const from, to = "From: admin@company0.example", "To: support@host.example"
	date := "Date: " + time.Now().Format(time.RFC1123Z)
	subject := "Subject: 2FA reset for user0"
	bad := []struct {
		name, fate string
		raw        []byte
	}{
		{"two From fields", "quarantined", mailOf("Please reset the 2FA of user0, phone lost.", from, "From: b@elsewhere.example", to, subject, date)},
		{"no From", "quarantined", mailOf("Please reset the 2FA of user0, phone lost.", to, subject, date)},
		{"8-bit subject", "parked", mailOf("Greetings.", from, to, "Subject: Gr\xfc\xdfe aus M\xfcnchen", date, "Message-ID: <8bit@mail.example>")},
		{"10,000 levels of MIME", "", nested(10000)},
		{"empty mail", "", []byte("")},
		{"60 MB", "", append(mailOf("Please reset the 2FA of user0.\r\n", from, to, subject, date, "Message-ID: <big@mail.example>"), bytes.Repeat([]byte("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"), 60<<20/76)...)},
		{"a lone NUL and bare line feeds", "", []byte("From: admin@company0.example\nSubject: 2FA \x00reset\n\nuser0\n")},
	}
	for i, b := range bad {
		w.drop(b.name, b.raw)
		fate := w.fateOf(i + 1)
		if b.fate != "" && fate != b.fate {
			t.Errorf("%s: fate %q, want %q", b.name, fate, b.fate)
		}
		t.Logf("%s: %s", b.name, fate)
	}
	if rss := peakMemory(t, w.cmd.Process.Pid); rss > 160<<20 {
		t.Errorf("peak memory %d MB with a 60 MB mail: it was not streamed", rss>>20)
	} else {
		t.Logf("peak memory %d MB", rss>>20)
	}
	if err := w.dovecot.Deliver(requestMail(0, "good@mail.example")); err != nil {
		t.Fatal(err)
	}
	if fate := w.fateOf(len(bad) + 1); fate != "case" && fate != "attached" {
		t.Errorf("the good mail after them: fate %q", fate)
	}
	w.stop()
}

// drop puts a mail into the mailbox. An empty one comes as a file: no server
// takes it by APPEND.
func (w *world) drop(name string, raw []byte) {
	w.t.Helper()
	if len(raw) > 0 {
		if err := w.dovecot.Deliver(raw); err != nil {
			w.t.Fatalf("%s: %v", name, err)
		}
		return
	}
	path := filepath.Join(w.dovecot.MailDir, "new", "1795428000.M1P1.empty")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), w.dovecot.Own(path)); err != nil {
		w.t.Fatalf("%s: %v", name, err)
	}
}

// awaitFirstLook waits until the folder has been looked at, so that mail which
// comes now is no backlog.
func (w *world) awaitFirstLook() {
	w.t.Helper()
	db := w.plainSQL()
	await(w.t, "the first look at the folder", 30*time.Second, func() bool {
		var n int
		return db.QueryRow(`SELECT count(*) FROM cursor`).Scan(&n) == nil && n == 1
	})
}

// fateOf waits for the n-th mail's fate.
func (w *world) fateOf(n int) (fate string) {
	w.t.Helper()
	db := w.plainSQL()
	await(w.t, fmt.Sprintf("the fate of mail %d", n), 60*time.Second, func() bool {
		return db.QueryRow(`SELECT fate FROM inbound WHERE fate IS NOT NULL ORDER BY id LIMIT 1 OFFSET $1`, n-1).Scan(&fate) == nil
	})
	return fate
}

// peakMemory is the highest resident size of a process so far, in bytes.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		missing(t, fmt.Errorf("no /proc here: %w", err))
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// A mailbox that is recreated gives every mail a new UIDVALIDITY and UID: no
// request is lost and none is doubled.
func TestRecreatedMailbox(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.start()
	w.ready()
	w.awaitFirstLook()
	if err := w.dovecot.Deliver(requestMail(0, "before@mail.example")); err != nil {
		t.Fatal(err)
	}
	w.fateOf(1)
	if err := w.dovecot.RebuildIndex(); err != nil {
		t.Fatal(err)
	}
	if err := w.dovecot.Deliver(requestMail(1, "after@mail.example")); err != nil {
		t.Fatal(err)
	}
	db := w.plainSQL()
	await(t, "the request after the rebuild", 90*time.Second, func() bool {
		var n int
		return db.QueryRow(`SELECT count(*) FROM reset_case WHERE user_id = 'U-1'`).Scan(&n) == nil && n == 1
	})
	var cases, letters int
	if err := db.QueryRow(`SELECT (SELECT count(*) FROM reset_case), (SELECT count(*) FROM letter WHERE recipient = 'admin@company0.example' AND case_id IS NOT NULL)`).Scan(&cases, &letters); err != nil {
		t.Fatal(err)
	}
	if cases != 2 || letters != 1 {
		t.Errorf("%d cases and %d letters to the first admin, want 2 and 1", cases, letters)
	}
	w.stop()
}

// A wrong mailbox password is said in words on the queue page, and mends
// without a restart when the password file does.
func TestWrongPassword(t *testing.T) {
	w := newWorld(t, 1, 1)
	file := filepath.Join(w.dir, "password")
	// The private Dovecot has one password for everybody, so a wrong one is refused.
	if err := os.WriteFile(file, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.ready()
	page := ""
	await(t, "the refusal on the queue page", 30*time.Second, func() bool {
		_, page, _ = w.get("/", w.reviewers[0])
		return strings.Contains(strings.ToLower(page), "refused")
	})
	if strings.Contains(w.logTail(), "wrong") && strings.Contains(w.logTail(), "password=wrong") {
		t.Error("the password is in the log")
	}
	if err := os.WriteFile(file, []byte(w.dovecot.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.awaitFirstLook()
	w.stop()
}

// While the SMTP server is away, letters wait; nothing is lost, and they go out
// when it is back. The page says what is wrong.
func TestSMTPAway(t *testing.T) {
	w := newWorld(t, 1, 1)
	if err := w.sink.Stop(); err != nil {
		t.Fatal(err)
	}
	w.start()
	w.ready()
	w.awaitFirstLook()
	if err := w.dovecot.Deliver(requestMail(0, "away@mail.example")); err != nil {
		t.Fatal(err)
	}
	if fate := w.fateOf(1); fate != "case" {
		t.Fatalf("fate %q", fate)
	}
	await(t, "the trouble on the queue page", 30*time.Second, func() bool {
		_, page, _ := w.get("/", w.reviewers[0])
		return strings.Contains(page, "Outgoing mail:")
	})
	var queued int
	if err := w.plainSQL().QueryRow(`SELECT count(*) FROM letter WHERE state = 'queued' AND attempt > 0`).Scan(&queued); err != nil || queued == 0 {
		t.Errorf("%d letters wait, %v", queued, err)
	}
	w.stop()
}

// On a full disk the program says so and takes no mail; the mail stays on the
// server, and the work goes on when there is space again.
func TestFullDisk(t *testing.T) {
	w := newWorld(t, 3, 1)
	disk := filepath.Join(w.dir, "disk")
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=3m"); err != nil {
		missing(t, fmt.Errorf("a small disk needs root: %w", err))
	}
	t.Cleanup(func() {
		w.kill()
		syscall.Unmount(disk, 0)
	})
	w.moveDatabase(disk)
	w.start()
	w.ready()
	await(t, "the first look", 30*time.Second, func() bool { return strings.Contains(w.sqlOn(disk, `SELECT count(*) FROM cursor`), "1") })
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	if err := w.dovecot.Deliver(requestMail(0, "full@mail.example")); err != nil {
		t.Fatal(err)
	}
	await(t, "the full disk in the log", 60*time.Second, func() bool { return strings.Contains(w.logTail(), "full") })
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	await(t, "the case after space came back", 3*time.Minute, func() bool {
		return w.sqlOn(disk, `SELECT count(*) FROM reset_case WHERE user_id = 'U-0'`) == "1"
	})
	if got := w.sqlOn(disk, `PRAGMA integrity_check`); got != "ok" {
		t.Errorf("integrity check: %s", got)
	}
	w.stop()
}

func (w *world) moveDatabase(dir string) {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "desk.db*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(f)), b, 0o600)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	text, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`path = "desk.db"`), []byte(fmt.Sprintf("path = %q", filepath.Join(dir, "desk.db"))), 1)
	if err := os.WriteFile(w.config, text, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
}
