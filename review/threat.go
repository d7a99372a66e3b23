package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Threat says whether threat mode is on, and who turned the switch last.
type Threat struct {
	On     bool      `json:"on"`
	Always bool      `json:"always"` // the configuration has it on, whatever the switch says
	Since  time.Time `json:"since,omitzero"`
	By     string    `json:"by"` // "" if nobody ever turned the switch
	Reason string    `json:"reason"`
}

// String says it in a sentence.
func (t Threat) String() string {
	switch {
	case t.Always:
		return "Threat mode is on, by the configuration."
	case t.On:
		return "Threat mode is on since " + stamp(t.Since) + ", by " + t.By + ": " + t.Reason
	case t.By == "":
		return "Threat mode is off."
	}
	return "Threat mode is off since " + stamp(t.Since) + ", by " + t.By + ": " + t.Reason
}

// Threat reads the switch.
func (d *Desk) Threat(ctx context.Context) (Threat, error) {
	t := Threat{Always: d.cfg.Policy.Threat}
	var at int64
	err := d.db.read.QueryRowContext(ctx, `SELECT t.active, t.at, coalesce(r.name, 'the operator, on the host'), t.reason
		FROM threat_turn t LEFT JOIN reviewer r ON r.id = t.reviewer_id ORDER BY t.id DESC LIMIT 1`).Scan(&t.On, &at, &t.By, &t.Reason)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return t, fmt.Errorf("read threat mode: %w", err)
	}
	t.Since, t.On = fromMicros(at), t.On || t.Always
	return t, nil
}

// SwitchThreat turns threat mode on or off, at once: from the commit on every
// judgement knows it, in every case that is open. Raising the guard takes a lead and
// a reason; lowering it takes a fresh second factor as well.
func (d *Desk) SwitchThreat(ctx context.Context, s Session, on bool, reason, code string) error {
	if err := d.allow(ctx, d.db.read, s, Leading); err != nil {
		return err
	}
	if strings.TrimSpace(reason) == "" {
		return invalid("reason", "Write why; the audit keeps it.")
	}
	if !on {
		check := func(tx *sql.Tx) error { return d.turnable(ctx, tx, on) }
		if err := d.snapshot(ctx, "switch threat mode", check); err != nil {
			return err // before the code is used up
		}
		if _, err := d.stepUp(ctx, s, code); err != nil {
			return err
		}
	}
	return d.turnThreat(ctx, on, reason, s.actor(), s.Reviewer.ID, s.hash())
}

// SwitchThreatOnHost is SwitchThreat for whoever has the machine.
func (d *Desk) SwitchThreatOnHost(ctx context.Context, on bool, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return invalid("reason", "Write why; the audit keeps it.")
	}
	return d.turnThreat(ctx, on, reason, "host", 0, nil)
}

func (d *Desk) turnThreat(ctx context.Context, on bool, reason, actor string, reviewer int64, session []byte) error {
	err := d.update(ctx, "switch threat mode", func(tx *sql.Tx) error {
		if err := d.turnable(ctx, tx, on); err != nil {
			return err
		}
		now := time.Now()
		seq, err := record(ctx, tx, now, actor, map[bool]string{true: "threat.on", false: "threat.off"}[on], "installation", map[string]string{"reason": reason})
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO threat_turn (id, active, reviewer_id, session, reason, at, audit_seq)
			SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5, $6 FROM threat_turn`,
			flag(on), nullID(reviewer), nullBytes(session), reason, micros(now), seq)
		if err != nil {
			return fmt.Errorf("switch threat mode: %w", err)
		}
		// What waited for the longer period may be ready, and the other way round.
		_, err = tx.ExecContext(ctx, `UPDATE reset_case SET due_at = $1 WHERE state = 'open'`, micros(now))
		return err
	})
	if err == nil {
		d.nudge()
	}
	return err
}

func (d *Desk) turnable(ctx context.Context, tx *sql.Tx, on bool) error {
	var is bool
	err := tx.QueryRowContext(ctx, `SELECT coalesce((SELECT active FROM threat_turn ORDER BY id DESC LIMIT 1), 0)`).Scan(&is)
	switch {
	case err != nil:
		return fmt.Errorf("read threat mode: %w", err)
	case is == on && on:
		return fail(Conflict, "Threat mode is on already.")
	case is == on:
		return fail(Conflict, "Threat mode is off already.")
	case !on && d.cfg.Policy.Threat:
		return fail(Conflict, "The configuration has threat mode on; only the operator can change that.")
	}
	return nil
}
