package review

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/mailbox/message"
	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/totp"
)

// Case reads everything the case page shows, in one snapshot.
func (d *Desk) Case(ctx context.Context, _ Session, number string) (CaseView, error) {
	var v CaseView
	err := d.snapshot(ctx, "read case", func(tx *sql.Tx) error {
		c, err := caseByNumber(ctx, tx, number)
		if err != nil {
			return err
		}
		f, status, err := readFacts(ctx, tx, c)
		if err != nil {
			return err
		}
		hash, err := evidenceHash(ctx, tx, c, f, status.Generation)
		if err != nil {
			return err
		}
		j := Judge(f, d.cfg.Policy, time.Now())
		v = CaseView{Number: c.number, Requester: c.requester, State: c.state, Version: c.version, EvidenceHash: encodeBytes(hash),
			AccountID: c.account, UserID: c.user, Risk: j.Risk, Requirements: j.Requirements, Opened: c.opened, Expires: c.expires,
			WaitUntil: j.WaitUntil, ApprovalsNeeded: j.Approvals, HeldBy: c.heldBy, HeldReason: c.heldReason, ClosedAt: c.closed,
			ClosedBy: c.closedBy, CloseReason: c.closeReason, Frozen: status.Frozen, Enrolled: status.Enrolled}
		v.Checks = checks(f, status, c)
		for _, read := range []func(context.Context, *sql.Tx, caseRow, *CaseView) error{
			readNames, readLinks, readCaseMails, readPanel, readSignals, readVotes, readLetters, d.readPreview, readTimeline, readReset} {
			if err := read(ctx, tx, c, &v); err != nil {
				return err
			}
		}
		return nil
	})
	return v, err
}

// checks puts the facts into rows for the reviewer.
func checks(f Facts, status totp.Status, c caseRow) []Check {
	sender := Check{"Sender", map[string]string{"authenticated": "pass", "partial": "warn", "unverified": "warn"}[f.Verdict], senderWords(f.Verdict),
		"A From line is easy to forge. Only a signature of its own domain speaks for it, and it speaks for the domain, not for the person."}
	if f.Verdict == fromPanel {
		sender = panelCheck(f)
	}
	rows := []Check{sender,
		{"Registered address", map[bool]string{true: "pass", false: "fail"}[f.Match == "exact" || f.Match == "case_variant"],
			matchWords(f) + " Registered since " + stamp(f.AddressSince) + ".",
			"An address that was changed shortly before a request is the usual way to take over an account."},
	}
	factor := Check{"Second factor", "unknown", "The user is not known yet.", "Without a second factor there is nothing to reset."}
	if c.user != "" {
		factor.Result, factor.Evidence = "fail", "Off."
		if status.Enrolled {
			factor.Result = "pass"
			factor.Evidence = fmt.Sprintf("On since %s, last used %s, %d backup codes left.", stamp(status.Since), stamp(status.LastUsed), status.CodesLeft)
		}
	}
	owner := Check{"Owner", "unknown", "Not answered yet.", "Only somebody who reads the registered mailbox can confirm."}
	switch {
	case f.Objected:
		owner.Result, owner.Evidence = "fail", "An owner said: that was not us."
	case !f.ConfirmedAt.IsZero():
		owner.Result, owner.Evidence = "pass", "Confirmed through the mailed link at "+stamp(f.ConfirmedAt)+"."
	}
	meanwhile := Check{"Signed in meanwhile", "pass", "No code was accepted since the request.", "Who can sign in has not lost the second factor."}
	switch {
	case f.VerifiedAt.After(f.Watched):
		meanwhile.Result, meanwhile.Evidence = "fail", "A code was accepted at "+stamp(f.VerifiedAt)+"."
	case !f.LoggedInAt.IsZero():
		meanwhile.Result, meanwhile.Evidence = "fail", "The panel saw a login with the second factor at "+stamp(f.LoggedInAt)+"."
	}
	imitation := Check{"Imitations", "pass", "No quarantined mail imitated this address lately.", "Attackers try several times."}
	if f.Quarantined > 0 {
		imitation.Result, imitation.Evidence = "fail", counted(f.Quarantined, "quarantined mail")+" claimed this address in the last 14 days."
	}
	earlier := Check{"Earlier resets", "pass", "None.", "A second reset soon after the first is unusual."}
	if !f.LastReset.IsZero() {
		earlier.Result, earlier.Evidence = "warn", "The last one was at "+stamp(f.LastReset)+"."
	}
	return append(rows, factor, owner, meanwhile, imitation, earlier)
}

