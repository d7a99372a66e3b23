package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// giveFate decides what becomes of the mail, in the caller's transaction. It
// reports whether letters were queued.
func (d *Desk) giveFate(ctx context.Context, tx *sql.Tx, r *reading) (queued bool, err error) {
	if r.failed != nil {
		return false, r.failed
	}
	if waits, err := stillWaits(ctx, tx, r.id); err != nil || !waits {
		return false, err
	}
	if first, err := seenBefore(ctx, tx, r); err != nil || first > 0 {
		if err != nil {
			return false, err
		}
		return false, setFate(ctx, tx, r.id, "passed", fmt.Sprintf("The same bytes as mail %d, to which the server has given a new number or date.", first))
	}
	if err := checkReplay(ctx, tx, r); err != nil {
		return false, err
	}
	if r.verdict.State() == sender.Deferred {
		wait := min(time.Minute<<min(r.attempts, 6), time.Hour)
		_, err := tx.ExecContext(ctx, `UPDATE inbound SET attempts = attempts + 1, retry_at = $2 WHERE id = $1`, r.id, micros(time.Now().Add(wait)))
		return false, err
	}
	if r.fromRegistered() {
		if r.meant, err = whom(ctx, tx, r); err != nil {
			return false, err
		}
	}
	if err := saveAssessment(ctx, tx, r); err != nil {
		return false, err
	}
	if heard, err := d.hear(ctx, tx, r); heard || err != nil {
		return false, err
	}
	switch {
	case r.verdict.State() == sender.Automated:
		return false, setFate(ctx, tx, r.id, "automatic", because(r, "An automatic mail: never a request, never answered."))
	case r.verdict.State() == sender.Quarantine && r.copyOf > 0:
		return false, setFate(ctx, tx, r.id, "passed", fmt.Sprintf("A second copy of mail %d: the same signed mail, delivered twice.", r.copyOf))
	case r.verdict.State() == sender.Quarantine:
		return false, setFate(ctx, tx, r.id, "quarantined", because(r, "The sender check found signs of forgery."))
	case r.backlog && !d.cfg.OpenBacklog && !r.fromRegistered():
		return false, d.passBy(ctx, tx, r)
	case r.backlog && !d.cfg.rules(r.mailbox).OpenBacklog:
		return false, setFate(ctx, tx, r.id, "parked", "It was in the mailbox before resetdesk first looked; nobody was mailed.")
	}
	t, tied, err := d.tied(ctx, tx, r)
	if err != nil {
		return false, err
	}
	var done bool
	if tied {
		done, queued, err = d.converse(ctx, tx, r, t)
	} else {
		done, queued, err = d.unquoted(ctx, tx, r)
	}
	switch {
	case done || err != nil:
		return queued, err
	case !r.fromRegistered():
		return false, d.passBy(ctx, tx, r)
	case r.intent.Request:
		return d.openCases(ctx, tx, r)
	case tied && t.standing != "" && t.state.Closed():
		return false, setFate(ctx, tx, r.id, "parked", "It answers a letter of case "+t.number+", which is "+strings.ReplaceAll(string(t.state), "_", " ")+
			", and asks for no reset. Make it a case if it does.")
	}
	return false, setFate(ctx, tx, r.id, "parked", "It comes from a registered address but asks for no reset"+r.kindWords()+".")
}

// kindWords says what kind of mail it is that asks for no reset.
func (r *reading) kindWords() string {
	return map[string]string{saysObject: ": it seems to object to something", saysWithdraw: ": it seems to withdraw something",
		saysThanks: ": it says that all is well", saysQuestion: ": it asks for news"}[string(r.intent.Reply)]
}

// maxPlaces is how many places that name users are kept of a mail.
const maxPlaces = 100

// passBy gives a mail from an unregistered address its fate. Nobody is answered
// and nothing is told; one that asks for a reset stays readable for staff, and so
// does one that answers a letter of ours: it may be an objection.
func (d *Desk) passBy(ctx context.Context, tx *sql.Tx, r *reading) error {
	if r.intent.Request {
		const why = "It asks for a reset, but its sender is no registered admin address of any account"
		who, err := knownAs(ctx, tx, r)
		if err != nil {
			return err
		}
		return setFate(ctx, tx, r.id, "passed", why+who+". Nobody was answered.")
	}
	if answer, err := answersLetter(ctx, tx, r); err != nil || answer {
		if err != nil {
			return err
		}
		return setFate(ctx, tx, r.id, "parked", "It answers a letter of ours, but its sender is no registered admin address of any account. Read it: it may object.")
	}
	if err := setFate(ctx, tx, r.id, "passed", "Not from a registered address and no request; its body was not kept."); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `UPDATE inbound SET raw = NULL WHERE id = $1`, r.id)
	return err
}

