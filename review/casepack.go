package review

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review/pack"
)

// maxPackMails is how many mails of a case go into its pack, the opener first: a
// flood may attach any number.
const maxPackMails = 200

// ExportCase writes the evidence pack of a case, and leaves an event that it did,
// which is in the pack.
func (d *Desk) ExportCase(ctx context.Context, s Session, number string, w io.Writer) error {
	if err := d.allow(ctx, d.db.read, s, TakeOut); err != nil {
		return err
	}
	return d.exportCase(ctx, s.actor(), number, w)
}

// ExportCaseFromHost is [Desk.ExportCase] for who has the host.
func (d *Desk) ExportCaseFromHost(ctx context.Context, number string, w io.Writer) error {
	return d.exportCase(ctx, "host", number, w)
}

func (d *Desk) exportCase(ctx context.Context, actor, number string, w io.Writer) error {
	if d.cfg.AuditKey == nil {
		return fail(Conflict, "The desk has no audit key, so nothing can be signed. The operator makes one with: resetdesk init")
	}
	err := d.update(ctx, "export case", func(tx *sql.Tx) error {
		c, err := caseByNumber(ctx, tx, number)
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, time.Now(), actor, "case.exported", c.number, nil)
		return err
	})
	if err != nil {
		return err
	}
	contents, err := d.packCase(ctx, number)
	for errors.Is(err, errStale) { // it changed between two reads
		contents, err = d.packCase(ctx, number)
	}
	if err != nil {
		return err
	}
	err = d.snapshot(ctx, "export case", func(tx *sql.Tx) (err error) {
		contents.MadeBy, err = nameOf(ctx, tx, actor)
		return err
	})
	if err != nil {
		return err
	}
	return pack.Write(w, contents, d.cfg.AuditKey)
}

// packCase reads the case as its page shows it, and what the page does not.
func (d *Desk) packCase(ctx context.Context, number string) (pack.Contents, error) {
	out := pack.Contents{Brand: d.cfg.Brand, MadeAt: time.Now()}
	v, err := d.CaseFromHost(ctx, number)
	if err != nil {
		return out, err
	}
	err = d.snapshot(ctx, "export case", func(tx *sql.Tx) error {
		c, err := caseByNumber(ctx, tx, number)
		if err != nil {
			return err
		}
		if c.version != v.Version {
			return errStale
		}
		return fillPack(ctx, tx, c, v, &out)
	})
	return out, err
}

func fillPack(ctx context.Context, tx *sql.Tx, c caseRow, v CaseView, out *pack.Contents) (err error) {
	out.Case = pack.Case{Number: v.Number, State: string(v.State), Account: v.AccountID, AccountName: v.AccountName, User: v.UserID, Login: v.UserLogin,
		Requester: v.Requester, Opened: v.Opened, Expires: v.Expires, Closed: v.ClosedAt, ClosedBy: v.ClosedBy, CloseReason: v.CloseReason,
		Risk: string(v.Risk.Level), RiskReasons: v.Risk.Reasons}
	for _, r := range v.Requirements {
		out.Case.Requirements = append(out.Case.Requirements, pack.Line{Title: r.Title, State: string(r.State), Why: r.Why})
	}
	for _, k := range v.Checks {
		out.Case.Checks = append(out.Case.Checks, pack.Line{Title: k.Title, State: k.Result, Why: k.Evidence})
	}
	for _, n := range v.Notes {
		out.Case.Notes = append(out.Case.Notes, fmt.Sprintf("%s, %s: %s", stamp(n.At), n.Author, n.Text))
	}
	if out.Case.ClosedBy, err = nameOf(ctx, tx, v.ClosedBy); err != nil {
		return err
	}
	for _, read := range []func(context.Context, *sql.Tx, int64, *pack.Case) error{packVotes, packAnswers, packLetters, packMails, packReset} {
		if err := read(ctx, tx, c.id, &out.Case); err != nil {
			return err
		}
	}
	if err := withhold(ctx, tx, c, out.Case.Mails); err != nil {
		return err
	}
	return packEvents(ctx, tx, c, out)
}

// withhold keeps back the bytes of mails that quote what somebody could still use:
// an auditor must not be able to answer for the owner.
func withhold(ctx context.Context, tx *sql.Tx, c caseRow, mails []pack.Mail) error {
	good, err := readStillGood(ctx, tx, c.user)
	if err != nil {
		return err
	}
	for i := range mails {
		if good.in(string(mails[i].Raw)) {
			mails[i].Raw, mails[i].Withheld = nil, "It quotes a link or a pass of a letter that its recipient can still use. Take the pack again when the case is over."
		}
	}
	return nil
}

// packRows reads each row of a query about one case.
func packRows(ctx context.Context, tx *sql.Tx, query string, id int64, row func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, query, id)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func packVotes(ctx context.Context, tx *sql.Tx, id int64, out *pack.Case) error {
	return packRows(ctx, tx, `SELECT r.name, a.decided_at, a.reason, a.evidence_hash, a.round = c.round, a.audit_seq
		FROM approval a JOIN reviewer r ON r.id = a.reviewer_id JOIN reset_case c ON c.id = a.case_id WHERE a.case_id = $1 ORDER BY a.id`, id,
		func(rows *sql.Rows) error {
			var v pack.Vote
			var at int64
			var hash []byte
			err := rows.Scan(&v.Reviewer, &at, &v.Reason, &hash, &v.Counts, &v.Event)
			v.At, v.EvidenceHash = fromMicros(at), hex.EncodeToString(hash)
			out.Votes = append(out.Votes, v)
			return err
		})
}

