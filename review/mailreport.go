package review

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"time"
)

// Fates are all that can become of a mail, in the order in which people read
// them.
var Fates = []string{"case", "attached", "parked", "automatic", "quarantined", "unfetchable", "passed"}

// MailReport are the books of the mailbox over some days: what was received
// against what became of it (design 2, promise 1).
type MailReport struct {
	Balanced bool           `json:"balanced"`
	Since    string         `json:"since"` // the first day, "2006-01-02", UTC
	Received int            `json:"received"`
	Fates    map[string]int `json:"fates"`
	Waiting  int            `json:"waiting"` // their assessment is still to come
	Days     []MailDay      `json:"days"`
	Faults   []string       `json:"faults"`       // why the books do not balance, in words
	Unfated  []UnfatedMail  `json:"without_fate"` // those that wait longest, at most 100, of whatever day
	Looks    []MailLook     `json:"looks"`        // every folder that was ever read
	Backlog  Backlog        `json:"backlog"`      // of before the first start
}

// Settled is how many of the mails received have their fate.
func (r MailReport) Settled() int { return r.Received - r.Waiting }

// MailDay is what one folder received on one day, and what became of it.
type MailDay struct {
	Day      string         `json:"day"`
	Mailbox  string         `json:"mailbox"`
	Folder   string         `json:"folder"`
	Received int            `json:"received"` // as counted when they came
	Fates    map[string]int `json:"fates"`
	Waiting  int            `json:"waiting"`
}

// UnfatedMail is a mail that has no fate yet.
type UnfatedMail struct {
	ID       int64     `json:"id"`
	Mailbox  string    `json:"mailbox"`
	Folder   string    `json:"folder"`
	UID      uint32    `json:"uid"`
	Received time.Time `json:"received"`
	Overdue  bool      `json:"overdue"` // somebody must act
	Why      string    `json:"why"`
}

// How long a mail may wait after it was due, and how many are listed.
const (
	overdueAfter  = 15 * time.Minute
	unfatedListed = 100
)

const dayMicros = int64(24 * time.Hour / time.Microsecond)

// ReadMailReport counts the mails of the last days in the database at path, by
// its own read-only connection: it takes no lock and works beside a running
// desk. Days is at least 1; today is the last of them.
func ReadMailReport(ctx context.Context, path string, days int) (MailReport, error) {
	var r MailReport
	if _, err := os.Stat(path); err != nil {
		return r, fmt.Errorf("report mail: %w", err)
	}
	db, err := sql.Open("sqlite", dsn(path, "&_pragma=query_only(on)"))
	if err != nil {
		return r, fmt.Errorf("report mail: %w", err)
	}
	defer db.Close()
	return (&Desk{db: &database{read: db}}).mailReport(ctx, days)
}

// MailReport is ReadMailReport of the desk's own database.
func (d *Desk) MailReport(ctx context.Context, s Session, days int) (MailReport, error) {
	if err := d.allow(ctx, d.db.read, s, Look); err != nil {
		return MailReport{}, err
	}
	return d.mailReport(ctx, days)
}

// MailReportFromHost is [Desk.MailReport] for who has the host.
func (d *Desk) MailReportFromHost(ctx context.Context, days int) (MailReport, error) {
	return d.mailReport(ctx, days)
}

func (d *Desk) mailReport(ctx context.Context, days int) (MailReport, error) {
	var r MailReport
	now := time.Now()
	first := micros(now)/dayMicros - int64(max(days, 1)) + 1
	err := d.snapshot(ctx, "report mail", func(tx *sql.Tx) (err error) {
		r = MailReport{Since: dayOf(first), Fates: map[string]int{}, Days: []MailDay{}, Faults: []string{}, Unfated: []UnfatedMail{}}
		if err := r.count(ctx, tx, first); err != nil {
			return err
		}
		if r.Looks, err = looks(ctx, tx); err != nil {
			return err
		}
		r.Backlog.Requests = []MailRow{}
		if err := readBacklog(ctx, tx, &r.Backlog); err != nil {
			return err
		}
		return r.listUnfated(ctx, tx, now)
	})
	if err != nil {
		return r, err
	}
	r.add()
	return r, nil
}

