package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// python is Debian's, which has the modules of getmail, and starts without a detour.
const python = "/usr/bin/python3"

// mbsync pulls everything into a Maildir.
func mbsync(fsync bool) reader {
	name, word := "mbsync-no-fsync", "no"
	if fsync {
		name, word = "mbsync-fsync", "yes"
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

// getmailScript runs getmail with one fault of it mended. It forks for each mail, and a
// child that ends before it is waited for has notified nobody: getmail waits for the
// rest of three minutes and gives up. Here it looks again whether the child is there.
const getmailScript = `import runpy, shutil, time
from getmailcore.baseclasses import ForkingBase
waiting = ForkingBase._wait_for_child
def wait_for_child(self, pid):
    done = self._ForkingBase__child_exited
    once = done.wait
    def wait(limit):
        end = time.monotonic() + limit
        while not self._ForkingBase__child_pid and time.monotonic() < end:
            once(0.002)
        return bool(self._ForkingBase__child_pid)
    done.wait = wait
    return waiting(self, pid)
ForkingBase._wait_for_child = wait_for_child
runpy.run_path(shutil.which('getmail'), run_name='__main__')
`

// getmail delivers into a Maildir, which it refuses to do as root.
func getmail() reader {
	return command("getmail6", true, func(s *scene, dir, host, port string) ([]string, error) {
		rc := filepath.Join(dir, "getmailrc")
		if _, err := exec.LookPath("getmail"); err != nil {
			return nil, err
		}
		script := filepath.Join(dir, "getmail.py")
		args := []string{python, script, "--getmaildir=" + dir, "--rcfile=" + rc}
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
		err = errors.Join(err, os.WriteFile(script, []byte(getmailScript), 0o644))
		for _, sub := range []string{"mail", "mail/cur", "mail/new", "mail/tmp"} {
			err = errors.Join(err, os.Mkdir(filepath.Join(dir, sub), 0o700))
		}
		for _, path := range []string{"", "getmailrc", "getmail.py", "mail", "mail/cur", "mail/new", "mail/tmp"} {
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
		return []string{python, script, host, port, s.dovecot.User, s.dovecot.Password, mode}, os.WriteFile(script, []byte(imaplibScript), 0o600)
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
