package mailtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// SMTPSink is Postfix's smtp-sink: a real SMTP server that stores each mail in a file.
type SMTPSink struct {
	addr, dir string
	command   []string
	proc      *process
}

// StartSMTPSink starts a sink that stores in dir, an absolute path. The caller stops it.
func StartSMTPSink(dir string) (*SMTPSink, error) {
	path, err := lookup("smtp-sink", "apt-get install postfix")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, fmt.Errorf("start smtp-sink: %w", err)
	}
	name, _, _, err := owner(filepath.Join(dir, "mails"))
	if err != nil {
		return nil, fmt.Errorf("start smtp-sink: %w", err)
	}
	args := []string{"-d", filepath.Join(dir, "mails") + "/%s.", addr, "100"}
	if os.Getuid() == 0 {
		args = append([]string{"-u", name}, args...)
	}
	s := &SMTPSink{addr: addr, dir: dir, command: append([]string{path}, args...)}
	return s, s.Start()
}

// Start starts the sink again after Stop or Kill, on the same port; it keeps what it has stored.
func (s *SMTPSink) Start() error {
	p, err := launch(s.addr, filepath.Join(s.dir, "output.log"), s.command[0], s.command[1:]...)
	if err != nil {
		return fmt.Errorf("start smtp-sink: %w", err)
	}
	s.proc = p
	return nil
}

// Addr is the server's host:port.
func (s *SMTPSink) Addr() string { return s.addr }

// Stop ends the sink.
func (s *SMTPSink) Stop() error { return s.proc.stop() }

// Kill ends the sink with SIGKILL, as a crash would.
func (s *SMTPSink) Kill() error { return s.proc.kill() }

// Freeze stops the sink for a while; its connections stay open and say nothing.
func (s *SMTPSink) Freeze(t time.Duration) error { return s.proc.freeze(t) }

// Mails are the mails stored so far, each as the sink wrote it: its own X- fields with the envelope, then the letter
// with LF line ends.
func (s *SMTPSink) Mails() ([][]byte, error) { return readAll(filepath.Join(s.dir, "mails")) }

// readAll reads every file of a folder in name order.
func readAll(dir string) ([][]byte, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sort.Slice(files, func(i, j int) bool { return files[i].Name() < files[j].Name() })
	var all [][]byte
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the server takes back the file of a mail that was cut off
		}
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// Postfix is a private instance of the real mail server with its real queue. It takes mail for every address and
// delivers all of it into one Maildir.
type Postfix struct {
	MailDir string

	addr string
	proc *process
}

// StartPostfix starts an instance whose every file lies in dir, an absolute path. It needs root, as Postfix's master
// does. The caller stops it.
func StartPostfix(dir string) (*Postfix, error) {
	path, err := lookup("master", "apt-get install postfix")
	if err != nil {
		return nil, err
	}
	if os.Getuid() != 0 {
		return nil, fmt.Errorf("start postfix: only root can: use StartSMTPSink")
	}
	p := &Postfix{MailDir: filepath.Join(dir, "mail", "in")}
	if p.addr, err = freeAddr(); err != nil {
		return nil, fmt.Errorf("start postfix: %w", err)
	}
	if err := p.configure(dir, filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("start postfix: %w", err)
	}
	p.proc, err = launch(p.addr, filepath.Join(dir, "output.log"), path, "-d", "-c", filepath.Join(dir, "conf"))
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "postfix.log"))
		return nil, fmt.Errorf("start postfix: %w %s", err, log)
	}
	return p, nil
}

const postfixMain = `compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
maillog_file =
syslog_name = mailtest
myhostname = mailtest.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps =
smtpd_tls_security_level = none
smtputf8_enable = no
virtual_mailbox_domains = static:all
virtual_mailbox_base = {dir}/mail
virtual_mailbox_maps = static:in/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_transport = virtual
in_flow_delay = 0
`

const postfixMaster = `{addr} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

func (p *Postfix) configure(dir, daemons string) error {
	_, uid, gid, err := owner(filepath.Join(dir, "mail"))
	if err != nil {
		return err
	}
	fill := strings.NewReplacer("{dir}", dir, "{daemons}", daemons, "{addr}", p.addr,
		"{uid}", fmt.Sprint(uid), "{gid}", fmt.Sprint(gid))
	conf := filepath.Join(dir, "conf")
	if err := os.MkdirAll(conf, 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"main.cf": postfixMain, "master.cf": postfixMaster} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(fill.Replace(text)), 0o644); err != nil {
			return err
		}
	}
	return p.queue(dir)
}

// queue makes the queue's folders, with the owners that Postfix insists on.
func (p *Postfix) queue(dir string) error {
	uid, gid, drop, err := postfixIDs()
	if err != nil {
		return err
	}
	q := filepath.Join(dir, "queue")
	for _, d := range []struct {
		name     string
		mode     os.FileMode
		uid, gid int
	}{
		{"", 0o755, 0, 0}, {"pid", 0o755, 0, 0}, {"active", 0o700, uid, 0}, {"bounce", 0o700, uid, 0},
		{"corrupt", 0o700, uid, 0}, {"defer", 0o700, uid, 0}, {"deferred", 0o700, uid, 0}, {"flush", 0o700, uid, 0},
		{"hold", 0o700, uid, 0}, {"incoming", 0o700, uid, 0}, {"private", 0o700, uid, 0}, {"saved", 0o700, uid, 0},
		{"trace", 0o700, uid, 0}, {"maildrop", 0o730, uid, drop}, {"public", 0o710, uid, drop}, {"../data", 0o700, uid, gid},
	} {
		path := filepath.Join(q, d.name)
		if err := os.MkdirAll(path, d.mode); err != nil {
			return err
		}
		if err := os.Chmod(path, d.mode); err != nil {
			return err
		}
		if err := os.Chown(path, d.uid, d.gid); err != nil {
			return err
		}
	}
	return nil
}

// Addr is the server's host:port.
func (p *Postfix) Addr() string { return p.addr }

// Stop ends the instance.
func (p *Postfix) Stop() error { return p.proc.stop() }

// Mails are the mails delivered so far, with the fields Postfix adds and LF line ends.
func (p *Postfix) Mails() ([][]byte, error) {
	all, err := readAll(filepath.Join(p.MailDir, "new"))
	if os.IsNotExist(err) {
		return nil, nil
	}
	for i := range all {
		all[i] = bytes.ReplaceAll(all[i], []byte("\r\n"), []byte("\n"))
	}
	return all, err
}
