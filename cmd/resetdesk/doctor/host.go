package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/resetdesk/resetdesk"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

func (s *Subject) checkConfig(context.Context) Finding {
	if s.Accounts != "" {
		file, err := os.Open(s.Accounts)
		if err != nil {
			return fail("mend accounts.file, or put the file there", "%s: accounts file: %v", s.Config, err)
		}
		defer file.Close()
		if _, err := review.ReadAccounts(file); err != nil {
			return fail("mend the accounts file; nothing of it is imported until then", "%s: %v", s.Accounts, err)
		}
	}
	return ok("%s (%d keys set)", s.Config, s.Keys)
}

// checkFiles looks at who else can read secrets or change what the desk
// believes.
func (s *Subject) checkFiles(context.Context) Finding {
	found := ok("only the owner and the group can read the secrets")
	look := func(path, what string, forbidden fs.FileMode, mode string) {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && what == "database":
			return
		case err != nil:
			found = worse(found, fail("put the file there, or name it right in the configuration", "%s: %v", what, err))
		case info.Mode().IsRegular() && info.Mode().Perm()&forbidden != 0:
			found = worse(found, fail(fmt.Sprintf("chmod %s %s", mode, path), "%s %s is open to others (mode %04o)", what, path, info.Mode().Perm()))
		default:
			found.Detail = append(found.Detail, fmt.Sprintf("%s %s, mode %04o", what, path, info.Mode().Perm()))
		}
	}
	look(s.Config, "configuration", 0o022, "go-w")
	look(s.KeyFile, "key file", 0o027, "600")
	look(s.Database, "database", 0o007, "o=")
	for _, secret := range s.Secrets {
		look(secret, "secret file", 0o007, "o=")
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(s.Database), &disk); err == nil {
		free := disk.Bavail * uint64(disk.Bsize)
		found.Detail = append(found.Detail, fmt.Sprintf("%d MB free beside the database", free>>20))
		if free < 200<<20 {
			found = worse(found, warn("make space on that disk", "only %d MB are free in %s; mail waits in the mailbox when it is full", free>>20, filepath.Dir(s.Database)))
		}
	}
	return found
}

func (s *Subject) checkKeys(ctx context.Context) Finding {
	const fix = "restore the key file that was made with this database; never make a new one for an old database"
	keys, err := totp.LoadKeyring(s.KeyFile)
	if err != nil {
		return fail(fix, "%v", err)
	}
	switch err := review.KeysFit(ctx, s.Database, keys); {
	case errors.Is(err, fs.ErrNotExist):
		return ok("%s can be read", s.KeyFile)
	case err != nil:
		return fail(fix, "%v", err)
	}
	return ok("%s opens the database", s.KeyFile)
}

func (s *Subject) checkDatabase(ctx context.Context) Finding {
	v, err := review.ViewFile(ctx, s.Database)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail("resetdesk init -dir "+filepath.Dir(s.Config)+" -admin you@your.domain", "%s is not there yet", s.Database)
	case err != nil:
		return fail("restore the newest backup (manual: Backup and restore)", "%s: %v", s.Database, err)
	case v.Reviewers == 0:
		return warn("resetdesk init -dir "+filepath.Dir(s.Config)+" -admin you@your.domain, then open the link", "schema %d, sound, but nobody can sign in yet", resetdesk.Version)
	case v.Accounts == 0:
		return warn("resetdesk accounts import accounts.csv -config "+s.Config, "schema %d, sound, but it knows no account: every mail is a stranger's", resetdesk.Version)
	}
	found := ok("schema %d, sound; %d %s, %d %s", resetdesk.Version, v.Accounts, plural(v.Accounts, "account"), v.Reviewers, plural(v.Reviewers, "reviewer"))
	if age := s.Now().Sub(v.UnreadAt); v.Unread > 0 && age > 2*time.Hour {
		return warn("look into the log of serve, and whether DNS answers", "%d %s without a fate, the oldest since %s", v.Unread, plural(v.Unread, "mail"), span(age))
	}
	return found
}

func (s *Subject) checkAudit(ctx context.Context) Finding {
	v, err := review.ViewFile(ctx, s.Database)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warn("see check 4", "there is no database yet")
	case err != nil:
		return fail("see check 4", "the database cannot be read")
	case v.Verified != nil:
		return fail("keep the file as evidence, restore a backup, and ask who changed it", "%v", v.Verified)
	}
	return ok("%d %s whole, head %.16s…", v.Audit.Seq, plural(int(v.Audit.Seq), "event"), v.Audit.Hash)
}

func (s *Subject) checkOutbox(ctx context.Context) Finding {
	v, err := review.ViewFile(ctx, s.Database)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return warn("see check 4", "there is no database yet")
	case err != nil:
		return fail("see check 4", "the database cannot be read")
	case v.Letters == 0:
		return ok("none")
	}
	age := s.Now().Sub(v.LetterAt)
	found := ok("%d, the oldest since %s", v.Letters, span(age))
	if age > 10*time.Minute {
		found = warn("see check 9, and that serve runs", "%s", found.Text)
	}
	return found
}

// span is a duration for people, in its largest unit or two.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
