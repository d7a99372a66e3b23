package review

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review/letters"
	"github.com/resetdesk/resetdesk/totp"
)

// Case reads everything the case page shows, in one snapshot.
func (d *Desk) Case(ctx context.Context, s Session, number string) (CaseView, error) {
	return d.viewCase(ctx, number, func(tx *sql.Tx) error { return d.allow(ctx, tx, s, Look) })
}

// CaseFromHost is [Desk.Case] for who has the host.
func (d *Desk) CaseFromHost(ctx context.Context, number string) (CaseView, error) {
	return d.viewCase(ctx, number, func(*sql.Tx) error { return nil })
}

func (d *Desk) viewCase(ctx context.Context, number string, allowed func(*sql.Tx) error) (CaseView, error) {
	var v CaseView
	err := d.snapshot(ctx, "read case", func(tx *sql.Tx) error {
		if err := allowed(tx); err != nil {
			return err
		}
		c, err := caseByNumber(ctx, tx, number)
		if err != nil {
			return err
		}
		f, status, err := readFacts(ctx, tx, c, d.cfg.Policy)
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
			ClosedBy: c.closedBy, CloseReason: c.closeReason, Frozen: status.Frozen, Enrolled: status.Enrolled,
			HeldUntil: c.heldUntil, FrozenUntil: f.FrozenUntil}
		v.Checks = append(checks(f, d.cfg.Policy, status, c), surroundings(f, c)...)
		for _, rule := range d.cfg.Policy.Evidence {
			v.Evidence = append(v.Evidence, EvidenceRow{rule, f.proof(rule.Name), rule.Mandatory(j.Risk.Level)})
		}
		if v.Claim, err = readClaim(ctx, tx, c.id); err != nil {
			return err
		}
		for _, read := range []func(context.Context, *sql.Tx, caseRow, *CaseView) error{
			readNames, readLinks, readCaseMails, readPanel, readHand, d.readSignals, readVotes, readLetters, d.readPreview, readTimeline, readReset,
			d.readTasks} {
			if err := read(ctx, tx, c, &v); err != nil {
				return err
			}
		}
		return nil
	})
	return v, err
}

// checks puts the facts into rows for the reviewer.
func checks(f Facts, p Policy, status totp.Status, c caseRow) []Check {
	sender := Check{"Sender", map[string]string{"authenticated": "pass", "partial": "warn", "unverified": "warn"}[f.Verdict], senderWords(f.Verdict),
		"A From line is easy to forge. Only a signature of its own domain speaks for it, and it speaks for the domain, not for the person."}
	switch f.Verdict {
	case fromPanel:
		sender = panelCheck(f)
	case byHand:
		sender = handCheck
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
	imitation := Check{"Imitations", "pass", "No quarantined mail imitated this address in the " + waitWords(p.Imitations) + " before the request.", "Attackers try several times."}
	if f.Quarantined > 0 {
		imitation.Result, imitation.Evidence = "fail", counted(f.Quarantined, "quarantined mail")+" claimed this address in the "+waitWords(p.Imitations)+" before the request."
	}
	earlier := Check{"Earlier resets", "pass", "None.", "A second reset soon after the first is unusual."}
	if !f.LastReset.IsZero() {
		earlier.Result, earlier.Evidence = "warn", "The last one was at "+stamp(f.LastReset)+"."
	}
	return append(rows, factor, owner, meanwhile, imitation, earlier)
}

func matchWords(f Facts) string {
	if f.Verdict == fromPanel || f.Verdict == byHand {
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

func readVotes(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	rows, err := tx.QueryContext(ctx, `SELECT r.name, a.decided_at, a.expires_at, a.reason, a.round = $2 AND a.expires_at > $3 AND ($4 OR a.id IN (SELECT id FROM vote WHERE case_id = $1))
		FROM approval a JOIN reviewer r ON r.id = a.reviewer_id WHERE a.case_id = $1 ORDER BY a.id`, c.id, c.round, asOf(c), c.state.Closed())
	if err != nil {
		return fmt.Errorf("read votes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var vote Vote
		var at, until int64
		if err := rows.Scan(&vote.Reviewer, &at, &until, &vote.Reason, &vote.Counts); err != nil {
			return fmt.Errorf("read votes: %w", err)
		}
		vote.At, vote.Until = fromMicros(at), fromMicros(until)
		v.Approvals = append(v.Approvals, vote)
	}
	return rows.Err()
}

// asOf is the moment at which the votes of a case count: now, or when it was closed.
func asOf(c caseRow) int64 {
	if !c.closed.IsZero() {
		return micros(c.closed)
	}
	return micros(time.Now())
}

func readLetters(ctx context.Context, tx *sql.Tx, c caseRow, v *CaseView) error {
	rows, err := tx.QueryContext(ctx, `SELECT l.kind, l.recipient, l.subject, CASE WHEN b.id IS NULL THEN l.state ELSE 'bounced' END,
			coalesce(b.words, l.response), coalesce(b.at, l.changed_at), l.attempt
		FROM letter l LEFT JOIN bounce b ON b.letter_id = l.id AND b.action = 'failed' WHERE l.case_id = $1 ORDER BY l.id`, c.id)
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
	w.When, w.HoldUntil, w.Link = letters.When(now, c.locale), letters.When(now.Add(d.cfg.Policy.Hold), c.locale), d.cfg.BaseURL+"/r/…"
	v.PreviewSubject, v.PreviewText, err = d.write(c.locale, "cleared", w)
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
