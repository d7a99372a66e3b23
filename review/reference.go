package review

import (
	"context"
	"database/sql"
	"encoding/base32"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/message"
	"github.com/resetdesk/resetdesk/mailbox/sender"
)

// reference is the secret that the letters of a case to its requester carry in
// their subject, and answers quote: who has it has read the registered address's
// mail (sender-verification 4, 2f). 80 bits that nobody without our keys can
// guess; the case number alone is printed everywhere. It is not stored.
func (d *Desk) reference(c caseRow) string {
	sum := d.cfg.Keys.MAC("case reference", []byte(c.number), []byte(c.requester))
	s := base32.NewEncoding(crockford).EncodeToString(sum[:10])
	return s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:]
}

// maxQuotedCases is how many cases one mail may quote.
const maxQuotedCases = 5

// nonces are the references of the live cases that a mail names, for those of
// the registered addresses that asked for them. A closed or expired case has none.
func (d *Desk) nonces(ctx context.Context, tx *sql.Tx, header []byte, registered []string) ([]sender.Nonce, error) {
	if len(registered) == 0 {
		return nil, nil
	}
	m := message.Header(header)
	var numbers []string
	for _, text := range append([]string{m.Subject}, append(m.InReplyTo, m.References...)...) {
		number := caseNumber(strings.ToUpper(text))
		if number != "" && !slices.Contains(numbers, number) && len(numbers) < maxQuotedCases {
			numbers = append(numbers, number)
		}
	}
	var all []sender.Nonce
	for _, number := range numbers {
		c, err := scanCase(tx.QueryRowContext(ctx, `SELECT `+caseColumns+` FROM reset_case
			WHERE number = $1 AND state IN ('open', 'held') AND expires_at > $2`, number, micros(time.Now())))
		switch {
		case KindOf(err) == NotFound:
			continue
		case err != nil:
			return nil, err
		}
		if slices.ContainsFunc(registered, func(a string) bool { return strings.EqualFold(a, c.requester) }) {
			all = append(all, sender.Nonce{Token: d.reference(c), Address: c.requester})
		}
	}
	return all, nil
}
