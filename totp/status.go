package totp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// A Status is what may be shown of a user's factor. It has no secrets. Times
// that do not apply are zero; a time in the past is over.
type Status struct {
	Enrolled     bool
	Since        time.Time // activation of the present factor
	LastUsed     time.Time // last accepted code
	CodesLeft    int       // unused backup codes; warn at 3
	Generation   int64     // 1 + number of resets
	APIOnly      bool      // exempt from the duty to enroll: show it
	RequiredFrom time.Time // filled by [Book.Status] from the policy
	PassRequired bool      // reset, not enrolled again: the password alone is not enough
	HoldUntil    time.Time
	SessionsFrom time.Time // end panel sessions begun earlier
	LockedUntil  time.Time
	Frozen       bool
	Failures     int  // wrong codes in a row
	Alarm        bool // so many that somebody should look
}

// ReadStatus reads the status of a user, [ErrUnknownUser] if there is none.
func ReadStatus(ctx context.Context, q Querier, user string) (Status, error) {
	var s Status
	var since, used, hold, sessions, locked int64
	err := q.QueryRowContext(ctx, `
		SELECT h.api_only, h.generation, h.failures, h.locked_until, h.verified_at, h.sessions_from, h.hold_until,
			h.frozen_at IS NOT NULL,
			coalesce((SELECT max(activated_at) FROM credential WHERE user_id = h.id AND state = 'active'), 0),
			(SELECT count(*) FROM backup_set b JOIN backup_code n ON n.set_id = b.id
				WHERE b.user_id = h.id AND b.state = 'active' AND n.used_at IS NULL)
		FROM holder h WHERE h.id = $1`, user).Scan(
		&s.APIOnly, &s.Generation, &s.Failures, &locked, &used, &sessions, &hold, &s.Frozen, &since, &s.CodesLeft)
	if errors.Is(err, sql.ErrNoRows) {
		return Status{}, ErrUnknownUser
	}
	if err != nil {
		return Status{}, fmt.Errorf("read status: %w", err)
	}
	s.Enrolled = since != 0
	s.PassRequired = !s.Enrolled && s.Generation > 1
	s.Alarm = s.Failures >= alarmFailures
	s.Since, s.LastUsed, s.HoldUntil = instant(since), instant(used), instant(hold)
	s.SessionsFrom, s.LockedUntil = instant(sessions), instant(locked)
	return s, nil
}

// Status is [ReadStatus] with the date from which a factor is mandatory.
func (b *Book) Status(ctx context.Context, user string) (Status, error) {
	s, err := ReadStatus(ctx, b.db, user)
	if err == nil && !s.APIOnly {
		s.RequiredFrom = b.policy.MandatoryFrom
	}
	return s, err
}