// knownAs says, for staff alone, whose address a mail names that is no admin's.
func knownAs(ctx context.Context, tx *sql.Tx, r *reading) (string, error) {
	var role, account string
	err := tx.QueryRowContext(ctx, `SELECT role, account_id FROM address WHERE lookup = $1 AND until IS NULL ORDER BY id LIMIT 1`, r.writer()).Scan(&role, &account)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read sender's role: %w", err)
	case role == "user":
		return "; it names the address of a user of " + account + ", who has to ask an admin of the account", nil
	}
	return "; it names a notification address of " + account, nil
}

func because(r *reading, general string) string {
	var words []string
	for _, code := range r.verdict.Reasons {
		if staff, _ := sender.Describe(code); staff != "" {
			words = append(words, staff)
		}
	}
	if len(words) == 0 {
		return general
	}
	return general + " " + strings.Join(words, " ")
}

func setFate(ctx context.Context, tx *sql.Tx, id int64, fate, reason string) error {
	_, err := tx.ExecContext(ctx, `UPDATE inbound SET fate = $2, reason = $3, fated_at = $4 WHERE id = $1`, id, fate, reason, micros(time.Now()))
	if err != nil {
		return fmt.Errorf("set fate %s: %w", fate, err)
	}
	return nil
}

// stillWaits reports whether a mail has no fate yet. The commit that gave it one may
// have been reported failed.
func stillWaits(ctx context.Context, tx *sql.Tx, id int64) (waits bool, err error) {
	if err := tx.QueryRowContext(ctx, `SELECT fate IS NULL FROM inbound WHERE id = $1`, id).Scan(&waits); err != nil {
		return false, fmt.Errorf("read fate: %w", err)
	}
	return waits, nil
}

// seenBefore finds the same bytes under another number of the same folder, which came at
// the same time: the mailbox was rebuilt (another UIDVALIDITY), the server moved them to
// another UID, or somebody moved them out and back. Then this is the mail we know (promises
// 3.1). Under the same number it is as well, though its date was changed. Of a mail that
// could not be fetched at first neither date nor size may be known. One that was passed may
// be moved out and back to be looked at anew.
func seenBefore(ctx context.Context, tx *sql.Tx, r *reading) (int64, error) {
	var id int64
	err := tx.QueryRowContext(ctx, `SELECT o.id FROM inbound n JOIN inbound o ON o.sha256 = n.sha256
		WHERE n.id = $1 AND o.id < n.id AND o.mailbox = n.mailbox AND o.folder = n.folder
			AND o.size IN (n.size, 0)
			AND (o.uidvalidity = n.uidvalidity AND o.uid = n.uid
				OR o.internal_date IN (n.internal_date, $2) AND (o.uidvalidity <> n.uidvalidity OR o.fate IS NOT 'passed' OR EXISTS (SELECT 1 FROM inbound l
					WHERE l.mailbox = o.mailbox AND l.folder = o.folder AND l.uidvalidity = o.uidvalidity AND l.uid = o.uid AND l.reuse > o.reuse)))
		ORDER BY o.id LIMIT 1`, r.id, micros(time.Time{})).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

func saveAssessment(ctx context.Context, tx *sql.Tx, r *reading) error {
	text, err := json.Marshal(evidence{r.verdict, r.intent, r.message.Problems, r.meant.Places[:min(len(r.meant.Places), maxPlaces)]})
	if err != nil {
		return fmt.Errorf("save assessment: %w", err)
	}
	subject, words := kept(r)
	_, err = tx.ExecContext(ctx, `INSERT INTO assessment (inbound_id, verdict, match, from_addr, claimed, message_id, subject, excerpt,
			request, score, language, evidence, assessed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		r.id, string(r.verdict.State()), string(r.verdict.Match), r.verdict.From, strings.ToLower(r.verdict.Registered), r.verdict.MessageID,
		subject, words, flag(r.intent.Request), r.intent.Score, r.intent.Language,
		string(text), micros(time.Now()))
	if err != nil {
		return fmt.Errorf("save assessment: %w", err)
	}
	return nil
}

// kept is what an assessment keeps of the words: nothing of what is none of our business.
func kept(r *reading) (subject, words string) {
	if r.verdict.Registered == "" && !r.intent.Request {
		return "", ""
	}
	return clip(withoutSecrets(r.message.Subject), 300), excerpt(withoutSecrets(r.message.Text))
}

// excerpt is the beginning of the writer's words on one line.
func excerpt(text string) string {
	return clip(strings.Join(strings.Fields(clip(text, 2000)), " "), 160)
}