func packAnswers(ctx context.Context, tx *sql.Tx, id int64, out *pack.Case) error {
	return packRows(ctx, tx, `SELECT n.answer, n.at, n.ip, a.address FROM answer n JOIN owner_link l ON l.hash = n.link JOIN address a ON a.id = l.address_id
		WHERE n.case_id = $1 ORDER BY n.id`, id, func(rows *sql.Rows) error {
		var a pack.Answer
		var at int64
		err := rows.Scan(&a.Answer, &at, &a.IP, &a.Address)
		a.At = fromMicros(at)
		out.Answers = append(out.Answers, a)
		return err
	})
}

func packLetters(ctx context.Context, tx *sql.Tx, id int64, out *pack.Case) error {
	return packRows(ctx, tx, `SELECT kind, recipient, subject, message_id, state, response, changed_at, attempt, sha256 FROM letter WHERE case_id = $1 ORDER BY id`, id,
		func(rows *sql.Rows) error {
			var l pack.Letter
			var at int64
			var sum []byte
			err := rows.Scan(&l.Kind, &l.Recipient, &l.Subject, &l.MessageID, &l.State, &l.Receipt, &at, &l.Attempts, &sum)
			l.At, l.SHA256 = fromMicros(at), hex.EncodeToString(sum)
			out.Letters = append(out.Letters, l)
			return err
		})
}

func packMails(ctx context.Context, tx *sql.Tx, id int64, out *pack.Case) error {
	query := fmt.Sprintf(`SELECT m.role, i.received_at, coalesce(s.from_addr, ''), coalesce(s.subject, ''), coalesce(s.verdict, ''), i.sha256, i.raw
		FROM case_mail m JOIN inbound i ON i.id = m.inbound_id LEFT JOIN assessment s ON s.inbound_id = i.id
		WHERE m.case_id = $1 ORDER BY %s, m.inbound_id LIMIT %d`, mailOrder, maxPackMails)
	return packRows(ctx, tx, query, id, func(rows *sql.Rows) error {
		var m pack.Mail
		var at int64
		var sum []byte
		err := rows.Scan(&m.Role, &at, &m.From, &m.Subject, &m.Verdict, &sum, &m.Raw)
		m.Received, m.SHA256, m.Subject = fromMicros(at), hex.EncodeToString(sum), withoutSecrets(m.Subject)
		out.Mails = append(out.Mails, m)
		return err
	})
}

func packReset(ctx context.Context, tx *sql.Tx, id int64, out *pack.Case) error {
	return packRows(ctx, tx, `SELECT r.cleared_at, r.wait_until, r.hold_until, r.approvals_required, r.audit_seq, coalesce(u.at, 0)
		FROM reset r LEFT JOIN undo u ON u.reset_id = r.id WHERE r.case_id = $1`, id, func(rows *sql.Rows) error {
		var r pack.Reset
		var cleared, wait, hold, undone int64
		err := rows.Scan(&cleared, &wait, &hold, &r.ApprovalsRequired, &r.Event, &undone)
		r.ClearedAt, r.WaitUntil, r.HoldUntil, r.UndoneAt = fromMicros(cleared), fromMicros(wait), fromMicros(hold), fromMicros(undone)
		out.Reset = &r
		return err
	})
}

// packEvents puts in the events of the case, and those of its user that name it,
// each with its proof.
func packEvents(ctx context.Context, tx *sql.Tx, c caseRow, out *pack.Contents) error {
	t, err := openTree(ctx, tx, allEvents-1)
	if err != nil {
		return err
	}
	if out.Head, err = t.head(); err != nil {
		return err
	}
	events, err := chainEvents(ctx, tx, `WHERE object = $1 ORDER BY seq`, c.number)
	if err != nil {
		return err
	}
	if c.user != "" {
		ofUser, err := chainEvents(ctx, tx, `WHERE object = $1 AND seq > $2 AND action IN ('factor.cleared', 'factor.restored') ORDER BY seq`, c.user, events[0].Seq)
		if err != nil {
			return err
		}
		for _, e := range ofUser {
			if strings.Contains(e.Detail, c.number) {
				events = append(events, e)
			}
		}
	}
	names := map[string]string{}
	for _, e := range events {
		proved := pack.Event{Event: e}
		if proved.Proof, err = t.prove(e.Seq); err != nil {
			return err
		}
		name, ok := names[e.Actor]
		if !ok {
			if name, err = nameOf(ctx, tx, e.Actor); err != nil {
				return err
			}
			names[e.Actor] = name
		}
		proved.Name = name
		out.Events = append(out.Events, proved)
	}
	slices.SortFunc(out.Events, func(a, b pack.Event) int { return int(a.Seq - b.Seq) })
	return nil
}
