package review

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/review/alarm"
)

// What the alarms look back at, and how much of it at most: an attack that opens
// cases by the thousand shows in the newest of them.
const (
	alarmCases     = 7 * 24 * time.Hour
	alarmApprovals = 90 * 24 * time.Hour
	alarmLook      = time.Minute
)

// Alarms are the signs of an attack that the desk saw, with the time of the look.
type Alarms struct {
	Signals []alarm.Signal
	At      time.Time
}

type alarmWatch struct {
	sync.Mutex
	found Alarms
}

// Alarms returns what is there now; a look is a minute old at most.
func (d *Desk) Alarms(ctx context.Context) (Alarms, error) {
	w := &d.alarms
	w.Lock()
	defer w.Unlock()
	if time.Since(w.found.At) < alarmLook {
		return w.found, nil
	}
	now := time.Now()
	var seen alarm.Seen
	err := d.snapshot(ctx, "look for alarms", func(tx *sql.Tx) (err error) {
		seen, err = readSeen(ctx, tx, now)
		return err
	})
	if err != nil {
		return Alarms{}, err
	}
	w.found = Alarms{alarm.Signals(seen, now), now}
	return w.found, nil
}

func readSeen(ctx context.Context, tx *sql.Tx, now time.Time) (seen alarm.Seen, err error) {
	cases, err := seenCases(ctx, tx, now.Add(-alarmCases))
	if err != nil {
		return seen, err
	}
	if seen.Cases, err = earlierRefusals(ctx, tx, cases, now); err != nil {
		return seen, err
	}
	rows, err := tx.QueryContext(ctx, seenVotesSQL, micros(now.Add(-alarmApprovals)))
	if err != nil {
		return seen, err
	}
	defer rows.Close()
	for rows.Next() {
		var a alarm.Approval
		var at int64
		if err := rows.Scan(&a.Reviewer, &a.Case, &a.Account, &at); err != nil {
			return seen, err
		}
		a.At = fromMicros(at)
		seen.Approvals = append(seen.Approvals, a)
	}
	if err := rows.Err(); err != nil {
		return seen, err
	}
	more, err := tx.QueryContext(ctx, seenImitationsSQL, micros(now.Add(-24*time.Hour)))
	if err != nil {
		return seen, err
	}
	defer more.Close()
	for more.Next() {
		var i alarm.Imitation
		var at int64
		if err := more.Scan(&i.Address, &at); err != nil {
			return seen, err
		}
		i.At = fromMicros(at)
		seen.Imitations = append(seen.Imitations, i)
	}
	return seen, more.Err()
}

const (
	seenColumns = `c.number, coalesce(c.account_id, ''), coalesce(c.user_id, ''), c.opened_at,
		CASE WHEN c.state = 'rejected' THEN coalesce(c.closed_at, 0) ELSE coalesce((SELECT max(at) FROM answer n WHERE n.case_id = c.id AND n.answer = 'no'), 0) END,
		coalesce((SELECT s.from_addr FROM assessment s WHERE s.inbound_id = c.opener_mail), ''),
		coalesce((SELECT group_concat(p.ip, ' ') FROM panel_request p WHERE p.case_id = c.id), '') || ' ' ||
			coalesce((SELECT group_concat(n.ip, ' ') FROM answer n WHERE n.case_id = c.id), ''),
		coalesce((SELECT group_concat(p.agent, char(10)) FROM panel_request p WHERE p.case_id = c.id), '')`
	seenCasesSQL      = `SELECT ` + seenColumns + ` FROM reset_case c WHERE c.opened_at > $1 ORDER BY c.opened_at DESC LIMIT 2000`
	seenRefusedSQL    = `SELECT ` + seenColumns + ` FROM reset_case c WHERE c.account_id = $1 AND c.opened_at > $2 AND c.opened_at <= $3 ORDER BY c.id DESC LIMIT 20`
	seenVotesSQL      = `SELECT r.name, c.number, c.account_id, a.decided_at FROM approval a JOIN reviewer r ON r.id = a.reviewer_id JOIN reset_case c ON c.id = a.case_id WHERE a.decided_at > $1 ORDER BY a.decided_at DESC LIMIT 2000`
	seenImitationsSQL = `SELECT claimed, assessed_at FROM assessment WHERE match = 'lookalike' AND assessed_at > $1 ORDER BY assessed_at DESC LIMIT 2000`
)

// seenCases reads cases, the oldest first.
func seenCases(ctx context.Context, tx *sql.Tx, after time.Time) ([]alarm.Case, error) {
	return scanSeen(tx.QueryContext(ctx, seenCasesSQL, micros(after)))
}

// earlierRefusals puts those cases before them that the same accounts had within
// 30 days.
func earlierRefusals(ctx context.Context, tx *sql.Tx, cases []alarm.Case, now time.Time) ([]alarm.Case, error) {
	var earlier []alarm.Case
	done := map[string]bool{"": true}
	for _, c := range cases {
		if done[c.Account] {
			continue
		}
		done[c.Account] = true
		more, err := scanSeen(tx.QueryContext(ctx, seenRefusedSQL, c.Account, micros(now.Add(-30*24*time.Hour)), micros(now.Add(-alarmCases))))
		if err != nil {
			return nil, err
		}
		for _, m := range more {
			if !m.Refused.IsZero() { // only what a repeat is measured by
				m.IPs, m.Agents, m.Sender = nil, nil, ""
				earlier = append(earlier, m)
			}
		}
	}
	return append(earlier, cases...), nil
}

func scanSeen(rows *sql.Rows, err error) ([]alarm.Case, error) {
	if err != nil {
		return nil, fmt.Errorf("read cases: %w", err)
	}
	defer rows.Close()
	var all []alarm.Case
	for rows.Next() {
		var c alarm.Case
		var opened, refused int64
		var ips, agents string
		if err := rows.Scan(&c.Number, &c.Account, &c.User, &opened, &refused, &c.Sender, &ips, &agents); err != nil {
			return nil, fmt.Errorf("read cases: %w", err)
		}
		c.Opened, c.Refused, c.IPs = fromMicros(opened), fromMicros(refused), strings.Fields(ips)
		for agent := range strings.SplitSeq(agents, "\n") {
			if agent != "" {
				c.Agents = append(c.Agents, clip(agent, 120))
			}
		}
		all = append(all, c)
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return all, rows.Err()
}
