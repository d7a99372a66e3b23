package review

import (
	"context"
	"database/sql"
	"encoding/base32"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/totp"
)

// How says in which way a piece of evidence is found out.
type How string

// The ways. DNS the desk checks itself; a second admin answers through his own
// link; the others a reviewer records.
const (
	Callback    How = "callback"     // called back the number on file
	Invoice     How = "invoice"      // asked for the number of an invoice
	SupportPIN  How = "pin"          // asked for the support PIN
	DNSRecord   How = "dns"          // a TXT record on a domain of the account
	SecondAdmin How = "second_admin" // another admin of the account vouches
	Free        How = "free"
)

// Hows are all ways.
var Hows = []How{Callback, Invoice, SupportPIN, DNSRecord, SecondAdmin, Free}

// An EvidenceRule is one row of evidence that the operator defined.
type EvidenceRule struct {
	Name  string // stands in the database and in addresses
	Title string
	Why   string // why it matters, for the reviewer
	How   How
	At    []RiskLevel // where the row must be answered before anybody approves
}

// Mandatory reports whether the row must be answered at a risk.
func (r EvidenceRule) Mandatory(at RiskLevel) bool { return slices.Contains(r.At, at) }

// A Proof is one answer to a rule. By is who recorded it, in words.
type Proof struct {
	ID                      int64
	Name, Result, Words, By string
	How                     How
	At                      time.Time
}

// proof is the newest row of a name, or a Proof without a result.
func (f Facts) proof(name string) Proof {
	for _, p := range f.Evidence {
		if p.Name == name {
			return p
		}
	}
	return Proof{Name: name}
}

// proofIDs names the rows for the hash of the evidence.
func proofIDs(all []Proof) []int64 {
	ids := []int64{}
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	return ids
}

