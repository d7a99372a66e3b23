package review

import (
	"context"
	"database/sql"
	"time"
)

// purge forgets the bytes and headers of mails that are not needed any more: those without
// a case after KeepParked, those of closed cases after KeepBodies. What was
// found out about them, their hash and their fate stay; so a mail is never
// taken in twice.
func (d *Desk) purge(ctx context.Context) error {
	now := time.Now()
	if err := d.forgetSignals(ctx, now); err != nil {
		return err
	}
	return d.update(ctx, "forget mail bodies", func(tx *sql.Tx) error {
		if err := forgetDeliveries(ctx, tx, now); err != nil {
			return err
		}
		if keep := d.cfg.KeepParked; keep > 0 {
			_, err := tx.ExecContext(ctx, `UPDATE inbound SET raw = NULL, header = NULL
				WHERE (raw IS NOT NULL OR header IS NOT NULL) AND fate IN ('parked', 'automatic', 'quarantined', 'passed', 'unfetchable') AND fated_at < $1`, micros(now.Add(-keep)))
			if err != nil {
				return err
			}
		}
		if keep := d.cfg.KeepBodies; keep > 0 {
			_, err := tx.ExecContext(ctx, `UPDATE inbound SET raw = NULL, header = NULL
				WHERE (raw IS NOT NULL OR header IS NOT NULL) AND fate IN ('case', 'attached') AND NOT EXISTS (
					SELECT 1 FROM case_mail m JOIN reset_case c ON c.id = m.case_id
					WHERE m.inbound_id = inbound.id AND (c.closed_at IS NULL OR c.closed_at >= $1))`, micros(now.Add(-keep)))
			if err != nil {
				return err
			}
		}
		return nil
	})
}
