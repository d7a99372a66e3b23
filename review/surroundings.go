package review

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// surroundings are the rows of evidence about what stands around a case.
func surroundings(f Facts, c caseRow) []Check {
	cases := Check{"Earlier cases", "pass", "None within a year.", "Attackers call a desk several times to learn its steps."}
	if f.Cases365 > 0 {
		cases.Evidence = fmt.Sprintf("%s of this account within 30 days, %d within a year; the last one ended as %s.",
			counted(f.Cases30, "case"), f.Cases365, strings.ReplaceAll(string(f.LastOutcome), "_", " "))
		if f.Cases30 > 0 || f.LastOutcome == StateRejected || f.LastOutcome == StateUndone {
			cases.Result = "warn"
		}
	}
	rows := []Check{cases}
	if f.Sharing > 0 {
		rows = append(rows, Check{"Same address", "warn", "It is registered for " + counted(f.Sharing, "other account") + " as well.",
			"One mailbox opens all of them."})
	}
	if f.Circular != "" {
		rows = append(rows, Check{"Circular proof", "warn", "The registered address lives on " + f.Circular + ", a domain of this same account.",
			"Who controls the account can point the mail of the domain to himself, and confirm through it."})
	}
	if f.FrozenUntil.After(time.Now()) {
		rows = append(rows, Check{"Freeze", "fail", "Resets of this account are frozen until " + stamp(f.FrozenUntil) + ": " + f.FrozenReason, "A colleague stopped them."})
	}
	return rows
}

// readTasks reads what the forms of evidence and of duplicates offer.
func (d *Desk) readTasks(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) (err error) {
	if c.state.Closed() || c.account == "" {
		return nil
	}
	has := func(how How) bool {
		return slices.ContainsFunc(d.cfg.Policy.Evidence, func(r EvidenceRule) bool { return r.How == how })
	}
	if has(DNSRecord) {
		if v.DNS, err = d.dnsTasks(ctx, tx, c); err != nil {
			return err
		}
	}
	if has(SecondAdmin) {
		vouchers, err := vouchers(ctx, tx, c)
		if err != nil {
			return err
		}
		for _, r := range vouchers {
			v.Vouchers = append(v.Vouchers, AccountChoice{fmt.Sprint(r.id), maskAddress(r.lookup)})
		}
	}
	return d.readRelated(ctx, tx, c, v)
}

func (d *Desk) readRelated(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	rows, err := tx.QueryContext(ctx, `SELECT k.number, k.state || coalesce(', ' || u.login, '') FROM reset_case k LEFT JOIN panel_user u ON u.id = k.user_id
		WHERE k.account_id = $1 AND k.id <> $2 AND k.state <> 'duplicate' ORDER BY k.id DESC LIMIT 8`, c.account, c.id)
	if err != nil {
		return fmt.Errorf("read related cases: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var a AccountChoice
		if err := rows.Scan(&a.ID, &a.Name); err != nil {
			return fmt.Errorf("read related cases: %w", err)
		}
		v.Related = append(v.Related, a)
	}
	return rows.Err()
}
