package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// A HandRequest is what a reviewer writes down of a call or a ticket. Like a mail it
// starts a case and proves nothing.
type HandRequest struct {
	Account, User string
	Channel       string // one of [Channels]
	Source        string // where it can be found again: the ticket, or the number and time of the call
	Reason        string // why a case is opened
}

// Channels are the ways by which a request comes to a reviewer.
var Channels = []Choice{{"phone", "By telephone"}, {"ticket", "In a support ticket"}}

// A HandView is what was written down, as the case page shows it.
type HandView struct {
	By, Channel, Source, Reason string
	At                          time.Time
}

// inPanel reports whether a request of the panel opened the case.
func (c caseRow) inPanel() bool { return c.mail == 0 && c.channel == "" }

func (in *HandRequest) check() error {
	in.Source, in.Reason = strings.TrimSpace(in.Source), strings.TrimSpace(in.Reason)
	switch {
	case in.User == "":
		return invalid("user", "Choose the user whose second factor is lost.")
	case in.Channel != "phone" && in.Channel != "ticket":
		return invalid("class", "Choose how the request came.")
	case in.Source == "" || utf8.RuneCountInString(in.Source) > 200 || !utf8.ValidString(in.Source):
		return invalid("other", "Write where the request can be found again: the number of the ticket, or of the call with its time (at most 200 characters).")
	case in.Reason == "" || utf8.RuneCountInString(in.Reason) > maxNote || !utf8.ValidString(in.Reason):
		return invalid("note", "Write what was asked and why you open a case (at most 2,000 characters).")
	}
	return nil
}

// OpensAlone reports whether who opens a case by hand may be the only one who approves it.
func (d *Desk) OpensAlone() bool { return d.cfg.Policy.Alone }

// OpenByHand opens a case for a request that came by telephone or in a ticket. The
// registered address of the account's first admin has to confirm, everybody else is
// told, and the requirements are those of a mail that nothing proves. Who opens it is
// not the only one who approves it, unless the policy is for one person on duty.
func (d *Desk) OpenByHand(ctx context.Context, s Session, in HandRequest) (number string, err error) {
	if err := in.check(); err != nil {
		return "", err
	}
	err = d.update(ctx, "open case by hand", func(tx *sql.Tx) error {
		if err := d.allow(ctx, tx, s, Decide); err != nil {
			return err
		}
		number, err = d.openByHand(ctx, tx, s, in, time.Now())
		return err
	})
	if err != nil {
		return "", err
	}
	d.lettersReady()
	d.nudge()
	return number, nil
}

func (d *Desk) openByHand(ctx context.Context, tx *sql.Tx, s Session, in HandRequest, now time.Time) (string, error) {
	requester, err := mayAskInPanel(ctx, tx, PanelRequest{Account: in.Account, User: in.User, AskedBy: in.User})
	if errors.Is(err, errPanelRequest) {
		return "", fail(Conflict, "No case can be opened for this user: he must be a user of this account and not frozen, and the account needs a registered admin address.")
	}
	if err != nil {
		return "", err
	}
	if err := stranger(ctx, tx, s, caseRow{account: in.Account, requester: requester}); err != nil {
		return "", err
	}
	var next int64
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(id), 0) + 1 FROM hand_request`).Scan(&next); err != nil {
		return "", fmt.Errorf("open case by hand: %w", err)
	}
	id, number, fresh, err := d.caseFor(ctx, tx, requester, target{in.Account, in.User}, opener{hand: next, watched: now}, now)
	switch {
	case err != nil:
		return "", err
	case !fresh:
		return "", fail(Conflict, "Case "+number+" is open for this user already. Go on there.")
	}
	if err := handFlooded(ctx, tx, in.Account, now); err != nil {
		return "", err
	}
	seq, err := record(ctx, tx, now, s.actor(), "case.opened", number, map[string]any{"account": in.Account, "user": in.User,
		"channel": in.Channel, "source": in.Source, "reason": in.Reason})
	if err != nil {
		return "", err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO hand_request (id, case_id, reviewer_id, session, person, channel, source, reason, at, audit_seq)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		next, id, s.Reviewer.ID, s.hash(), person(s.Reviewer.Email), in.Channel, in.Source, in.Reason, micros(now), seq)
	if err != nil {
		return "", fmt.Errorf("open case by hand: %w", err)
	}
	return number, d.announce(ctx, tx, id, now)
}

// handFlooded keeps one reviewer's session from writing to an account's owners all day.
func handFlooded(ctx context.Context, tx *sql.Tx, account string, now time.Time) error {
	var opened int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM reset_case WHERE opened_at > $1 AND account_id = $2 AND opener_hand IS NOT NULL`,
		micros(now.Add(-24*time.Hour)), account).Scan(&opened)
	if err != nil {
		return fmt.Errorf("count cases opened by hand: %w", err)
	}
	if opened > maxFresh { // the new one is counted
		return fail(TooMany, "Three cases were opened by hand for this account within a day. Its owners are mailed each time; try again tomorrow.")
	}
	return nil
}

func readHand(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	if c.channel == "" {
		return nil
	}
	v.Hand = &HandView{Channel: c.channel}
	var at int64
	err := tx.QueryRowContext(ctx, `SELECT r.name, q.source, q.reason, q.at FROM hand_request q JOIN reviewer r ON r.id = q.reviewer_id
		WHERE q.case_id = $1`, c.id).Scan(&v.Hand.By, &v.Hand.Source, &v.Hand.Reason, &at)
	if err != nil {
		return fmt.Errorf("read what was written down: %w", err)
	}
	v.Hand.At = fromMicros(at)
	return nil
}

// handCheck takes the place of the sender check where a reviewer opened the case.
var handCheck = Check{"Origin", "warn", "A reviewer wrote the request down.",
	"Who calls or writes a ticket can be anybody. The registered address has to confirm, and a colleague looks at it as well."}
