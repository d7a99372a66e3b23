package review

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// A link is what a token of a letter stands for.
type link struct {
	hash    []byte
	caseID  int64
	round   int64
	purpose string
	address string
	expires time.Time
}

func readLink(ctx context.Context, tx *sql.Tx, token string) (link, error) {
	l := link{hash: hashToken(token)}
	var expires int64
	err := tx.QueryRowContext(ctx, `SELECT l.case_id, l.round, l.purpose, a.lookup, l.expires_at
		FROM owner_link l JOIN address a ON a.id = l.address_id WHERE l.hash = $1`, l.hash).
		Scan(&l.caseID, &l.round, &l.purpose, &l.address, &expires)
	if errors.Is(err, sql.ErrNoRows) || (err == nil && time.Now().UnixMicro() >= expires) {
		return l, errLink
	}
	l.expires = fromMicros(expires)
	return l, err
}

// linkedCase returns what a live link stands for, and its case.
func linkedCase(ctx context.Context, tx *sql.Tx, token string) (link, caseRow, error) {
	l, err := readLink(ctx, tx, token)
	if err != nil {
		return l, caseRow{}, err
	}
	c, err := caseByID(ctx, tx, l.caseID)
	return l, c, err
}

// errLink is the one answer for unknown, foreign and expired links.
var errLink = fail(NotFound, "This link is not valid any more.")

// Owner returns the page behind a link. It changes nothing, however often and
// by whomever it is opened: link scanners open everything.
func (d *Desk) Owner(ctx context.Context, token string) (OwnerView, error) {
	v := OwnerView{Brand: d.cfg.Brand, Phone: d.cfg.Phone}
	err := d.snapshot(ctx, "owner page", func(tx *sql.Tx) error {
		l, c, err := linkedCase(ctx, tx, token)
		if err != nil {
			return err
		}
		return d.ownerView(ctx, tx, l, c, &v)
	})
	if KindOf(err) == NotFound {
		return OwnerView{Brand: d.cfg.Brand, Phone: d.cfg.Phone}, nil
	}
	return v, err
}

