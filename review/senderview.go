package review

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/proof"
)

// showSender puts what the assessment kept about the sender into words. An
// assessment of an earlier version lacks some of it; raw is nil when the bytes
// were forgotten.
func showSender(ctx context.Context, tx *sql.Tx, v *MailView, e evidence, raw []byte) error {
	var header []byte
	if raw != nil {
		header = headerOf(raw)
	}
	said := proof.Of(e.Verdict, header)
	var others int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM assessment WHERE message_id = $1 AND message_id <> '' AND claimed = $2 AND inbound_id <> $3`,
		e.Verdict.MessageID, strings.ToLower(e.Verdict.Registered), v.ID).Scan(&others)
	if err != nil {
		return fmt.Errorf("read mails with the same Message-ID: %w", err)
	}
	switch {
	case slices.Contains(e.Verdict.Reasons, "R_REPLAY"):
		said.Replay = "Its signature, its Message-ID or its very bytes came in another mail, which was judged first."
	case len(e.Verdict.Fingerprints) > 0 && others > 0:
		said.Replay = counted(others, "other mail") + " with its Message-ID came in. None that could be trusted had said the same when this one was judged."
	case len(e.Verdict.Fingerprints) > 0:
		said.Replay = "Signature, Message-ID and bytes were looked up among all earlier mails: not seen before."
	}
	if said.Earlier, err = earlierMails(ctx, tx, v.ID, e.Verdict); err != nil {
		return err
	}
	v.Sender = &said
	return nil
}

// earlierMails tells what came before from the registered address that a mail
// names, and whether its signers are known: a first contact deserves a second
// look (sender-verification 8).
func earlierMails(ctx context.Context, tx *sql.Tx, id int64, v sender.Verdict) ([]string, error) {
	said := []string{}
	if v.Registered != "" {
		const most = 100
		var n, signed int
		var first sql.NullInt64
		err := tx.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(CASE WHEN verdict IN ('authenticated', 'partial') THEN 1 ELSE 0 END), 0), min(assessed_at)
			FROM (SELECT verdict, assessed_at FROM assessment WHERE claimed = $1 AND claimed <> '' AND inbound_id < $2 ORDER BY assessed_at LIMIT $3) AS earlier`,
			v.Registered, id, most).Scan(&n, &signed, &first)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read earlier mails: %w", err)
		case n == 0:
			said = append(said, "This is the first mail that names this registered address.")
		case n == most:
			said = append(said, fmt.Sprintf("At least %d earlier mails name this address, the first of %s.", n, stamp(fromMicros(first.Int64))))
		default:
			said = append(said, fmt.Sprintf("%s named this address since %s, %d of them signed by its domain.", counted(n, "earlier mail"), stamp(fromMicros(first.Int64)), signed))
		}
	}
	for _, print := range v.Fingerprints {
		signer := print[:strings.LastIndexByte(print, '/')+1] // domain/selector/
		if signer == "" {
			continue
		}
		var known bool
		// What begins with signer sorts below signer with its last byte raised.
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM signature_seen WHERE fingerprint >= $1 AND fingerprint < $2 AND inbound_id < $3)`,
			signer, signer[:len(signer)-1]+"0", id).Scan(&known)
		if err != nil {
			return nil, fmt.Errorf("read known signers: %w", err)
		}
		domain, selector, _ := strings.Cut(strings.TrimSuffix(signer, "/"), "/")
		said = append(said, fmt.Sprintf("Signer %s, selector %s: %s.", domain, selector, map[bool]string{true: "known from earlier mails", false: "seen for the first time"}[known]))
	}
	return said, nil
}
