// Package pack is the format of an evidence pack: one ZIP file with everything
// that the desk knows of one case, which a lawyer can read (report.html) and a
// program can check ([Verify]). It is pure and knows no database.
//
// manifest.json names every other member with its size and its SHA-256, and
// signature.txt signs the manifest with the audit's key. head.txt is a signed
// head of the audit, and events.json has the case's events, each with its proof
// that the audit of this head has it in its place.
//
// Letters are in it with recipient, receipt and hash, not with their text: they
// carry links and passes that still work.
package pack

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/resetdesk/resetdesk/review/chain"
)

// The members that every pack has.
const (
	reportName    = "report.html"
	caseName      = "case.json"
	eventsName    = "events.json"
	headName      = "head.txt"
	manifestName  = "manifest.json"
	signatureName = "signature.txt"
)

// format is the version of the format.
const format = 1

// A Line is a requirement or a check: what, how it stands, and why.
type Line struct {
	Title string `json:"title"`
	State string `json:"state"`
	Why   string `json:"why"`
}

// A Vote is the approval of a reviewer, over the evidence with this hash.
type Vote struct {
	Reviewer     string    `json:"reviewer"`
	At           time.Time `json:"at"`
	Reason       string    `json:"reason"`
	EvidenceHash string    `json:"evidence_hash"`
	Counts       bool      `json:"counts"` // no contrary evidence came after it
	Event        int64     `json:"event"`
}

// An Answer is what an owner said through a link.
type Answer struct {
	Answer  string    `json:"answer"`
	At      time.Time `json:"at"`
	IP      string    `json:"ip"`
	Address string    `json:"address"` // where the link was mailed
}

// A Letter is what was mailed about the case.
type Letter struct {
	Kind      string    `json:"kind"`
	Recipient string    `json:"recipient"`
	Subject   string    `json:"subject"`
	MessageID string    `json:"message_id"`
	State     string    `json:"state"`
	Receipt   string    `json:"receipt"` // what the mail server answered
	At        time.Time `json:"at"`
	Attempts  int       `json:"attempts"`
	SHA256    string    `json:"sha256"` // of the whole MIME entity
}

// A Mail is one that belongs to the case. Raw is nil when it was forgotten by the
// retention rules, or is withheld; its hash stays.
type Mail struct {
	File     string    `json:"file"` // "" when it was forgotten or is withheld
	Role     string    `json:"role"`
	Received time.Time `json:"received"`
	From     string    `json:"from"`
	Subject  string    `json:"subject"`
	Verdict  string    `json:"verdict"`
	SHA256   string    `json:"sha256"`
	Withheld string    `json:"withheld,omitempty"` // why the bytes are not in the pack, though the desk has them
	Raw      []byte    `json:"-"`
}

// A Reset is the act that cleared the second factor.
type Reset struct {
	ClearedAt         time.Time `json:"cleared_at"`
	WaitUntil         time.Time `json:"wait_until"`
	HoldUntil         time.Time `json:"hold_until"`
	ApprovalsRequired int       `json:"approvals_required"`
	Event             int64     `json:"event"`
	UndoneAt          time.Time `json:"undone_at,omitzero"`
}

// A Case is everything that the desk knows of it.
type Case struct {
	Number       string    `json:"number"`
	State        string    `json:"state"`
	Account      string    `json:"account"`
	AccountName  string    `json:"account_name"`
	User         string    `json:"user"`
	Login        string    `json:"login"`
	Requester    string    `json:"requester"`
	Opened       time.Time `json:"opened"`
	Expires      time.Time `json:"expires"`
	Closed       time.Time `json:"closed,omitzero"`
	ClosedBy     string    `json:"closed_by"`
	CloseReason  string    `json:"close_reason"`
	Risk         string    `json:"risk"`
	RiskReasons  []string  `json:"risk_reasons"`
	Requirements []Line    `json:"requirements"`
	Checks       []Line    `json:"checks"`
	Votes        []Vote    `json:"votes"`
	Answers      []Answer  `json:"answers"`
	Letters      []Letter  `json:"letters"`
	Mails        []Mail    `json:"mails"`
	Notes        []string  `json:"notes"`
	Reset        *Reset    `json:"reset"`
}

// An Event is an event of the audit with its proof. Name is the actor's name.
type Event struct {
	chain.Event
	Name  string       `json:"name"`
	Proof []chain.Hash `json:"proof"`
}

// Contents is what goes into a pack.
type Contents struct {
	Brand, MadeBy string
	MadeAt        time.Time
	Case          Case
	Events        []Event
	Head          chain.Head
}

// A member is one file in the pack.
type member struct {
	Name   string     `json:"name"`
	Size   int64      `json:"size"`
	SHA256 chain.Hash `json:"sha256"`
	bytes  []byte
}

type manifest struct {
	Format  int       `json:"format"`
	Case    string    `json:"case"`
	Brand   string    `json:"brand"`
	MadeAt  time.Time `json:"made_at"`
	MadeBy  string    `json:"made_by"`
	Members []member  `json:"members"`
}

// Write writes a pack, signed with the key.
func Write(w io.Writer, c Contents, key *chain.Key) error {
	head, err := key.Sign(c.Head)
	if err != nil {
		return err
	}
	m := manifest{Format: format, Case: c.Case.Number, Brand: c.Brand, MadeAt: c.MadeAt.UTC(), MadeBy: c.MadeBy}
	add := func(name string, text []byte, err error) error {
		m.Members = append(m.Members, member{name, int64(len(text)), sha256.Sum256(text), text})
		return err
	}
	for i := range c.Case.Mails {
		if mail := &c.Case.Mails[i]; mail.Raw != nil {
			mail.File = fmt.Sprintf("mails/%d.eml", i+1)
		}
	}
	report, err := report(c)
	if err := add(reportName, report, err); err != nil {
		return err
	}
	text, err := json.MarshalIndent(c.Case, "", " ")
	if err := add(caseName, text, err); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	text, err = json.MarshalIndent(c.Events, "", " ")
	if err := add(eventsName, text, err); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	add(headName, head, nil)
	for _, mail := range c.Case.Mails {
		if mail.Raw != nil {
			add(mail.File, mail.Raw, nil)
		}
	}
	text, err = json.MarshalIndent(m, "", " ")
	if err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	signature, err := key.SignSum(signed, sha256.Sum256(text))
	if err != nil {
		return err
	}
	files := append([]member{{Name: manifestName, bytes: text}, {Name: signatureName, bytes: signature}}, m.Members...)
	return writeZip(w, files, c.MadeAt)
}

// signed is what the signature says it signs.
const signed = "evidence pack"

func writeZip(w io.Writer, files []member, at time.Time) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		out, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: at.UTC()})
		if err == nil {
			_, err = out.Write(f.bytes)
		}
		if err != nil {
			return fmt.Errorf("write pack: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	return nil
}