func dayOf(day int64) string { return fromMicros(day * dayMicros).UTC().Format(time.DateOnly) }

// booksSQL holds what was counted as mails came in against the mails that are
// there. The second half walks an index and reads no row.
const booksSQL = `SELECT day, mailbox, folder, received, '' AS fate, 0 AS mails FROM mail_tally WHERE day >= $1
	UNION ALL
	SELECT received_at / 86400000000, mailbox, folder, 0, coalesce(fate, ''), count(*) FROM inbound
		WHERE received_at >= $2 GROUP BY received_at / 86400000000, mailbox, folder, fate
	ORDER BY 1, 2, 3`

func (r *MailReport) count(ctx context.Context, tx *sql.Tx, first int64) error {
	rows, err := tx.QueryContext(ctx, booksSQL, first, first*dayMicros)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var d MailDay
		var day int64
		var fate string
		var mails int
		if err := rows.Scan(&day, &d.Mailbox, &d.Folder, &d.Received, &fate, &mails); err != nil {
			return err
		}
		d.Day = dayOf(day)
		if n := len(r.Days); n == 0 || r.Days[n-1].Day != d.Day || r.Days[n-1].Mailbox != d.Mailbox || r.Days[n-1].Folder != d.Folder {
			d.Fates = map[string]int{}
			r.Days = append(r.Days, d)
		} else {
			r.Days[n-1].Received += d.Received
		}
		if last := &r.Days[len(r.Days)-1]; fate == "" {
			last.Waiting += mails
		} else {
			last.Fates[fate] += mails
		}
	}
	return rows.Err()
}

// listUnfated names the mails without a fate, those that are due longest first.
func (r *MailReport) listUnfated(ctx context.Context, tx *sql.Tx, now time.Time) error {
	rows, err := tx.QueryContext(ctx, `SELECT id, mailbox, folder, uid, received_at, attempts, retry_at FROM inbound
		WHERE fate IS NULL ORDER BY retry_at, id LIMIT $1`, unfatedListed)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var m UnfatedMail
		var received, retry int64
		var attempts int
		if err := rows.Scan(&m.ID, &m.Mailbox, &m.Folder, &m.UID, &received, &attempts, &retry); err != nil {
			return err
		}
		m.Received = fromMicros(received)
		due := fromMicros(max(received, retry))
		m.Overdue = now.Sub(due) > overdueAfter
		switch {
		case m.Overdue:
			m.Why = fmt.Sprintf("it was due at %s and nobody has looked at it: does serve run?", due.UTC().Format("2006-01-02 15:04 UTC"))
		case retry > micros(now):
			m.Why = fmt.Sprintf("it was tried %d times (a name server did not answer, or an error in the log) and is tried again at %s",
				attempts, due.UTC().Format("2006-01-02 15:04 UTC"))
		default:
			m.Why = "it came just now"
		}
		r.Unfated = append(r.Unfated, m)
	}
	return rows.Err()
}

// add sums the days up and says what does not fit.
func (r *MailReport) add() {
	for _, d := range r.Days {
		there := d.Waiting
		for fate, n := range d.Fates {
			r.Fates[fate] += n
			there += n
		}
		r.Received += d.Received
		r.Waiting += d.Waiting
		switch where := d.Day + ", " + d.Mailbox + "/" + d.Folder; {
		case there < d.Received:
			r.Faults = append(r.Faults, fmt.Sprintf("%s: %d received, and %d of them are gone from the database", where, d.Received, d.Received-there))
		case there > d.Received:
			r.Faults = append(r.Faults, fmt.Sprintf("%s: %d received, and %d more are in the database than were counted", where, d.Received, there-d.Received))
		}
	}
	for _, m := range r.Unfated {
		if m.Overdue {
			r.Faults = append(r.Faults, fmt.Sprintf("mail %d (%s/%s, UID %d) has no fate: %s", m.ID, m.Mailbox, m.Folder, m.UID, m.Why))
		}
	}
	r.Balanced = len(r.Faults) == 0
}
