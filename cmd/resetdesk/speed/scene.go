package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	_ "modernc.org/sqlite"
)

// A scene is what stands around the readers: a Dovecot with a corpus, a mail
// server that takes letters, a name server with the senders' keys, and the
// program with a database that knows the accounts.
type scene struct {
	*corpus
	dir, bin, template string
	dovecot            *mailtest.Dovecot
	sink               *mailtest.SMTPSink
	dns                string
	stopDNS            func()
}

func newScene(ctx context.Context, dir, bin string, mails int, seed uint64) (s *scene, err error) {
	s = &scene{dir: dir, bin: bin, template: filepath.Join(dir, "template")}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dovecot, err = mailtest.StartDovecot(filepath.Join(dir, "dovecot")); err != nil {
		return nil, err
	}
	if s.sink, err = mailtest.StartSMTPSink(filepath.Join(dir, "sink")); err != nil {
		return nil, err
	}
	if s.corpus, err = fill(s.dovecot, mails, seed); err != nil {
		return nil, fmt.Errorf("make the corpus: %w", err)
	}
	if s.dns, s.stopDNS, err = s.zone.Serve(); err != nil {
		return nil, err
	}
	return s, s.prepare(ctx)
}

func (s *scene) close() {
	if s.stopDNS != nil {
		s.stopDNS()
	}
	if s.sink != nil {
		_ = s.sink.Stop()
	}
	if s.dovecot != nil {
		_ = s.dovecot.Stop()
	}
}

// prepare makes the folder that every run of ours begins with.
func (s *scene) prepare(ctx context.Context) error {
	if err := os.MkdirAll(s.template, 0o700); err != nil {
		return err
	}
	config, accounts := filepath.Join(s.template, "resetdesk.toml"), filepath.Join(s.template, "accounts.csv")
	if err := s.configure(config, s.dovecot.Addr()); err != nil {
		return err
	}
	for name, text := range map[string]string{accounts: s.csv.String(), filepath.Join(s.template, "password"): s.dovecot.Password + "\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"init", "-dir", s.template}, {"accounts", "import", accounts, "-config", config}} {
		if out, err := exec.CommandContext(ctx, s.bin, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("resetdesk %s: %w: %s", args[0], err, tail(out))
		}
	}
	return nil
}

func (s *scene) configure(path, imap string) error {
	host, port, err := net.SplitHostPort(imap)
	if err != nil {
		return err
	}
	_, smtp, err := net.SplitHostPort(s.sink.Addr())
	if err != nil {
		return err
	}
	return os.WriteFile(path, fmt.Appendf(nil, `[server]
listen = "127.0.0.1:0"
base_url = "https://reset.host.example"
brand = "Example"
[database]
path = "resetdesk.db"
[keys]
file = "resetdesk.keys"
[mailbox]
host = %q
port = %s
security = "plain"
user = %q
password_file = "password"
addresses = ["support@host.example"]
backlog = "open"
[smtp]
host = "127.0.0.1"
port = %s
security = "plain"
from = "Example Support <support@host.example>"
[dns]
resolver = %q
`, host, port, s.dovecot.User, smtp, s.dns), 0o600)
}

// settled waits until every mail has its fate and every request its case, and
// says when that was. It reads the file as anybody could, by plain SQL.
func (s *scene) settled(ctx context.Context, file string) (time.Time, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(5000)")
	if err != nil {
		return time.Now(), err
	}
	defer db.Close()
	var received, waiting, cases int
	for {
		err := db.QueryRowContext(ctx, `SELECT (SELECT coalesce(sum(received), 0) FROM mail_tally),
			(SELECT count(*) FROM inbound WHERE fate IS NULL), (SELECT count(*) FROM reset_case)`).Scan(&received, &waiting, &cases)
		if err == nil && received >= s.Mails && waiting == 0 {
			if received != s.Mails || cases != s.Requests {
				return time.Now(), fmt.Errorf("%d of %d mails and %d of %d requests arrived", received, s.Mails, cases, s.Requests)
			}
			return time.Now(), nil
		}
		select {
		case <-ctx.Done():
			return time.Now(), fmt.Errorf("%w with %d of %d mails, %d without fate, %d of %d cases (%v)", ctx.Err(), received, s.Mails, waiting, cases, s.Requests, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
