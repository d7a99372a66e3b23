package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/totp"
)

// A PanelRequest is what somebody asks for in the control panel: that the second
// factor of a user be reset. Like a mail it starts a case and proves nothing.
type PanelRequest struct {
	Account, User string
	AskedBy       string    // the user, or an admin of the account; "": the user
	PasswordAt    time.Time // when the panel verified the password of who asks; zero: it did not
	Note          string    // for the reviewers, at most 2,000 characters
	IP, Agent     string    // of who asks, as the panel sees them
}

// A PanelCase is what a panel is told of a request.
type PanelCase struct {
	Number string
	Opened bool // false: it was attached to the case that is open for the user
}

const (
	maxNote  = 2000 // characters of a note
	maxAsked = 20   // requests that one case takes from the panel
)

// errPanelRequest is the one answer when no case can be opened, so that a form of
// the panel tells nobody which users there are and which are locked.
var errPanelRequest = fail(Conflict, "No reset can be asked for in this way. The account's registered address can write to support.")

// OpenFromPanel opens a case for a request in the control panel, or attaches it
// to the one that is open for the user. The registered address of the account's
// first admin has to confirm, whoever asked; everybody else is told, and the
// requirements are those of a mail.
func (d *Desk) OpenFromPanel(ctx context.Context, by APIKey, in PanelRequest) (PanelCase, error) {
	now := time.Now()
	if err := in.check(now); err != nil {
		return PanelCase{}, err
	}
	var out PanelCase
	err := d.update(ctx, "open case from panel", func(tx *sql.Tx) error {
		requester, err := mayAskInPanel(ctx, tx, in)
		if err != nil {
			return err
		}
		out, err = d.openFromPanel(ctx, tx, by, in, requester, now)
		return err
	})
	if err == nil {
		d.lettersReady()
		d.nudge()
	}
	return out, err
}

func (in *PanelRequest) check(now time.Time) error {
	in.Note, in.IP, in.Agent = strings.TrimSpace(in.Note), clip(in.IP, 45), clip(in.Agent, 300)
	if in.AskedBy == "" {
		in.AskedBy = in.User
	}
	switch {
	case in.Account == "":
		return invalid("account", "Name the account.")
	case in.User == "":
		return invalid("user", "Name the user whose second factor is lost.")
	case utf8.RuneCountInString(in.Note) > maxNote || !utf8.ValidString(in.Note):
		return invalid("note", "A note has at most 2,000 characters.")
	case in.PasswordAt.IsZero():
		return nil
	}
	return checkSignalTime("password_verified_at", in.PasswordAt, now)
}

// mayAskInPanel returns the address that has to confirm: of the current admin
// addresses of the account the one that was registered first.
func mayAskInPanel(ctx context.Context, tx *sql.Tx, in PanelRequest) (requester string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT d.lookup FROM account a JOIN panel_user u ON u.account_id = a.id AND u.id = $2 AND u.removed_at IS NULL
			JOIN panel_user k ON k.account_id = a.id AND k.id = $3 AND k.removed_at IS NULL AND (k.id = u.id OR k.role = 'admin')
			JOIN address d ON d.account_id = a.id AND d.role = 'admin' AND d.until IS NULL
		WHERE a.id = $1 AND a.removed_at IS NULL ORDER BY d.since, d.id LIMIT 1`, in.Account, in.User, in.AskedBy).Scan(&requester)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errPanelRequest
	}
	if err != nil {
		return "", fmt.Errorf("read who asks: %w", err)
	}
	status, err := totp.ReadStatus(ctx, tx, in.User)
	if err == nil && status.Frozen {
		err = errPanelRequest
	}
	return requester, err
}

func (d *Desk) openFromPanel(ctx context.Context, tx *sql.Tx, by APIKey, in PanelRequest, requester string, now time.Time) (PanelCase, error) {
	var out PanelCase
	id, number, fresh, err := d.caseFor(ctx, tx, requester, target{in.Account, in.User}, opener{watched: now}, now)
	if err != nil {
		return out, err
	}
	if err := panelFlooded(ctx, tx, id, fresh, in.Account); err != nil {
		return out, err
	}
	var password int64
	if !in.PasswordAt.IsZero() {
		password = micros(in.PasswordAt)
		// Who asks for himself proved the password of the user.
		if _, err := addSignal(ctx, tx, in.AskedBy, Signal{Kind: PasswordVerified, At: in.PasswordAt, IP: in.IP, Agent: in.Agent}, now); err != nil {
			return out, err
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO panel_request (case_id, serial, asked_by, password_at, note, ip, agent, received_at)
		SELECT $1, 1 + count(*), $2, $3, $4, $5, $6, $7 FROM panel_request WHERE case_id = $1`,
		id, in.AskedBy, password, in.Note, in.IP, in.Agent, micros(now))
	if err != nil {
		return out, fmt.Errorf("open case from panel: %w", err)
	}
	action := map[bool]string{true: "case.opened", false: "panel.asked_again"}[fresh]
	_, err = record(ctx, tx, now, by.actor(), action, number, map[string]any{"account": in.Account, "user": in.User,
		"asked_by": in.AskedBy, "password": password > 0, "ip": in.IP})
	if err != nil {
		return out, err
	}
	out = PanelCase{Number: number, Opened: fresh}
	if fresh {
		return out, d.announce(ctx, tx, id, now)
	}
	return out, d.askToo(ctx, tx, id, requester, now)
}