func matchWords(f Facts) string {
	if f.Verdict == fromPanel {
		return map[bool]string{true: "The address that has to confirm.", false: "The address that has to confirm is not registered any more."}[f.Match == "exact"]
	}
	return "Match: " + strings.ReplaceAll(f.Match, "_", " ") + "."
}

// panelCheck takes the place of the sender check where there was no mail.
func panelCheck(f Facts) Check {
	row := Check{"Origin", "warn", "Asked for in the control panel, which had verified no password of who asked.",
		"The panel passes on what somebody asked there. It proves no more than a mail: the registered address has to confirm."}
	if f.PasswordGiven {
		row.Result, row.Evidence = "pass", "Asked for in the control panel, which had verified the password of who asked."
	}
	return row
}

func senderWords(verdict string) string {
	switch verdict {
	case "authenticated":
		return "The domain of the address signed this exact message for our mailbox. This does not prove which person wrote it."
	case "partial":
		return "The domain of the address signed this message, but the signature does not bind everything."
	case "unverified":
		return "Nothing proves that this mail comes from the address it names."
	}
	return "Sender check: " + verdict + "."
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

func readNames(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	if c.account != "" {
		if err := tx.QueryRowContext(ctx, `SELECT name FROM account WHERE id = $1`, c.account).Scan(&v.AccountName); err != nil {
			return err
		}
	} else {
		var err error
		if v.AccountChoices, err = accountsOf(ctx, tx, c.requester); err != nil {
			return err
		}
	}
	if c.user != "" {
		return tx.QueryRowContext(ctx, `SELECT login, full_name FROM panel_user WHERE id = $1`, c.user).Scan(&v.UserLogin, &v.UserName)
	}
	var err error
	v.UserChoices, err = userChoices(ctx, tx, c)
	return err
}

// readLinks reads the cases before and after this one.
func readLinks(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	read := func(where string, id int64) (links []CaseLink, err error) {
		cases, err := casesWhere(ctx, tx, where+` ORDER BY id LIMIT 20`, id)
		for _, o := range cases {
			links = append(links, CaseLink{o.number, o.state, o.opened})
		}
		return links, err
	}
	var err error
	if v.Earlier, err = read(`id = $1`, c.previous); err != nil {
		return err
	}
	v.Later, err = read(`previous_id = $1`, c.id)
	return err
}

func readCaseMails(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	// The opener, then the newest: replies before repeats, which anybody can send.
	rows, err := tx.QueryContext(ctx, `SELECT inbound_id, role, says, at FROM case_mail WHERE case_id = $1
		ORDER BY CASE WHEN role = 'opened' THEN 0 WHEN says = 'object' THEN 1 WHEN role = 'replied' THEN 2 ELSE 3 END, inbound_id DESC LIMIT 20`, c.id)
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
	said := map[string]int{}
	for _, m := range mails {
		said[m.Says]++
	}
	switch {
	case said[saysObject] > 0:
		row.Result, row.Evidence = "fail", counted(said[saysObject], "mail")+" to this case read as an objection. Read what they say."
	case said[saysWithdraw] > 0:
		row.Result, row.Evidence = "warn", counted(said[saysWithdraw], "mail")+" to this case read as a withdrawal. Read what they say."
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
	if text.Valid {
		var e evidence
		if err := json.Unmarshal([]byte(text.String), &e); err != nil {
			return v, fmt.Errorf("read evidence: %w", err)
		}
		showEvidence(&v, e)
		if err := showSender(ctx, tx, &v, e, raw); err != nil {
			return v, err
		}
	}
	return v, nil
}

func showMessage(v *MailView, raw, header []byte) {
	m := message.Header(header)
	if raw != nil {
		m = message.Read(raw)
		header = headerOf(raw)
	}
	v.FromLine, v.ReplyTo, v.To, v.Subject = m.From, m.ReplyTo, m.To, m.Subject
	v.Text, v.Quoted, v.HiddenText, v.LinkMismatches = m.Text, m.Quoted, m.HiddenText, m.LinkMismatches
	v.Problems, v.HTMLOnly = m.Problems, m.HTMLOnly
	v.FromPoints = codePoints(m.From)
	v.Header, v.Source = printable(header, 64<<10), printable(raw, 128<<10)
	for _, a := range m.Attachments {
		v.Attachments = append(v.Attachments, fmt.Sprintf("%s (%s, %d bytes)", a.Name, a.Type, a.Size))
	}
}

func showEvidence(v *MailView, e evidence) {
	v.From, v.Registered = e.Verdict.From, e.Verdict.Registered
	v.Verdict, v.Match = string(e.Verdict.State()), string(e.Verdict.Match)
	v.Reasons, v.Flags = reasons(e.Verdict.Reasons), reasons(e.Verdict.Flags)
	v.Score, v.Language = e.Intent.Score, e.Intent.Language
	for _, s := range e.Intent.Signals {
		where := map[bool]string{true: " (forwarded)"}[s.Forwarded]
		v.Signals = append(v.Signals, fmt.Sprintf("%+.1f %s: “%s”%s", s.Weight, s.Name, clip(s.Text, 80), where))
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

func readVotes(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	rows, err := tx.QueryContext(ctx, `SELECT r.name, a.decided_at, a.reason, a.round = $2 FROM approval a JOIN reviewer r ON r.id = a.reviewer_id
		WHERE a.case_id = $1 ORDER BY a.id`, c.id, c.round)
	if err != nil {
		return fmt.Errorf("read votes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var vote Vote
		var at int64
		if err := rows.Scan(&vote.Reviewer, &at, &vote.Reason, &vote.Counts); err != nil {
			return fmt.Errorf("read votes: %w", err)
		}
		vote.At = fromMicros(at)
		v.Approvals = append(v.Approvals, vote)
	}
	return rows.Err()
}

func readLetters(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	rows, err := tx.QueryContext(ctx, `SELECT kind, recipient, subject, state, response, changed_at, attempt FROM letter WHERE case_id = $1 ORDER BY id`, c.id)
	if err != nil {
		return fmt.Errorf("read letters: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var l LetterView
		var at int64
		if err := rows.Scan(&l.Kind, &l.Recipient, &l.Subject, &l.State, &l.Response, &at, &l.Attempt); err != nil {
			return fmt.Errorf("read letters: %w", err)
		}
		l.At, l.Recipient = fromMicros(at), maskAddress(l.Recipient)
		v.Letters = append(v.Letters, l)
	}
	return rows.Err()
}

// readPreview renders the "cleared" letter as it would go out, without links.
func (d *Desk) readPreview(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	people, err := contacts(ctx, tx, c)
	if err != nil {
		return err
	}
	for _, p := range people {
		v.Contacts = append(v.Contacts, maskAddress(p.address))
	}
	if c.user == "" {
		return nil
	}
	w, err := d.caseWords(ctx, tx, c)
	if err != nil {
		return err
	}
	now := time.Now()
	w.When, w.HoldUntil, w.Link = when(now, c.locale), when(now.Add(d.cfg.Policy.Hold), c.locale), d.cfg.BaseURL+"/r/…"
	v.PreviewSubject, v.PreviewText, err = render(c.locale, "cleared", w)
	return err
}

func readTimeline(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	var err error
	v.Timeline, err = readEvents(ctx, tx, `WHERE object = $1 ORDER BY seq DESC LIMIT 500`, c.number) // the newest
	slices.Reverse(v.Timeline)
	for i, e := range v.Timeline {
		if e.Action == "case.noted" {
			v.Timeline[i].Detail = noted(e.Detail, v.Notes)
		}
	}
	return err
}

func readReset(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	var hold int64
	err := tx.QueryRowContext(ctx, `SELECT r.hold_until, EXISTS (SELECT 1 FROM enrollment_pass p WHERE p.reset_id = r.id AND p.used_at IS NULL AND p.revoked_at IS NULL)
		FROM reset r WHERE r.case_id = $1`, c.id).Scan(&hold, &v.PassOpen)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	v.HoldUntil = fromMicros(hold)
	return err
}
