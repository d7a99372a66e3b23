package review

import (
	"context"
	"database/sql"
	"fmt"
	"github.com/resetdesk/resetdesk/review/letters"
	"time"
)

const (
	aDay = 24 * time.Hour
	// A date that is so long past is no news.
	reminderPast = 30 * aDay
	remindBatch  = 50
	remindRounds = 10 // batches in one go of the clock
	// While so many letters are due to go out, reminders wait: nobody who asked
	// for a reset stands in line behind a mailing.
	remindBehind = 100
)

// reminder says which stage of reminding is due for a day: 7 days before it, 1
// day before it or on it, the most urgent one only. next is when to look again,
// zero for never.
func reminder(day, now time.Time) (stage int, due bool, next time.Time) {
	switch {
	case day.IsZero() || !now.Before(day.Add(reminderPast)):
		return 0, false, time.Time{}
	case now.Before(day.Add(-7 * aDay)):
		return 0, false, day.Add(-7 * aDay)
	case now.Before(day.Add(-aDay)):
		return 7, true, day.Add(-aDay)
	case now.Before(day):
		return 1, true, day
	}
	return 0, true, time.Time{}
}

// remind reminds users who have yet to enroll before a factor is mandatory for
// them. It looks only at users whose time to be looked at has come, so it costs
// nothing while nothing is due, and a crash leaves it where it was. Users are
// taken one by one where a batch fails, and one who cannot be reminded is looked
// at again in an hour, so that nobody goes unreminded for another's sake.
func (d *Desk) remind(ctx context.Context) error {
	for range remindRounds {
		users, err := d.toRemind(ctx)
		if err != nil || len(users) == 0 {
			return err
		}
		if d.remindThese(ctx, users) == nil {
			continue
		}
		for _, user := range users {
			if err := d.remindThese(ctx, []string{user}); err != nil {
				if ctx.Err() != nil {
					return err
				}
				d.log.Error("a user cannot be reminded to enroll", "user", user, "error", err)
				if err := d.remindLater(ctx, user); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// remindThese looks at the users in one transaction.
func (d *Desk) remindThese(ctx context.Context, users []string) error {
	letters := 0
	err := d.update(ctx, "remind users", func(tx *sql.Tx) error {
		now := time.Now()
		for _, user := range users {
			n, err := d.remindUser(ctx, tx, user, now)
			if err != nil {
				return fmt.Errorf("user %s: %w", user, err)
			}
			letters += n
		}
		return nil
	})
	if err == nil && letters > 0 {
		d.lettersReady()
	}
	return err
}

func (d *Desk) remindLater(ctx context.Context, user string) error {
	return d.update(ctx, "remind a user later", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE panel_user SET remind_at = $2 WHERE id = $1`, user, micros(time.Now().Add(time.Hour)))
		return err
	})
}

// toRemind are users to look at, none while the outbox is full.
func (d *Desk) toRemind(ctx context.Context) ([]string, error) {
	now := micros(time.Now())
	rows, err := d.db.read.QueryContext(ctx, `SELECT id FROM panel_user WHERE remind_at IS NOT NULL AND remind_at <= $1 AND removed_at IS NULL
			AND (SELECT count(*) FROM (SELECT 1 FROM letter WHERE next_at <= $1 AND state IN ('queued', 'sending', 'dot') LIMIT $3)) < $3
		ORDER BY remind_at, id LIMIT $2`, now, remindBatch, remindBehind)
	if err != nil {
		return nil, fmt.Errorf("users to remind: %w", err)
	}
	defer rows.Close()
	var users []string
	for rows.Next() {
		var user string
		if err := rows.Scan(&user); err != nil {
			return nil, fmt.Errorf("users to remind: %w", err)
		}
		users = append(users, user)
	}
	return users, rows.Err()
}

func (d *Desk) remindUser(ctx context.Context, tx *sql.Tx, user string, now time.Time) (letters int, err error) {
	s, err := d.book.StatusIn(ctx, tx, user)
	if err != nil {
		return 0, err
	}
	day := s.RequiredFrom.Truncate(aDay)
	if s.Enrolled || s.PassRequired { // who was reset has a pass, and a letter of its own
		day = time.Time{}
	}
	stage, due, next := reminder(day, now)
	if s.APIOnly { // that may change without our being told
		next = now.Add(aDay)
	}
	if due {
		if letters, err = d.mailReminder(ctx, tx, user, day, stage, now); err != nil {
			return 0, err
		}
	}
	var at any
	if !next.IsZero() {
		at = micros(next)
	}
	_, err = tx.ExecContext(ctx, `UPDATE panel_user SET remind_at = $2 WHERE id = $1`, user, at)
	return letters, err
}

// mailReminder queues a reminder, once for each day and stage.
func (d *Desk) mailReminder(ctx context.Context, tx *sql.Tx, user string, day time.Time, stage int, now time.Time) (int, error) {
	topic := fmt.Sprintf("due:%s:%d", day.Format(time.DateOnly), stage)
	var told bool
	err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM letter WHERE user_id = $1 AND topic = $2)`, user, topic).Scan(&told)
	if err != nil || told {
		return 0, err
	}
	w, u, err := d.userWords(ctx, tx, user)
	if err != nil {
		return 0, err
	}
	w.Day, w.Stage = letters.Date(day, u.locale), "soon"
	switch {
	case stage == 1:
		w.Stage = "tomorrow"
	case stage == 0 && now.Before(day.Add(aDay)):
		w.Stage = "today"
	case stage == 0:
		w.Stage = "past"
	}
	letters, untold, err := d.mailUser(ctx, tx, u, theUser, owed{kind: "reminder", topic: topic}, w, now)
	if err != nil {
		return 0, err
	}
	detail := map[string]any{"required_from": day.Format(time.DateOnly), "days_before": stage, "letters": letters}
	if untold != "" {
		detail["untold"] = untold
	}
	_, err = record(ctx, tx, now, "clock", "user.reminded", user, detail)
	return letters, err
}
