package review

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/mailbox/bounce"
	"github.com/resetdesk/resetdesk/mailbox/message"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review/intent"
	"github.com/resetdesk/resetdesk/totp"
)

var _ mailbox.Inbox = (*Desk)(nil)

// Resume returns the last committed position of a folder.
func (d *Desk) Resume(ctx context.Context, s mailbox.Source) (mailbox.Cursor, error) {
	var c mailbox.Cursor
	err := d.db.read.QueryRowContext(ctx, `SELECT uidvalidity, uid, backlog FROM cursor WHERE mailbox = $1 AND folder = $2`,
		s.Mailbox, s.Folder).Scan(&c.UIDValidity, &c.UID, &c.Backlog)
	if errors.Is(err, sql.ErrNoRows) {
		return mailbox.Cursor{}, nil
	}
	if err != nil {
		return mailbox.Cursor{}, fmt.Errorf("resume %s: %w", s.Folder, err)
	}
	return c, nil
}

// A mail that the server did not hand out is missing again from a minute after that, so
// that it is not asked for at once, for a week: the watcher's own plan to ask for it ends
// with the process.
const missingFrom, missingFor = time.Minute, 7 * 24 * time.Hour

// Missing returns those of uids that have no row, or one without the mail. The unique
// index of the identity answers it, and that of the fates, which are few.
func (d *Desk) Missing(ctx context.Context, s mailbox.Source, uidvalidity uint32, uids []uint32) ([]uint32, error) {
	if len(uids) == 0 {
		return nil, nil
	}
	now := time.Now()
	rows, err := d.db.read.QueryContext(ctx, `SELECT uid FROM inbound WHERE mailbox = $1 AND folder = $2 AND uidvalidity = $3
		AND uid >= $4 AND uid <= $5 AND uid NOT IN (SELECT uid FROM inbound u WHERE fate = 'unfetchable' AND raw IS NULL AND reuse = 0
			AND fated_at BETWEEN $6 AND $7 AND mailbox = $1 AND folder = $2 AND uidvalidity = $3
			AND NOT EXISTS (SELECT 1 FROM inbound WHERE mailbox = $1 AND folder = $2 AND uidvalidity = $3 AND uid = u.uid AND reuse > 0))
		ORDER BY uid`,
		s.Mailbox, s.Folder, uidvalidity, uids[0], uids[len(uids)-1], micros(now.Add(-missingFor)), micros(now.Add(-missingFrom)))
	if err != nil {
		return nil, fmt.Errorf("find missing mails: %w", err)
	}
	defer rows.Close()
	var missing []uint32
	for rows.Next() {
		var have uint32
		if err := rows.Scan(&have); err != nil {
			return nil, fmt.Errorf("find missing mails: %w", err)
		}
		for len(uids) > 0 && uids[0] < have {
			missing, uids = append(missing, uids[0]), uids[1:]
		}
		if len(uids) > 0 && uids[0] == have {
			uids = uids[1:]
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("find missing mails: %w", err)
	}
	return append(missing, uids...), nil
}

// Looked records that a folder was looked at, for those who only see the
// database: a report, the doctor.
func (d *Desk) Looked(ctx context.Context, s mailbox.Source) error {
	return d.update(ctx, "record a look at the mailbox", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE cursor SET looked_at = $3 WHERE mailbox = $1 AND folder = $2`, s.Mailbox, s.Folder, micros(time.Now()))
		return err
	})
}

// Latest returns the mails received last at or below uid, ascending. The unique index
// of the identity is walked backwards.
func (d *Desk) Latest(ctx context.Context, s mailbox.Source, uidvalidity, uid uint32, n int) ([]mailbox.Mail, error) {
	rows, err := d.db.read.QueryContext(ctx, `SELECT uid, reuse, internal_date, header FROM inbound
		WHERE mailbox = $1 AND folder = $2 AND uidvalidity = $3 AND uid <= $4 ORDER BY uid DESC, reuse DESC LIMIT $5`,
		s.Mailbox, s.Folder, uidvalidity, uid, n)
	if err != nil {
		return nil, fmt.Errorf("latest mails of %s: %w", s.Folder, err)
	}
	defer rows.Close()
	var mails []mailbox.Mail
	for rows.Next() {
		var m mailbox.Mail
		var date int64
		if err := rows.Scan(&m.UID, &m.Reuse, &date, &m.Header); err != nil {
			return nil, fmt.Errorf("latest mails of %s: %w", s.Folder, err)
		}
		m.InternalDate = time.UnixMicro(date)
		mails = append(mails, m)
	}
	slices.Reverse(mails)
	return mails, rows.Err()
}

// headersAtOnce is how many headers are looked up in one snapshot: a long one
// would keep the database from forgetting old pages.
const headersAtOnce = 16

// judges is how many snapshots are under way at a time. Pages share the readers.
const judges = 2

// Concerns tells which headers may concern us: an address of ours to guard
// anywhere in the header, or one that imitates it among those that name a
// sender; a contact, while there is something to object to, as its sender; our token; or a subject that smells of 2FA (design 2, promise 1). Only
// those bodies are read.
func (d *Desk) Concerns(ctx context.Context, _ mailbox.Source, headers [][]byte) ([]bool, error) {
	concerns := make([]bool, len(headers))
	var taken atomic.Int64
	var errs [judges]error
	var all sync.WaitGroup
	for j := range judges {
		all.Go(func() {
			for errs[j] == nil {
				end := int(taken.Add(headersAtOnce))
				start := end - headersAtOnce
				if end = min(end, len(headers)); start >= end {
					return
				}
				errs[j] = d.concern(ctx, headers[start:end], concerns[start:end])
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return concerns, nil
}

// concern notes which of a few headers concern us, in one snapshot.
func (d *Desk) concern(ctx context.Context, headers [][]byte, concerns []bool) error {
	named := map[int]names{} // by header, of those whose words say nothing
	var all, claimed []string
	for i, h := range headers {
		if concerns[i] = wordsConcern(h); concerns[i] {
			continue
		}
		if n := namesIn(h); len(n.all) > 0 {
			named[i] = n
			all, claimed = append(all, n.all...), append(claimed, n.claimed...)
		}
	}
	return d.snapshot(ctx, "choose mails", func(tx *sql.Tx) error {
		near := newLikeness(tx)
		if err := near.lookUp(ctx, append(all, claimed...)); err != nil {
			return err
		}
		if err := near.inhabited(ctx, claimed); err != nil {
			return err
		}
		for i, n := range named {
			registered, err := near.registeredFor(ctx, n)
			if err != nil {
				return err
			}
			concerns[i] = len(registered) > 0
			if onFile := slices.DeleteFunc(n.claimed, near.isNowhere); !concerns[i] && len(onFile) > 0 {
				if concerns[i], err = fromContact(ctx, tx, onFile); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// wordsConcern reports whether a header concerns us whoever it names.
func wordsConcern(header []byte) bool {
	subject := message.Subject(header)
	return intent.SmellsOf2FA(subject) || bounce.Smells(header) || bytes.Contains(header, []byte(bounce.Mark)) ||
		caseNumber(strings.ToUpper(string(header))) != "" || caseNumber(subject) != ""
}

// fromContact reports whether a header says that it is from a user or a
// notification address of an account with a live case, or with a reset that can
// be undone: they are told of it, and may object in a mail that quotes nothing.
// Their other mail is none of our business.
func fromContact(ctx context.Context, tx totp.Querier, claimed []string) (found bool, err error) {
	for _, c := range claimed {
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM address d JOIN reset_case c ON c.account_id = d.account_id
			WHERE d.until IS NULL AND d.lookup = $1 AND (c.state IN ('open', 'held', 'clearing')
				OR c.state = 'cleared' AND EXISTS (SELECT 1 FROM reset WHERE case_id = c.id AND hold_until > $2)))`, c, micros(time.Now())).Scan(&found)
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// names are the addresses in a header.
type names struct {
	all     []string // anywhere
	claimed []string // the few that it says it is from
}

func namesIn(header []byte) names {
	all, claimed := sender.Named(header)
	return names{all, claimed}
}

func cutAddress(address string) (local, domain string, ok bool) {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at == len(address)-1 {
		return "", "", false
	}
	return address[:at], address[at+1:], true
}

// Receive commits the mails of a batch and the cursor behind them, before
// anything parses them. What does not concern us has its fate at once; the rest
// waits for the assessor.
func (d *Desk) Receive(ctx context.Context, b mailbox.Batch) error {
	now := time.Now()
	err := d.update(ctx, "receive mail", func(tx *sql.Tx) error {
		if err := receiveMails(ctx, tx, b, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO cursor (mailbox, folder, uidvalidity, uid, backlog, moved_at)
			VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (mailbox, folder) DO UPDATE SET uidvalidity = excluded.uidvalidity, uid = excluded.uid,
				backlog = excluded.backlog, moved_at = excluded.moved_at
			WHERE cursor.uidvalidity <> excluded.uidvalidity OR cursor.uid <= excluded.uid`,
			b.Source.Mailbox, b.Source.Folder, b.UIDValidity, b.Through, b.Backlog, micros(now))
		return err
	})
	if err == nil {
		d.nudge()
	}
	return err
}

// atOnce are how many mails one statement takes in: what SQLite does for each
// statement costs more than what it does for each row.
var atOnce = []int{50, 10, 1}

// receiveSQL takes mails in. One that is known already is left alone, but for one
// that could not be fetched and now comes with its bytes.
var receiveSQL = func() map[int]string {
	texts := map[int]string{}
	for _, n := range atOnce {
		// Names of parameters are searched for one by one, so only the few have them.
		texts[n] = `INSERT INTO inbound (mailbox, folder, uidvalidity, received_at, uid, internal_date, size,
				header, raw, truncated, backlog, reuse, sha256, fate, reason, fated_at)
			SELECT ?1, ?2, ?3, ?4, * FROM (VALUES ` + strings.Repeat("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), ", n-1) + `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)) WHERE true
			ON CONFLICT (mailbox, folder, uidvalidity, uid, reuse) DO UPDATE SET raw = excluded.raw, header = excluded.header,
				truncated = excluded.truncated, sha256 = excluded.sha256, fate = NULL, reason = '', fated_at = NULL
			WHERE inbound.fate = 'unfetchable' AND inbound.raw IS NULL AND excluded.raw IS NOT NULL`
	}
	return texts
}()

// receiveMails takes in those without bytes first, many at once, and then each of the
// others by itself: SQLite holds the rows of a statement a second time, and what does
// not fit into its memory it writes to a file of its own. Those that wait for the
// assessor keep their order.
func receiveMails(ctx context.Context, tx *sql.Tx, b mailbox.Batch, now time.Time) error {
	var bare, whole []mailbox.Mail
	for _, m := range b.Mails {
		if m.Raw == nil {
			bare = append(bare, m)
		} else {
			whole = append(whole, m)
		}
	}
	for _, n := range atOnce {
		for ; len(bare) >= n; bare = bare[n:] {
			if err := receiveSome(ctx, tx, b, bare[:n], now); err != nil {
				return err
			}
		}
	}
	for i := range whole {
		if err := receiveSome(ctx, tx, b, whole[i:i+1], now); err != nil {
			return err
		}
	}
	return nil
}

func receiveSome(ctx context.Context, tx *sql.Tx, b mailbox.Batch, mails []mailbox.Mail, now time.Time) error {
	args := []any{b.Source.Mailbox, b.Source.Folder, b.UIDValidity, micros(now)}
	for _, m := range mails {
		args = append(args, columnsOf(m, now)...)
	}
	if _, err := tx.ExecContext(ctx, receiveSQL[len(mails)], args...); err != nil {
		return fmt.Errorf("mails %d to %d: %w", mails[0].UID, mails[len(mails)-1].UID, err)
	}
	return nil
}

// columnsOf are the columns that a mail has of its own, in the order of receiveSQL.
func columnsOf(m mailbox.Mail, now time.Time) []any {
	var fate, fatedAt, sum any
	reason := ""
	switch {
	case m.Unfetchable != "":
		fate, fatedAt, reason = "unfetchable", micros(now), m.Unfetchable
	case m.Raw == nil:
		fate, fatedAt, reason = "passed", micros(now), "Neither its addresses nor its subject concern us; the body was not read."
	default:
		h := sha256.Sum256(m.Raw)
		sum = h[:]
	}
	return []any{m.UID, micros(m.InternalDate), m.Size, m.Header, m.Raw, flag(m.Truncated), flag(m.Backlog), m.Reuse, sum, fate, reason, fatedAt}
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
