package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A run is what one program took to read a mailbox once.
type run struct {
	Wall, CPU time.Duration
	Wire      int64 // bytes that crossed the link, 0 where none was between
	Mails     int
}

// A reader is a program that reads a mailbox: dir is an empty folder of its own,
// addr where the IMAP server listens.
type reader struct {
	name string
	slow bool // minutes for 10,000 mails: read once, and fewer over the link
	read func(ctx context.Context, s *scene, dir, addr string) (run, error)
}

// command is a reader that ends by itself when everything is fetched. prepare
// writes what the program needs into dir and returns its command line.
func command(name string, slow bool, prepare func(s *scene, dir, host, port string) ([]string, error)) reader {
	return reader{name, slow, func(ctx context.Context, s *scene, dir, addr string) (run, error) {
		host, port, _ := strings.Cut(addr, ":")
		args, err := prepare(s, dir, host, port)
		if err != nil {
			return run{}, err
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir)
		began := time.Now()
		out, err := cmd.CombinedOutput()
		r := used(cmd.ProcessState, time.Since(began))
		if err != nil {
			return r, fmt.Errorf("%s: %w: %s", name, err, tail(out))
		}
		return r, nil
	}}
}

// used reads what a process that has ended consumed, its children included. Its peak
// memory is not there to be read: Linux has a new process begin with its parent's.
func used(p *os.ProcessState, wall time.Duration) run {
	r := run{Wall: wall}
	if p == nil {
		return r
	}
	r.CPU = p.UserTime() + p.SystemTime()
	return r
}

func tail(out []byte) string { return string(out[max(0, len(out)-500):]) }

// mbsync pulls everything into a Maildir.
func mbsync(fsync bool) reader {
	name, word := "mbsync, no fsync", "no"
	if fsync {
		name, word = "mbsync, fsync", "yes"
	}
	return command(name, false, func(s *scene, dir, host, port string) ([]string, error) {
		rc := filepath.Join(dir, "mbsyncrc")
		if err := os.Mkdir(filepath.Join(dir, "mail"), 0o700); err != nil {
			return nil, err
		}
		return []string{"mbsync", "-q", "-q", "-c", rc, "pull"}, os.WriteFile(rc, fmt.Appendf(nil, `FSync %s
IMAPAccount there
Host %s
Port %s
User %s
Pass %s
SSLType None
AuthMechs LOGIN

IMAPStore there
Account there

MaildirStore here
Path %[6]s/mail/
Inbox %[6]s/mail/INBOX

Channel pull
Far :there:
Near :here:
Patterns INBOX
Create Near
Sync Pull
SyncState *
`, word, host, port, s.dovecot.User, s.dovecot.Password, dir), 0o600)
	})
}

// getmail delivers into a Maildir, which it refuses to do as root.
func getmail() reader {
	return command("getmail6", true, func(s *scene, dir, host, port string) ([]string, error) {
		rc := filepath.Join(dir, "getmailrc")
		args := []string{"getmail", "--getmaildir=" + dir, "--rcfile=" + rc}
		if os.Getuid() == 0 {
			args = append([]string{"setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"}, args...)
		}
		err := os.WriteFile(rc, fmt.Appendf(nil, `[retriever]
type = SimpleIMAPRetriever
server = %s
port = %s
username = %s
password = %s
mailboxes = ("INBOX",)
[destination]
type = Maildir
path = %s/mail/
[options]
read_all = true
delete = false
verbose = 0
`, host, port, s.dovecot.User, s.dovecot.Password, dir), 0o600)
		for _, sub := range []string{"mail", "mail/cur", "mail/new", "mail/tmp"} {
			err = errors.Join(err, os.Mkdir(filepath.Join(dir, sub), 0o700))
		}
		for _, path := range []string{"", "getmailrc", "mail", "mail/cur", "mail/new", "mail/tmp"} {
			err = errors.Join(err, s.dovecot.Own(filepath.Join(dir, path)))
		}
		return args, err
	})
}

