package mailtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// process is a server that was started here. It runs in a process group of its own, so that ending it ends its
// children and nothing else.
type process struct {
	cmd  *exec.Cmd
	dead chan struct{} // closed once the process has been reaped
}

// launch starts name in the foreground and waits until addr accepts connections.
func launch(addr, output, name string, args ...string) (*process, error) {
	out, err := os.OpenFile(output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, dead: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is of no interest: it was told to
		close(p.dead)
	}()
	if err := p.ready(addr); err != nil {
		said, _ := os.ReadFile(output)
		return nil, errors.Join(fmt.Errorf("%s: %w: %s", filepath.Base(name), err, said), p.stop())
	}
	return p, nil
}

func (p *process) ready(addr string) error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.dead:
			return errors.New("ended at once")
		default:
		}
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			return c.Close()
		}
	}
	return errors.New("does not answer")
}

// stop ends the process and its children: politely, then not.
func (p *process) stop() error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.dead:
	case <-time.After(3 * time.Second):
	}
	return p.kill()
}

// kill ends the process and its children without warning, and returns when none of
// them is left: one that still listens would keep the server from starting again.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.dead
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		// Again, for a child that was being made while the others were killed.
		if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); errors.Is(err, syscall.ESRCH) {
			return nil
		}
	}
	return fmt.Errorf("process group %d outlives SIGKILL", p.cmd.Process.Pid)
}

// freeze stops the process and its children for a while, as a machine does that has no time for them.
func (p *process) freeze(d time.Duration) error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(d)
	return p.signal(syscall.SIGCONT)
}

func (p *process) signal(s syscall.Signal) error {
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal process group %d: %w", p.cmd.Process.Pid, err)
	}
	return nil
}

// freeAddr is a loopback address that nothing listens on at the moment.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// lookup finds a server's program, in the places that are not on every PATH too.
func lookup(name, install string) (string, error) {
	for _, dir := range []string{"", "/usr/sbin", "/usr/local/sbin", "/usr/lib/postfix/sbin", "/usr/libexec/postfix"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed; on Debian: %s", name, install)
}

// owner is who owns the mails: the present user, or nobody when that is root, whom mail servers refuse.
func owner(dirs ...string) (name string, uid, gid int, err error) {
	u, err := user.Current()
	if err != nil {
		return "", 0, 0, err
	}
	if u.Uid == "0" {
		if u, err = user.Lookup("nobody"); err != nil {
			return "", 0, 0, err
		}
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return "", 0, 0, err
	}
	if gid, err = strconv.Atoi(u.Gid); err != nil {
		return "", 0, 0, err
	}
	for _, d := range dirs {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return "", 0, 0, err
		}
		if err := reachable(filepath.Dir(d)); err != nil {
			return "", 0, 0, err
		}
		if err := os.Chown(d, uid, gid); err != nil {
			return "", 0, 0, err
		}
	}
	return u.Username, uid, gid, nil
}

// reachable lets every user pass through dir and what is above it, but not list it, as far as it lies in the folder for
// temporary files and belongs to us: a test's folder is closed to all others.
func reachable(dir string) error {
	for top := filepath.Clean(os.TempDir()); dir != top && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if rel, err := filepath.Rel(top, dir); err != nil || !filepath.IsLocal(rel) {
			return nil
		}
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o011 != 0o011 {
			if err := os.Chmod(dir, mode|0o011); err != nil {
				return err
			}
		}
	}
	return nil
}

// postfixIDs are the user and group that Debian's package made for Postfix, and the group that may drop mail.
func postfixIDs() (uid, gid, drop int, err error) {
	u, err := user.Lookup("postfix")
	if err != nil {
		return 0, 0, 0, err
	}
	g, err := user.LookupGroup("postdrop")
	if err != nil {
		return 0, 0, 0, err
	}
	uid, err = strconv.Atoi(u.Uid)
	if err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	if err == nil {
		drop, err = strconv.Atoi(g.Gid)
	}
	return uid, gid, drop, err
}
