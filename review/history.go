package review

import (
	"context"
	"fmt"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// readHistory reads what stands around a case: the switch of threat mode, a freeze
// of the account, its domains, who shares the address, and earlier cases.
func readHistory(ctx context.Context, tx totp.Querier, c caseRow, f *Facts) error {
	const day = 24 * time.Hour
	_, domain, _ := cutAddress(c.requester)
	err := tx.QueryRowContext(ctx, `SELECT
		coalesce((SELECT active FROM threat_turn ORDER BY id DESC LIMIT 1), 0),
		coalesce((SELECT domain FROM account_domain WHERE account_id = $1 AND until IS NULL AND ($4 = domain OR $4 LIKE '%.' || domain) ORDER BY domain LIMIT 1), ''),
		(SELECT count(DISTINCT account_id) FROM address WHERE lookup = $2 AND role = 'admin' AND until IS NULL AND account_id <> $1 AND $1 <> ''),
		(SELECT count(*) FROM reset_case WHERE account_id = $1 AND id < $3 AND opened_at > $5),
		(SELECT count(*) FROM reset_case WHERE account_id = $1 AND id < $3 AND opened_at > $6),
		coalesce((SELECT state FROM reset_case WHERE account_id = $1 AND id < $3 ORDER BY id DESC LIMIT 1), '')`,
		c.account, c.requester, c.id, domain, micros(c.opened.Add(-30*day)), micros(c.opened.Add(-365*day))).
		Scan(&f.Threat, &f.Circular, &f.Sharing, &f.Cases30, &f.Cases365, &f.LastOutcome)
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	if c.account == "" {
		return nil
	}
	frost, err := readFrost(ctx, tx, c.account)
	f.FrozenUntil, f.FrozenReason = frost.Until, frost.Reason
	return err
}