// fetchmail hands each mail to a program; cat throws it away, which is the least that one can do.
func fetchmail() reader {
	return command("fetchmail", true, func(s *scene, dir, host, port string) ([]string, error) {
		rc := filepath.Join(dir, "fetchmailrc")
		return []string{"fetchmail", "-f", rc, "-s", "--nodetach", "--pidfile", filepath.Join(dir, "pid"), "--idfile", filepath.Join(dir, "ids")},
			os.WriteFile(rc, fmt.Appendf(nil, "poll %s service %s protocol imap auth password user %q password %q keep fetchall sslproto \"\" mda \"cat >/dev/null\"\n",
				host, port, s.dovecot.User, s.dovecot.Password), 0o600)
	})
}

// imaplib is what a careful script does: in batches, and with the bodies of those mails alone whose subject may ask.
func imaplib(name, mode string) reader {
	return command(name, mode == "single", func(s *scene, dir, host, port string) ([]string, error) {
		script := filepath.Join(dir, "read.py")
		return []string{"python3", script, host, port, s.dovecot.User, s.dovecot.Password, mode}, os.WriteFile(script, []byte(imaplibScript), 0o600)
	})
}

const imaplibScript = `import imaplib, sys, hashlib
host, port, user, password, mode = sys.argv[1:]
m = imaplib.IMAP4(host, int(port))
m.login(user, password)
m.select('INBOX', readonly=True)
uids = m.uid('SEARCH', 'ALL')[1][0].split()
digest = hashlib.sha256()
def fetch(part, what):
    for answer in m.uid('FETCH', b','.join(part).decode(), what)[1]:
        if isinstance(answer, tuple):
            yield answer
if mode == 'single':
    for u in uids:
        for a in fetch([u], '(BODY.PEEK[])'):
            digest.update(a[1])
elif mode == 'batch':
    for i in range(0, len(uids), 500):
        for a in fetch(uids[i:i+500], '(BODY.PEEK[])'):
            digest.update(a[1])
else:
    wanted = []
    for i in range(0, len(uids), 500):
        for a in fetch(uids[i:i+500], '(UID BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)])'):
            if b'two-factor' in a[1].lower():
                wanted.append(a[0].split(b'UID ')[1].split()[0])
    for i in range(0, len(wanted), 500):
        for a in fetch(wanted[i:i+500], '(BODY.PEEK[])'):
            digest.update(a[1])
print(len(uids), digest.hexdigest())
m.logout()
`

// ours is resetdesk from a database that knows the accounts and no mail, to the
// moment when every mail has its fate and every request its case, durable.
func ours(ctx context.Context, s *scene, dir, addr string) (run, error) {
	if err := os.CopyFS(dir, os.DirFS(s.template)); err != nil {
		return run{}, err
	}
	for _, secret := range []string{"resetdesk.keys", "password"} { // CopyFS opens them to others
		if err := os.Chmod(filepath.Join(dir, secret), 0o600); err != nil {
			return run{}, err
		}
	}
	config := filepath.Join(dir, "resetdesk.toml")
	if err := s.configure(config, addr); err != nil {
		return run{}, err
	}
	log, err := os.Create(filepath.Join(dir, "serve.log"))
	if err != nil {
		return run{}, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, s.bin, "serve", "-only", "mail", "-config", config)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return run{}, err
	}
	watch, ended := context.WithCancel(ctx)
	exit := make(chan error, 1)
	go func() {
		exit <- cmd.Wait()
		ended()
	}()
	settled, why := s.settled(watch, filepath.Join(dir, "resetdesk.db"))
	wall := settled.Sub(began)
	_ = cmd.Process.Signal(os.Interrupt) // an error means that it has ended, and Wait says how
	err = errors.Join(why, <-exit)
	r := used(cmd.ProcessState, wall)
	if err != nil {
		said, _ := os.ReadFile(log.Name())
		return r, fmt.Errorf("resetdesk: %w: %s", err, tail(said))
	}
	return r, nil
}
