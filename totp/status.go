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
	Devices      int       // active authenticators, two at most
	Since        time.Time // activation of the newest one
	LastUsed     time.Time // last accepted code
	CodesLeft    int       // unused backup codes; warn at 3
	Generation   int64     // 1 + number of resets
	APIOnly      bool      // exempt from the duty to enroll: show it
	RequiredFrom time.Time // a factor is mandatory from then; zero: never. By [Book.Status] alone
	Required     bool      // that time has come. By [Book.Status] alone
	PassRequired bool      // reset, not enrolled again: the password alone is not enough
	HoldUntil    time.Time
	SessionsFrom time.Time // end panel sessions begun earlier
	LockedUntil  time.Time
	Frozen       bool
	Failures     int  // wrong codes in a row
	Alarm        bool // so many, in a row or in a day, that somebody should look
}

// ReadStatus reads the status of a user, [ErrUnknownUser] if there is none.
func ReadStatus(ctx context.Context, q Querier, user string) (Status, error) {
	s, _, err := readStatus(ctx, q, user)
	return s, err
}

func readStatus(ctx context.Context, q Querier, user string) (Status, duty, error) {
	var s Status
	var d duty
	var since, used, hold, sessions, locked, from int64
	var today int
	err := q.QueryRowContext(ctx, `
		SELECT h.api_only, h.registered_at, coalesce(h.required_from, 0), h.generation, h.failures, h.day_failures, h.day_from,
			h.locked_until, h.verified_at, h.sessions_from, h.hold_until, h.frozen_at IS NOT NULL,
			(SELECT count(*) FROM credential WHERE user_id = h.id AND state = 'active'),
			coalesce((SELECT max(activated_at) FROM credential WHERE user_id = h.id AND state = 'active'), 0),
			(SELECT count(*) FROM backup_set b JOIN backup_code n ON n.set_id = b.id
				WHERE b.user_id = h.id AND b.state = 'active' AND n.used_at IS NULL),
			`+passDue+`
		FROM holder h WHERE h.id = $1`, user).Scan(
		&s.APIOnly, &d.registered, &d.from, &s.Generation, &s.Failures, &today, &from,
		&locked, &used, &sessions, &hold, &s.Frozen, &s.Devices, &since, &s.CodesLeft, &s.PassRequired)
	if errors.Is(err, sql.ErrNoRows) {
		return Status{}, d, ErrUnknownUser
	}
	if err != nil {
		return Status{}, d, fmt.Errorf("read status: %w", err)
	}
	d.apiOnly = s.APIOnly
	s.Enrolled = s.Devices > 0
	s.PassRequired = s.PassRequired && !s.Enrolled
	spent := today >= dayFailures && time.Since(time.UnixMicro(from)) < day
	s.Alarm = spent || s.Failures >= alarmFailures
	s.Since, s.LastUsed, s.HoldUntil = instant(since), instant(used), instant(hold)
	s.SessionsFrom, s.LockedUntil = instant(sessions), instant(locked)
	return s, d, nil
}

// Status is [ReadStatus] with the duty to have a factor, by policy and user.
func (b *Book) Status(ctx context.Context, user string) (Status, error) {
	return b.StatusIn(ctx, b.db, user)
}

// StatusIn is [Book.Status] as seen by q, such as a transaction of the caller.
func (b *Book) StatusIn(ctx context.Context, q Querier, user string) (Status, error) {
	s, d, err := readStatus(ctx, q, user)
	if err == nil {
		s.RequiredFrom = b.policy.requiredFrom(d)
		s.Required = b.policy.required(d, time.Now())
	}
	return s, err
}
