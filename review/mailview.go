package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/mailbox/message"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/review/intent"
)

func readCaseMails(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	rows, err := tx.QueryContext(ctx, `SELECT inbound_id, role, says, at FROM case_mail m WHERE case_id = $1
		ORDER BY `+mailOrder+`, inbound_id DESC LIMIT 20`, c.id)
	if err != nil {
		return err
	}
	defer rows.Close()
	type member struct {
		id, at     int64
		role, says string
	}
	var members []member
	for rows.Next() {
		var m member
		if err := rows.Scan(&m.id, &m.role, &m.says, &m.at); err != nil {
			return err
		}
		if m.says == saysObject && m.role != "foreign" && c.state == StateCleared && fromMicros(m.at).After(c.closed) {
			v.ObjectedAfter = fromMicros(m.at)
		}
		members = append(members, m)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, m := range members {
		mail, err := mailView(ctx, tx, m.id, m.role)
		if err != nil {
			return err
		}
		mail.Says = m.says
		v.Mails = append(v.Mails, mail)
	}
	v.Checks = append(v.Checks, repliesCheck(v.Mails))
	return nil
}

// repliesCheck sums up what later mails say to the case.
func repliesCheck(mails []MailView) Check {
	row := Check{"Later mails", "pass", "None speaks against it.", "Who reads the contacts' mail can object by mail. A reply never approves or confirms."}
	said, strange := map[string]int{}, 0
	for _, m := range mails {
		switch {
		case m.Role != "foreign":
			said[m.Says]++
		case m.Says == saysObject:
			strange++
		}
	}
	switch {
	case said[saysObject] > 0:
		row.Result, row.Evidence = "fail", counted(said[saysObject], "mail")+" to this case read as an objection. Read what they say."
	case said[saysWithdraw] > 0:
		row.Result, row.Evidence = "warn", counted(said[saysWithdraw], "mail")+" to this case read as a withdrawal. Read what they say."
	case strange > 0:
		row.Result, row.Evidence = "warn", counted(strange, "mail")+" of no contact of the account reads as an objection. Anybody can have sent it."
	}
	return row
}

// mailView makes a mail readable for staff. Its text is a stranger's: it is
// only ever shown, never interpreted.
func mailView(ctx context.Context, tx *sql.Tx, id int64, role string) (MailView, error) {
	v := MailView{ID: id, Role: role}
	var raw, header []byte
	var received int64
	var text sql.NullString
	err := tx.QueryRowContext(ctx, `SELECT i.raw, i.header, i.truncated, i.received_at, coalesce(i.fate, 'waiting'), i.reason, s.evidence
		FROM inbound i LEFT JOIN assessment s ON s.inbound_id = i.id WHERE i.id = $1`, id).
		Scan(&raw, &header, &v.Truncated, &received, &v.Fate, &v.FateReason, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return v, fail(NotFound, "There is no such mail.")
	}
	if err != nil {
		return v, fmt.Errorf("read mail: %w", err)
	}
	v.Received = fromMicros(received)
	if role == "" {
		v.Role = v.Fate
	}
	showMessage(&v, raw, header)
	var places []intent.Place
	if text.Valid {
		var e evidence
		if err := json.Unmarshal([]byte(text.String), &e); err != nil {
			return v, fmt.Errorf("read evidence: %w", err)
		}
		showEvidence(&v, e)
		places = e.Places
		if err := showSender(ctx, tx, &v, e, raw); err != nil {
			return v, err
		}
	}
	return v, markNames(ctx, tx, &v, places)
}

func showMessage(v *MailView, raw, header []byte) {
	m := message.Header(header)
	if raw != nil {
		m = message.Read(raw)
		header = headerOf(raw)
	}
	v.FromLine, v.ReplyTo, v.To, v.Subject = m.From, m.ReplyTo, m.To, m.Subject
	v.Forwarded, v.ForwardedFrom = m.Forwarded, m.ForwardedFrom
	v.Text, v.Quoted, v.HiddenText, v.LinkMismatches = m.Text, m.Quoted, m.HiddenText, m.LinkMismatches
	v.Problems, v.HTMLOnly = m.Problems, m.HTMLOnly
	v.FromPoints = codePoints(m.From)
	v.Header, v.Source = readable(header, 64<<10), readable(raw, 128<<10)
	for _, a := range m.Attachments {
		v.Attachments = append(v.Attachments, fmt.Sprintf("%s (%s, %d bytes)", a.Name, a.Type, a.Size))
	}
	hideSecrets(v, raw)
}

// readable is printable text without the secrets of our letters.
func readable(b []byte, limit int) string { return printable([]byte(withoutSecrets(string(b))), limit) }

func showEvidence(v *MailView, e evidence) {
	v.From, v.Registered = e.Verdict.From, e.Verdict.Registered
	v.Verdict, v.Match = string(e.Verdict.State()), string(e.Verdict.Match)
	v.Reasons, v.Flags = reasons(e.Verdict.Reasons), reasons(e.Verdict.Flags)
	v.ForwardCounts = e.Intent.Forwarded
	v.Score, v.Language = e.Intent.Score, e.Intent.Language
	for _, s := range e.Intent.Signals {
		where := map[bool]string{true: " (forwarded)"}[s.Forwarded]
		v.Signals = append(v.Signals, fmt.Sprintf("%+.1f %s: “%s”%s", s.Weight, s.Name, clip(withoutSecrets(s.Text), 80), where))
	}
}

func reasons(codes []string) []Reason {
	var all []Reason
	for _, code := range codes {
		words, _ := sender.Describe(code)
		all = append(all, Reason{code, words})
	}
	return all
}

// codePoints names every character of s that is not printable ASCII.
func codePoints(s string) string {
	var all []string
	for _, r := range s {
		if (r < 0x20 || r > 0x7e) && len(all) < 40 {
			all = append(all, fmt.Sprintf("U+%04X", r))
		}
	}
	return strings.Join(all, " ")
}

// printable shows bytes as text: what is no printable character becomes its
// escaped form, so that nothing hides.
func printable(b []byte, limit int) string {
	cut := len(b) > limit
	if cut {
		b = b[:limit]
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == '\r' && len(b) > 1 && b[1] == '\n':
		case r == '\n' || r == '\t' || (r != utf8.RuneError && unicode.IsPrint(r)):
			out.WriteRune(r)
		case n == 1:
			fmt.Fprintf(&out, `\x%02x`, b[0])
		default:
			fmt.Fprintf(&out, `\u{%04x}`, r)
		}
		b = b[n:]
	}
	if cut {
		out.WriteString("\n[…]")
	}
	return out.String()
}