// panelFlooded refuses what goes beyond the caps of mail that nothing proves. Only
// cases from the panel count: who can forge mail must not close the panel's way.
func panelFlooded(ctx context.Context, tx *sql.Tx, id int64, fresh bool, account string) error {
	var asked int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM panel_request WHERE case_id = $1`, id).Scan(&asked)
	if err != nil {
		return fmt.Errorf("count requests: %w", err)
	}
	if asked >= maxAsked {
		return fail(TooMany, "This was asked for many times already. The case is open and support works on it.")
	}
	if !fresh {
		return nil
	}
	var opened int
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM reset_case WHERE opened_at > $1 AND account_id = $2 AND opener_request IS NOT NULL`,
		micros(time.Now().Add(-24*time.Hour)), account).Scan(&opened)
	if err != nil {
		return fmt.Errorf("count cases of the panel: %w", err)
	}
	if opened > maxFresh { // the new one is counted
		return fail(TooMany, "This account had several requests within a day. Try again tomorrow, or write to support.")
	}
	return nil
}

// AddNote adds a panel's note to a case, for the reviewers to read.
func (d *Desk) AddNote(ctx context.Context, by APIKey, number, text string) error {
	text = strings.TrimSpace(text)
	if text == "" || utf8.RuneCountInString(text) > maxNote || !utf8.ValidString(text) {
		return invalid("text", "A note has 1 to 2,000 characters.")
	}
	return d.update(ctx, "add note", func(tx *sql.Tx) error {
		c, err := caseByNumber(ctx, tx, number)
		if err != nil {
			return err
		}
		var notes int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM case_note WHERE case_id = $1`, c.id).Scan(&notes); err != nil {
			return err
		}
		if notes >= 100 {
			return fail(TooMany, "A case takes 100 notes, and this one has them.")
		}
		now := time.Now()
		var id int64
		err = tx.QueryRowContext(ctx, `INSERT INTO case_note (case_id, author, text, at) VALUES ($1, 'panel', $2, $3) RETURNING id`, c.id, text, micros(now)).Scan(&id)
		if err != nil {
			return err
		}
		_, err = record(ctx, tx, now, by.actor(), "case.noted", c.number, map[string]any{"note": id})
		return err
	})
}

// noted puts the words of a note in place of its number.
func noted(detail string, notes []Note) string {
	var at struct{ Note int64 }
	if json.Unmarshal([]byte(detail), &at) != nil {
		return detail
	}
	for _, n := range notes {
		if n.ID == at.Note {
			return n.Text
		}
	}
	return detail
}

// readPanel reads what the panel asked for and noted, for the case page.
func readPanel(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	v.InPanel = c.inPanel()
	rows, err := tx.QueryContext(ctx, `SELECT u.login, p.asked_by, u.role, p.password_at, p.note, p.ip, p.agent, p.received_at
		FROM panel_request p JOIN panel_user u ON u.id = p.asked_by WHERE p.case_id = $1 ORDER BY p.serial`, c.id)
	if err != nil {
		return fmt.Errorf("read panel requests: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r PanelRequestView
		var id, role string
		var password, received int64
		if err := rows.Scan(&r.Login, &id, &role, &password, &r.Note, &r.IP, &r.Agent, &received); err != nil {
			return fmt.Errorf("read panel requests: %w", err)
		}
		r.Role = map[bool]string{true: "the user", false: "an admin of the account"}[id == c.user]
		r.PasswordAt, r.Received = fromMicros(password), fromMicros(received)
		v.Requests = append(v.Requests, r)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read panel requests: %w", err)
	}
	return readNotes(ctx, tx, c, v)
}

func readNotes(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	rows, err := tx.QueryContext(ctx, `SELECT id, author, text, at FROM case_note WHERE case_id = $1 ORDER BY id`, c.id)
	if err != nil {
		return fmt.Errorf("read notes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var n Note
		var at int64
		if err := rows.Scan(&n.ID, &n.Author, &n.Text, &at); err != nil {
			return fmt.Errorf("read notes: %w", err)
		}
		n.At = fromMicros(at)
		v.Notes = append(v.Notes, n)
	}
	return rows.Err()
}