// readProofs reads the newest row of each name of this round.
func readProofs(ctx context.Context, tx totp.Querier, c caseRow, f *Facts) error {
	rows, err := tx.QueryContext(ctx, `SELECT e.id, e.name, e.how, e.result, e.words, coalesce(r.name, ''), e.at
		FROM evidence e LEFT JOIN reviewer r ON r.id = e.reviewer_id
		WHERE e.case_id = $1 AND e.round = $2
			AND e.id = (SELECT max(id) FROM evidence WHERE case_id = $1 AND round = $2 AND name = e.name) ORDER BY e.name`, c.id, c.round)
	if err != nil {
		return fmt.Errorf("read evidence: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var p Proof
		var at int64
		if err := rows.Scan(&p.ID, &p.Name, &p.How, &p.Result, &p.Words, &p.By, &at); err != nil {
			return fmt.Errorf("read evidence: %w", err)
		}
		if p.At = fromMicros(at); p.By == "" {
			p.By = "a second admin"
		}
		f.Evidence = append(f.Evidence, p)
	}
	return rows.Err()
}

// A Finding is what a reviewer records about a rule.
type Finding struct {
	Number, Name string
	Version      int64
	Result       string // pass, fail, unknown
	Words        string // how it was checked, and what came of it
}

var errNoRule = fail(NotFound, "The policy has no such row of evidence.")

// EvidenceRules are the operator's own rows.
func (d *Desk) EvidenceRules() []EvidenceRule { return slices.Clone(d.cfg.Policy.Evidence) }

func (d *Desk) rule(name string) (EvidenceRule, error) {
	for _, r := range d.cfg.Policy.Evidence {
		if r.Name == name {
			return r, nil
		}
	}
	return EvidenceRule{}, errNoRule
}

// RecordEvidence records what a reviewer found out. A failure holds the case: the
// next round begins without what was said before.
func (d *Desk) RecordEvidence(ctx context.Context, s Session, in Finding) error {
	if err := d.allow(ctx, d.db.read, s, Decide); err != nil {
		return err
	}
	rule, err := d.rule(in.Name)
	switch {
	case err != nil:
		return err
	case rule.How == DNSRecord && in.Result == "pass":
		return fail(Denied, "The desk looks up the record itself; nobody vouches for it by hand.")
	case rule.How == SecondAdmin && in.Result == "pass":
		return fail(Denied, "Only the second admin can say so, through the link that was mailed.")
	case in.Result != "pass" && in.Result != "fail" && in.Result != "unknown":
		return invalid("class", "Choose how it came out.")
	case strings.TrimSpace(in.Words) == "":
		return invalid("note", "Write how you checked it and what came of it; the next reviewer relies on it.")
	case utf8.RuneCountInString(in.Words) > 2000:
		return invalid("note", "Write at most 2000 characters.")
	}
	return d.act(ctx, s, Decision{Number: in.Number, Version: in.Version, Class: in.Name, Note: in.Result}, "", []State{StateOpen, StateHeld},
		func(tx *sql.Tx, c caseRow, now time.Time) error {
			return d.saveProof(ctx, tx, c, rule, in, s.actor(), s.Reviewer.ID, s.hash(), nil, now)
		})
}

// saveProof writes a row, holds the case on a failure and lets it advance
// otherwise: the row may have been the last thing missing.
func (d *Desk) saveProof(ctx context.Context, tx *sql.Tx, c caseRow, rule EvidenceRule, in Finding, actor string, reviewer int64, session, link []byte, now time.Time) error {
	seq, err := record(ctx, tx, now, actor, "evidence.recorded", c.number, map[string]any{
		"name": rule.Name, "how": rule.How, "result": in.Result, "words": in.Words, "round": c.round})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO evidence (id, case_id, round, name, how, result, words, reviewer_id, session, link, at, audit_seq)
		SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM evidence`,
		c.id, c.round, rule.Name, string(rule.How), in.Result, in.Words, nullID(reviewer), nullBytes(session), nullBytes(link), micros(now), seq)
	if err != nil {
		return fmt.Errorf("record evidence: %w", err)
	}
	if in.Result == "fail" {
		if c.state == StateHeld && c.heldBy != "reviewer" && c.heldBy != "bounce" {
			return nil // it stands already for what begins a new round
		}
		return d.hold(ctx, tx, c, "evidence", "Evidence failed: "+rule.Title+".")
	}
	_, err = d.advance(ctx, tx, c, now)
	return err
}

func nullBytes(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// A DNSTask is the record that somebody who controls a domain of the account
// publishes to show it.
type DNSTask struct{ Domain, Name, Value string }

// dnsTasks are the records for the domains that the account had before the case:
// one that was added since proves nothing. The value is the same whenever it is
// asked for, and differs in every case, round and domain.
func (d *Desk) dnsTasks(ctx context.Context, tx *sql.Tx, c caseRow) ([]DNSTask, error) {
	rows, err := tx.QueryContext(ctx, `SELECT domain FROM account_domain WHERE account_id = $1 AND until IS NULL AND since < $2 ORDER BY domain LIMIT 20`,
		c.account, micros(c.opened))
	if err != nil {
		return nil, fmt.Errorf("read domains: %w", err)
	}
	defer rows.Close()
	var all []DNSTask
	for rows.Next() {
		var t DNSTask
		if err := rows.Scan(&t.Domain); err != nil {
			return nil, fmt.Errorf("read domains: %w", err)
		}
		mac := d.cfg.Keys.MAC("dns proof", []byte(c.number), fmt.Append(nil, c.round), []byte(t.Domain))
		t.Name = "_resetdesk." + t.Domain
		t.Value = "resetdesk=" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(mac[:20]))
		all = append(all, t)
	}
	return all, rows.Err()
}

// dnsPatience bounds one look at all records.
const dnsPatience = 10 * time.Second

// CheckDNS looks for the record on the domains of the account, outside any
// transaction, and records what it saw. A record that is not there is no proof
// against anybody: it may be on its way.
func (d *Desk) CheckDNS(ctx context.Context, s Session, in Finding) (found bool, err error) {
	if err := d.allow(ctx, d.db.read, s, Decide); err != nil {
		return false, err
	}
	rule, err := d.rule(in.Name)
	if err == nil && rule.How != DNSRecord {
		err = errNoRule
	}
	if err != nil {
		return false, err
	}
	var tasks []DNSTask
	err = d.snapshot(ctx, "check DNS", func(tx *sql.Tx) error {
		c, err := caseByNumber(ctx, tx, in.Number)
		if err == nil && c.version != in.Version {
			err = errStale
		}
		if err == nil {
			tasks, err = d.dnsTasks(ctx, tx, c)
		}
		return err
	})
	if err != nil {
		return false, err
	}
	if len(tasks) == 0 {
		return false, fail(Conflict, "No domain of this account was known before the request; use another way.")
	}
	in.Result, in.Words = d.lookUp(ctx, tasks)
	err = d.act(ctx, s, Decision{Number: in.Number, Version: in.Version, Class: in.Name, Note: in.Result}, "", []State{StateOpen, StateHeld},
		func(tx *sql.Tx, c caseRow, now time.Time) error {
			return d.saveProof(ctx, tx, c, rule, in, s.actor(), s.Reviewer.ID, s.hash(), nil, now)
		})
	return in.Result == "pass", err
}

// lookUp asks for each record until one is found, and says what it saw.
func (d *Desk) lookUp(ctx context.Context, tasks []DNSTask) (result, words string) {
	ctx, stop := context.WithTimeout(ctx, dnsPatience)
	defer stop()
	var seen []string
	for _, t := range tasks {
		texts, err := d.dns.LookupTXT(ctx, t.Name)
		var missing *net.DNSError
		switch {
		case slices.Contains(texts, t.Value):
			return "pass", "The desk found " + t.Value + " at " + t.Name + "."
		case err == nil:
			seen = append(seen, fmt.Sprintf("%s has %s, none of them ours", t.Name, counted(len(texts), "text")))
		case errors.As(err, &missing) && missing.IsNotFound:
			seen = append(seen, "no record at "+t.Name)
		default:
			seen = append(seen, "the name servers of "+t.Domain+" did not answer")
		}
	}
	return "unknown", clip("The desk looked and found nothing: "+strings.Join(seen, "; ")+".", 2000)
}