func (d *Desk) ownerView(ctx context.Context, tx *sql.Tx, l link, c caseRow, v *OwnerView) error {
	f, _, err := readFacts(ctx, tx, c, d.cfg.Policy)
	if err != nil {
		return err
	}
	j := Judge(f, d.cfg.Policy, time.Now())
	v.Found, v.Purpose, v.Locale, v.Number, v.State = true, l.purpose, c.locale, c.number, c.state
	v.InPanel, v.By = c.inPanel(), c.channel
	v.Requester, v.Requested, v.Expires, v.WaitUntil = maskAddress(c.requester), c.opened, l.expires, j.WaitUntil
	var name string
	if c.account != "" {
		if err := tx.QueryRowContext(ctx, `SELECT name FROM account WHERE id = $1`, c.account).Scan(&name); err != nil {
			return err
		}
		v.Account = mask(name)
	}
	if c.user != "" {
		if err := tx.QueryRowContext(ctx, `SELECT login FROM panel_user WHERE id = $1`, c.user).Scan(&v.User); err != nil {
			return err
		}
	} else if l.purpose == "confirm" {
		if v.Choices, err = ownerChoices(ctx, tx, c); err != nil {
			return err
		}
	}
	var answer sql.NullString
	err = tx.QueryRowContext(ctx, `SELECT max(answer) FROM answer WHERE link = $1 AND round = $2`, l.hash, c.round).Scan(&answer)
	if err != nil {
		return err
	}
	if answer.Valid {
		v.Answered = map[string]string{"yes": "yes", "no": "no"}[answer.String]
	}
	var said int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM answer WHERE link = $1 AND round = $2 AND answer = 'no'`, l.hash, c.round).Scan(&said); err != nil {
		return err
	}
	if said > 0 {
		v.Answered = "no"
	}
	if l.purpose == "vouch" {
		said, err := vouched(ctx, tx, l)
		if err != nil {
			return err
		}
		v.Answered = map[string]string{"pass": "yes", "fail": "no"}[said]
	}
	live := c.state == StateOpen || c.state == StateHeld
	v.CanAnswer = live && l.round == c.round && l.purpose != "undo" && v.Answered != "no"
	v.CanUndo = l.purpose == "undo" && c.state == StateCleared
	v.Step = ownerStep(c.state, f)
	return tx.QueryRowContext(ctx, `SELECT count(*) FROM reset_case WHERE state = 'open' AND id < $1`, c.id).Scan(&v.Ahead)
}

// ownerStep is where the progress line stands: 1 received, 2 confirmed, 3 review,
// 4 done. A yes leads straight to the review.
func ownerStep(s State, f Facts) int {
	switch {
	case s.Closed():
		return 4
	case !f.ConfirmedAt.IsZero():
		return 3
	}
	return 1
}

// ownerChoices are the users that the owner chooses among, for none else to see:
// those whose second factor is on; all, if none has one.
func ownerChoices(ctx context.Context, tx *sql.Tx, c caseRow) ([]UserChoice, error) {
	all, err := userChoices(ctx, tx, c)
	if err != nil {
		return nil, err
	}
	var on []UserChoice
	for _, u := range all {
		status, err := totp.ReadStatus(ctx, tx, u.ID)
		if err != nil {
			return nil, err
		}
		if status.Enrolled {
			on = append(on, u)
		}
	}
	if len(on) == 0 {
		return all, nil
	}
	return on, nil
}

func userChoices(ctx context.Context, tx *sql.Tx, c caseRow) ([]UserChoice, error) {
	// While the account is open too, the account's name tells equal logins apart.
	rows, err := tx.QueryContext(ctx, `SELECT DISTINCT u.id, u.login, u.full_name || CASE WHEN $1 = '' THEN ' (' || a.name || ')' ELSE '' END
		FROM panel_user u JOIN account a ON a.id = u.account_id
		JOIN address d ON d.account_id = u.account_id AND d.lookup = $2 AND d.role = 'admin' AND d.until IS NULL
		WHERE u.removed_at IS NULL AND (u.account_id = $1 OR $1 = '') ORDER BY u.login, u.id LIMIT 200`, c.account, c.requester)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []UserChoice
	for rows.Next() {
		var u UserChoice
		if err := rows.Scan(&u.ID, &u.Login, &u.Name); err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, rows.Err()
}

// A Reply is what an owner chose on the page.
type Reply struct {
	Yes    bool
	UserID string // for a yes while the user is open
	IP     string
}

// Answer records what an owner said. A yes may be the last requirement and then
// clears; a no puts the case on hold, where reviewers see it, and destroys nothing.
// Saying the same twice changes nothing.
func (d *Desk) Answer(ctx context.Context, token string, in Reply) error {
	err := d.update(ctx, "answer", func(tx *sql.Tx) error {
		now := time.Now()
		l, c, err := linkedCase(ctx, tx, token)
		if err != nil {
			return err
		}
		if (c.state != StateOpen && c.state != StateHeld) || l.round != c.round || l.purpose == "undo" {
			return fail(Conflict, "This request is not waiting for an answer any more.")
		}
		if l.purpose == "vouch" {
			return d.vouch(ctx, tx, l, c, in, now)
		}
		if in.Yes {
			return d.answerYes(ctx, tx, l, c, in, now)
		}
		return d.answerNo(ctx, tx, l, c, in, now)
	})
	if err == nil {
		d.lettersReady()
		d.nudge()
	}
	return err
}

func (d *Desk) answerYes(ctx context.Context, tx *sql.Tx, l link, c caseRow, in Reply, now time.Time) error {
	if l.purpose != "confirm" {
		return fail(Denied, "Only the link sent to the registered address can confirm.")
	}
	if c.user == "" {
		if in.UserID == "" {
			return invalid("user", "Choose the user whose second factor was lost.")
		}
		if err := d.resolve(ctx, tx, c, c.account, in.UserID, now); err != nil {
			return err
		}
		var err error
		if c, err = caseByID(ctx, tx, c.id); err != nil {
			return err
		}
		if err := d.announce(ctx, tx, c.id, now); err != nil {
			return err
		}
	}
	if in.UserID != "" && in.UserID != c.user {
		return fail(Stale, "Meanwhile it was settled that this request is for another user. Open the page again and read it before you answer.")
	}
	if err := notVouched(ctx, tx, l, c); err != nil {
		return err
	}
	if err := saveAnswer(ctx, tx, l, c, "yes", c.user, in.IP, now); err != nil {
		return err
	}
	_, err := d.advance(ctx, tx, c, now)
	return err
}

func (d *Desk) answerNo(ctx context.Context, tx *sql.Tx, l link, c caseRow, in Reply, now time.Time) error {
	if err := saveAnswer(ctx, tx, l, c, "no", "", in.IP, now); err != nil {
		return err
	}
	if c.state == StateHeld && c.heldBy == "owner" {
		return nil
	}
	return d.hold(ctx, tx, c, "owner", "An owner said through the link: that was not us.")
}

func saveAnswer(ctx context.Context, tx *sql.Tx, l link, c caseRow, answer, user, ip string, now time.Time) error {
	var id int64
	err := tx.QueryRowContext(ctx, `INSERT INTO answer (case_id, round, link, answer, user_id, at, ip) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT DO NOTHING RETURNING id`, c.id, c.round, l.hash, answer, null(user), micros(now), ip).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // said before
	}
	if err != nil {
		return err
	}
	_, err = record(ctx, tx, now, "owner", "owner."+answer, c.number, map[string]any{"address": maskAddress(l.address), "user": user, "ip": ip})
	return err
}

var errUndo = fail(Conflict, "This reset cannot be undone here any more. Call us at once if it was not you.")

// Undo takes a reset back within its hold: the old factor works again, whatever
// was enrolled since is revoked, and the user is locked until a person looks. If the
// clock was set back, it counts as said right after what it takes back.
func (d *Desk) Undo(ctx context.Context, token, ip string) error {
	err := d.update(ctx, "undo", func(tx *sql.Tx) error {
		now := time.Now()
		l, c, err := linkedCase(ctx, tx, token)
		if err != nil {
			return err
		}
		var reset, generation, cleared, enrolled, hold int64
		err = tx.QueryRowContext(ctx, `SELECT id, generation, cleared_at, hold_until,
				(SELECT coalesce(max(activated_at), 0) FROM credential WHERE user_id = reset.user_id AND state = 'active')
			FROM reset WHERE case_id = $1`, c.id).Scan(&reset, &generation, &cleared, &hold, &enrolled)
		now = latest(now, fromMicros(max(cleared, enrolled)))
		if errors.Is(err, sql.ErrNoRows) || (err == nil && (l.purpose != "undo" || c.state != StateCleared || micros(now) > hold)) {
			return errUndo
		}
		if err != nil {
			return err
		}
		seq, err := record(ctx, tx, now, "owner", "case.undone", c.number, map[string]any{"address": maskAddress(l.address), "ip": ip})
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO undo (reset_id, at, link, ip, audit_seq) VALUES ($1, $2, $3, $4, $5)`, reset, micros(now), l.hash, ip, seq)
		if err != nil {
			return err
		}
		if err := totp.Undo(ctx, tx, c.user, generation, now); err != nil {
			if errors.Is(err, totp.ErrConflict) {
				return errUndo // the user was reset again since
			}
			return err
		}
		if _, err := record(ctx, tx, now, "owner", "factor.restored", c.user, map[string]any{"case": c.number, "generation": generation}); err != nil {
			return err
		}
		if err := changed(tx.ExecContext(ctx, `UPDATE reset_case SET state = 'undone', version = version + 1 WHERE id = $1 AND version = $2`, c.id, c.version)); err != nil {
			return err
		}
		return d.tellUndone(ctx, tx, c, reset, time.Now()) // a letter of a time to come would wait for it
	})
	if err == nil {
		d.lettersReady()
	}
	return err
}

// maskAddress keeps the first letter and the domain: j•••@acme.example.
func maskAddress(address string) string {
	local, domain, ok := cutAddress(address)
	if !ok {
		return "•••"
	}
	return mask(local) + "@" + domain
}

// mask keeps the first letter.
func mask(s string) string {
	for i := range s {
		if i > 0 {
			return s[:i] + strings.Repeat("•", 3)
		}
	}
	return "•••"
}
