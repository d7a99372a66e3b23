package review

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// A Backup is a copy of the database that was looked at after it was made.
type Backup struct {
	Path   string    `json:"path"`
	SHA256 string    `json:"sha256"`
	Bytes  int64     `json:"bytes"`
	Audit  AuditHead `json:"audit"`
	At     time.Time `json:"at"`
}

// BackUp copies the database at path into a new file, beside a running desk: the
// copy is one moment of it. It is there whole and sound, or not at all. The keys
// are not in it.
func BackUp(ctx context.Context, path, to string) (b Backup, err error) {
	if _, err := os.Stat(path); err != nil {
		return b, fmt.Errorf("back up: %w", err)
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("back up: %s is there already", to)
	}
	dir, err := os.MkdirTemp(filepath.Dir(to), ".resetdesk-backup-") // only we may look into it
	if err != nil {
		return b, fmt.Errorf("back up: %w", err)
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "desk.db")
	db, err := sql.Open("sqlite", dsn(path, ""))
	if err != nil {
		return b, fmt.Errorf("back up: %w", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, copied); err != nil {
		return b, fmt.Errorf("back up: %w", err)
	}
	if b, err = lookAtCopy(ctx, copied); err != nil {
		return b, fmt.Errorf("back up: the copy is not sound: %w", err)
	}
	if err := settleFile(copied, to); err != nil {
		return b, fmt.Errorf("back up: %w", err)
	}
	b.Path = to
	return b, nil
}

// lookAtCopy asks SQLite and the audit whether a file is a whole desk. It leaves
// nothing beside it.
func lookAtCopy(ctx context.Context, path string) (b Backup, err error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro&immutable=1")
	if err != nil {
		return b, err
	}
	defer db.Close()
	var words string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&words); err != nil {
		return b, fmt.Errorf("%s is no database, or a damaged one: %w", path, err)
	}
	if words != "ok" {
		return b, errors.New(words)
	}
	if err := soundFile(ctx, db); err != nil {
		return b, err
	}
	if b.Audit, err = (&Desk{db: &database{read: db}}).VerifyAudit(ctx); err != nil {
		return b, err
	}
	f, err := os.Open(path)
	if err != nil {
		return b, err
	}
	defer f.Close()
	h := sha256.New()
	if b.Bytes, err = io.Copy(h, f); err != nil {
		return b, err
	}
	b.Path, b.SHA256, b.At = path, encodeBytes(h.Sum(nil)), time.Now().UTC()
	return b, nil
}

// settleFile makes a file durable and gives it its name, which nobody has.
func settleFile(from, to string) error {
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(from, to); err != nil { // unlike a rename it replaces nothing
		return err
	}
	d, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Restore puts a backup in the place of the database at path. It refuses while a
// desk owns the database, and a backup that is not sound or that the keys do not
// open. What was there is kept beside it, under the name that is returned, "" if
// there was nothing.
func Restore(ctx context.Context, backup, path string, keys *totp.Keyring) (b Backup, kept string, err error) {
	if _, err := os.Stat(backup); err != nil {
		return b, "", fmt.Errorf("restore: %w", err)
	}
	if b, err = lookAtCopy(ctx, backup); err != nil {
		return b, "", fmt.Errorf("restore: the backup is not sound: %w", err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".resetdesk-restore-")
	if err != nil {
		return b, "", fmt.Errorf("restore: %w", err)
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "desk.db")
	if err := copyFile(backup, copied); err != nil {
		return b, "", fmt.Errorf("restore: %w", err)
	}
	if err := KeysFit(ctx, copied, keys); err != nil {
		return b, "", fmt.Errorf("restore: %w", err)
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return b, "", fmt.Errorf("restore: %w", err)
	}
	defer lock.Close()
	if kept, err = setAside(path); err != nil {
		return b, "", fmt.Errorf("restore: %w", err)
	}
	if err := settleFile(copied, path); err != nil {
		return b, kept, fmt.Errorf("restore: %w", err)
	}
	return b, kept, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// setAside renames a database together with what has not reached its file yet.
func setAside(path string) (string, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	aside := path + ".before-restore-" + time.Now().UTC().Format("20060102T150405Z")
	for _, end := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(path+end, aside+end); err != nil && !(end != "" && errors.Is(err, fs.ErrNotExist)) {
			return "", err
		}
	}
	return aside, nil
}
