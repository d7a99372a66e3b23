package mailtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
)

// Dovecot is a private instance of the real IMAP server, with one user and a Maildir.
type Dovecot struct {
	User, Password string
	MailDir        string // the Maildir of the INBOX

	dir, addr, path string
	introspection   string // where tokens are looked up, "" for a server that knows passwords alone
	proc            *process
}

// StartDovecot starts an instance whose every file lies in dir, an absolute path. The caller stops it.
func StartDovecot(dir string) (*Dovecot, error) { return StartDovecotOAuth(dir, "") }

// StartDovecotOAuth is StartDovecot for a server that also lets in whom introspection, the address of a token
// introspection endpoint (RFC 7662), vouches for: by XOAUTH2 and OAUTHBEARER.
func StartDovecotOAuth(dir, introspection string) (*Dovecot, error) {
	path, err := lookup("dovecot", "apt-get install dovecot-imapd")
	if err != nil {
		return nil, err
	}
	d := &Dovecot{User: "reset@support.example", Password: "secret", MailDir: filepath.Join(dir, "Maildir"),
		dir: dir, path: path, introspection: introspection}
	if d.addr, err = freeAddr(); err != nil {
		return nil, fmt.Errorf("start dovecot: %w", err)
	}
	if err := d.configure(); err != nil {
		return nil, fmt.Errorf("start dovecot: %w", err)
	}
	if err := d.Start(); err != nil {
		return nil, err
	}
	return d, nil
}

// dovecotConfig is the whole configuration. The login processes run as who started them: nothing here faces strangers.
const dovecotConfig = `base_dir = {dir}/run
state_dir = {dir}/run
log_path = {dir}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = {internal}
default_login_user = {login}
default_internal_group = {group}
first_valid_uid = 1
mail_location = maildir:{dir}/Maildir
mail_fsync = never
mail_max_userip_connections = 100
mailbox_list_index = no
auth_cache_size = 0
auth_failure_delay = 0
{oauth}passdb {
  driver = static
  args = password={password}
}
userdb {
  driver = static
  args = uid={uid} gid={gid} home={dir}/home
}
service imap-login {
  chroot =
  inet_listener imap {
    address = 127.0.0.1
    port = {port}
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`

// oauthConfig is what comes before the password, and tokenConfig the file that it names.
const (
	oauthConfig = `auth_mechanisms = plain xoauth2 oauthbearer
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {dir}/oauth2.conf
}
`
	tokenConfig = `introspection_mode = post
introspection_url = {introspection}
username_attribute = username
active_attribute = active
active_value = true
timeout_msecs = 2000
`
)

func (d *Dovecot) configure() error {
	name, uid, gid, err := owner(d.MailDir, filepath.Join(d.dir, "home"))
	if err != nil {
		return err
	}
	internal, login, group := name, name, fmt.Sprint(gid)
	if os.Getuid() == 0 {
		internal, login, group = "dovecot", "dovenull", "dovecot"
	}
	_, port, _ := strings.Cut(d.addr, ":")
	oauth := ""
	if d.introspection != "" {
		oauth = strings.ReplaceAll(oauthConfig, "{dir}", d.dir)
		tokens := strings.ReplaceAll(tokenConfig, "{introspection}", d.introspection)
		if err := os.WriteFile(filepath.Join(d.dir, "oauth2.conf"), []byte(tokens), 0o644); err != nil {
			return err
		}
	}
	text := strings.NewReplacer("{oauth}", oauth, "{dir}", d.dir, "{internal}", internal, "{login}", login, "{group}", group,
		"{uid}", fmt.Sprint(uid), "{gid}", fmt.Sprint(gid), "{port}", port, "{password}", d.Password,
	).Replace(dovecotConfig)
	return os.WriteFile(filepath.Join(d.dir, "dovecot.conf"), []byte(text), 0o644)
}

// Start starts the instance again after Stop or Kill, on the same port.
func (d *Dovecot) Start() error {
	p, err := launch(d.addr, filepath.Join(d.dir, "output.log"), d.path, "-F", "-c", filepath.Join(d.dir, "dovecot.conf"))
	if err != nil {
		return fmt.Errorf("start dovecot: %w", err)
	}
	d.proc = p
	return nil
}

// Addr is the server's host:port.
func (d *Dovecot) Addr() string { return d.addr }

// Stop ends the instance.
func (d *Dovecot) Stop() error { return d.proc.stop() }

// Kill ends the instance with SIGKILL, as a crash would.
func (d *Dovecot) Kill() error { return d.proc.kill() }

// Freeze stops the instance for a while; its connections stay open and say nothing.
func (d *Dovecot) Freeze(t time.Duration) error { return d.proc.freeze(t) }

// Log is what the server has written so far.
func (d *Dovecot) Log() string {
	b, err := os.ReadFile(filepath.Join(d.dir, "dovecot.log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Deliver puts mails into the INBOX by APPEND, as another client would.
func (d *Dovecot) Deliver(mails ...[]byte) error { return d.DeliverTo("INBOX", mails...) }

// DeliverTo is Deliver into any folder, which is made when it is not there.
func (d *Dovecot) DeliverTo(folder string, mails ...[]byte) (err error) {
	c, err := imapclient.DialInsecure(d.addr, nil)
	if err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Login(d.User, d.Password).Wait(); err != nil {
		return fmt.Errorf("deliver: %w", err)
	}
	if folder != "INBOX" {
		_ = c.Create(folder, nil).Wait() // it may be there
	}
	for _, raw := range mails {
		a := c.Append(folder, int64(len(raw)), nil)
		if _, err := a.Write(raw); err != nil {
			return fmt.Errorf("deliver: %w", err)
		}
		if err := a.Close(); err != nil {
			return fmt.Errorf("deliver: %w", err)
		}
		if _, err := a.Wait(); err != nil {
			return fmt.Errorf("deliver: %w", err)
		}
	}
	return c.Logout().Wait()
}

// RebuildIndex drops what the server knows about the INBOX beside the mails themselves, so that UIDVALIDITY changes and
// UIDs are given anew. Open connections to the folder end.
func (d *Dovecot) RebuildIndex() error { return d.without(nil, "dovecot-uidlist*", "dovecot.index*") }

// DropCache drops what the server remembers of the INBOX, as on the day of its first start; UIDs stay. Open connections
// to the folder end.
func (d *Dovecot) DropCache() error { return d.without(nil, "dovecot.index*") }

// without starts the server again after a change to its files and without some of them.
func (d *Dovecot) without(change func() error, patterns ...string) error {
	if err := d.Stop(); err != nil {
		return err
	}
	if change != nil {
		if err := change(); err != nil {
			return err
		}
	}
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(d.MailDir, pattern))
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				return fmt.Errorf("rebuild index: %w", err)
			}
		}
	}
	return d.Start()
}

// Own gives a file that was put into the Maildir to the mail user.
func (d *Dovecot) Own(path string) error {
	_, uid, gid, err := owner()
	if err != nil {
		return err
	}
	return os.Chown(path, uid, gid)
}
