package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// verifyDecisions checks what SQL cannot: that every decision has its event, and
// that the event says the same. It catches a chain that was cut while its
// decisions still stand, and a decision that was changed or slipped in.
func verifyDecisions(ctx context.Context, tx *sql.Tx) error {
	var orphans int
	err := tx.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM approval a LEFT JOIN audit e ON e.seq = a.audit_seq AND e.action = 'case.approved'
			AND e.actor = 'reviewer:' || a.reviewer_id WHERE e.seq IS NULL) +
		(SELECT count(*) FROM reset r LEFT JOIN audit e ON e.seq = r.audit_seq AND e.action = 'case.cleared' WHERE e.seq IS NULL) +
		(SELECT count(*) FROM undo u LEFT JOIN audit e ON e.seq = u.audit_seq AND e.action = 'case.undone' WHERE e.seq IS NULL) +
		(SELECT count(*) FROM answer a JOIN reset_case c ON c.id = a.case_id WHERE NOT EXISTS (
			SELECT 1 FROM audit WHERE object = c.number AND action = 'owner.' || a.answer AND at = a.at)) +
		(SELECT count(*) FROM evidence v LEFT JOIN audit e ON e.seq = v.audit_seq AND e.action = 'evidence.recorded' AND e.at = v.at WHERE e.seq IS NULL) +
		(SELECT count(*) FROM threat_turn t LEFT JOIN audit e ON e.seq = t.audit_seq AND e.at = t.at
			AND e.action = CASE t.active WHEN 1 THEN 'threat.on' ELSE 'threat.off' END WHERE e.seq IS NULL) +
		(SELECT count(*) FROM account_freeze f LEFT JOIN audit e ON e.seq = f.audit_seq AND e.at = f.at AND e.object = f.account_id
			AND e.action IN ('account.frozen', 'account.unfrozen') WHERE e.seq IS NULL) +
		(SELECT count(*) FROM reset_case c WHERE closed_at IS NOT NULL AND NOT EXISTS (
			SELECT 1 FROM audit WHERE object = c.number AND action = 'case.' || c.state)) +
		(SELECT count(*) FROM reset_case c WHERE NOT EXISTS (
			SELECT 1 FROM audit WHERE object = c.number AND action = 'case.opened'))`).Scan(&orphans)
	if err != nil {
		return err
	}
	if orphans > 0 {
		return fmt.Errorf("%d decisions have no audit event", orphans)
	}
	if err := verifyVotes(ctx, tx); err != nil {
		return err
	}
	return verifyResets(ctx, tx)
}

func verifyVotes(ctx context.Context, tx *sql.Tx) error {
	return eachDecision(ctx, tx, `SELECT c.number, e.object, e.at = a.decided_at, e.detail, a.user_id, a.generation, a.reason, lower(hex(a.evidence_hash))
		FROM approval a JOIN reset_case c ON c.id = a.case_id JOIN audit e ON e.seq = a.audit_seq`,
		func(said map[string]any, user string, generation int64, reason, evidence string) bool {
			return said["user"] == user && said["generation"] == float64(generation) && said["reason"] == reason && said["evidence"] == evidence
		})
}

func verifyResets(ctx context.Context, tx *sql.Tx) error {
	return eachDecision(ctx, tx, `SELECT c.number, e.object, e.at = r.cleared_at, e.detail, r.user_id, r.generation, '', ''
		FROM reset r JOIN reset_case c ON c.id = r.case_id JOIN audit e ON e.seq = r.audit_seq`,
		func(said map[string]any, user string, generation int64, _, _ string) bool {
			return said["user"] == user && said["generation"] == float64(generation)
		})
}

func eachDecision(ctx context.Context, tx *sql.Tx, query string, same func(said map[string]any, user string, generation int64, reason, evidence string) bool) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var number, object, detail, user, reason, evidence string
		var then bool
		var generation int64
		if err := rows.Scan(&number, &object, &then, &detail, &user, &generation, &reason, &evidence); err != nil {
			return err
		}
		said := map[string]any{}
		if err := json.Unmarshal([]byte(detail), &said); err != nil || object != number || !then || !same(said, user, generation, reason, evidence) {
			return fmt.Errorf("a decision of case %s is not what its audit event says", number)
		}
	}
	return rows.Err()
}
