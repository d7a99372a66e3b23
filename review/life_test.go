package review_test

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// ask opens a case with a mail and returns it with the letters that went out.
func (h *house) ask(from, text string) (review.CaseView, []letter) {
	h.t.Helper()
	h.deliver(request(from, "2FA reset", text))
	v := h.onlyCase()
	return v, h.post()
}

// forUser is a request for the user of that login.
func forUser(login string) string {
	return "Hello, a colleague lost the phone and has no backup codes. Please reset the two-factor authentication of the user \"" + login + "\"."
}

func (h *house) answer(token string, in review.Reply) {
	h.t.Helper()
	in.IP = "127.0.0.1"
	if err := h.desk.Answer(h.t.Context(), token, in); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) vote(s review.Session, number string) review.Outcome {
	h.t.Helper()
	out, err := h.approve(s, h.view(number))
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

func decision(v review.CaseView, class, note string) review.Decision {
	return review.Decision{Number: v.Number, Version: v.Version, Class: class, Note: note}
}

// confirmSubject is in every subject of an acknowledgement, in any language.
var confirmSubjects = []string{"Please confirm", "Bitte bestätigen", "Graag bevestigen", "À confirmer", "Confírmelo"}

func confirmToken(t testing.TB, letters []letter, to string) string {
	t.Helper()
	for _, l := range letters {
		for _, s := range confirmSubjects {
			if l.to == to && strings.Contains(l.subject, s) {
				return token(t, []letter{l}, to, s)
			}
		}
	}
	t.Fatalf("no confirm letter to %s in %q", to, letters)
	return ""
}

// clearFor walks a case to its reset and returns it with the letters of the reset.
func (h *house) clearFor(from, text string) (review.CaseView, []letter) {
	h.t.Helper()
	v, letters := h.ask(from, text)
	if v.UserID == "" {
		h.t.Fatalf("%q names nobody: %+v", text, v.Mails)
	}
	h.answer(confirmToken(h.t, letters, from), review.Reply{Yes: true, UserID: v.UserID})
	if out := h.vote(h.rita, v.Number); !out.Cleared {
		h.t.Fatalf("not cleared: %+v", h.view(v.Number).Requirements)
	}
	return h.view(v.Number), h.post()
}

// passIn finds the enrollment pass in the letters.
func passIn(t testing.TB, letters []letter) (pass string, to string) {
	t.Helper()
	for _, l := range letters {
		for line := range strings.Lines(l.text) {
			for _, name := range []string{"  Pass ", "  Code ", "  Código "} {
				if rest, ok := strings.CutPrefix(line, name); ok {
					return strings.TrimSpace(rest), l.to
				}
			}
		}
	}
	t.Fatalf("no pass in %q", letters)
	return "", ""
}

const moreAccounts = accountsFile + `A-4004,Delta Inc,en,U-7,dora,dora@delta.example,admin,0,,Dora Delta
A-4004,Delta Inc,en,U-8,dan,dan@delta.example,user,0,,Dan Delta
A-4004,Delta Inc,en,U-9,dirk,dirk@delta.example,user,0,,Dirk Delta
`

func (h *house) importFile(file string) review.ImportReport {
	h.t.Helper()
	report, err := h.tryImport(file, false, false)
	if err != nil {
		h.t.Fatal(err)
	}
	return report
}

func (h *house) tryImport(file string, force, dry bool) (review.ImportReport, error) {
	h.t.Helper()
	rows, err := review.ReadAccounts(strings.NewReader(file))
	if err != nil {
		h.t.Fatal(err)
	}
	return h.desk.Import(h.t.Context(), rows, "test", force, dry)
}

// A life is a database in the middle of everything, one case of each kind, and
// letters in every state. The values are case ids.
type life map[string]int64

// live fills the house. The desk is closed at the end, as after a crash: the
// letters stay as they are.
func (h *house) live() life {
	h.t.Helper()
	h.importFile(moreAccounts)
	for _, user := range []string{"U-1", "U-3", "U-4", "U-5", "U-6", "U-7", "U-8", "U-9"} {
		h.enroll(user, "")
	}
	h.reviewer("vera@host.example", "Vera", review.Viewer)
	h.reviewer("sanne@beta.example", "Sanne", review.Decider)     // U-4 is a reviewer too
	h.reviewer("sam+2@host.example", "Sam again", review.Decider) // and Sam is there twice
	l := life{}
	keep := func(name string, v review.CaseView) review.CaseView {
		err := h.sql().QueryRow(`SELECT id FROM reset_case WHERE number = $1`, v.Number).Scan(new(int64))
		if err != nil {
			h.t.Fatal(err)
		}
		l[name] = int64(h.count(`SELECT id FROM reset_case WHERE number = $1`, v.Number))
		return v
	}
	v, letters := h.clearFor("dora@delta.example", forUser("dora"))
	keep("enrolled", v)
	pass, _ := passIn(h.t, letters)
	h.enroll("U-7", pass)
	v, letters = h.clearFor("dora@delta.example", forUser("dan"))
	keep("undone", v)
	if err := h.desk.Undo(h.t.Context(), token(h.t, letters, "dora@delta.example", "was reset"), "127.0.0.1"); err != nil {
		h.t.Fatal(err)
	}
	v, _ = h.clearFor("owner@gamma.example", forUser("info"))
	keep("cleared", v)
	v, _ = h.ask("owner@gamma.example", forUser("olive"))
	keep("rejected", v)
	if err := h.desk.Reject(h.t.Context(), h.rita, decision(v, "sender", "no")); err != nil {
		h.t.Fatal(err)
	}
	v, _ = h.ask("owner@gamma.example", "I lost my phone. Please reset my two-factor authentication.")
	if keep("question", v); v.UserID != "" || v.AccountID != "" {
		h.t.Fatalf("the question is resolved: %+v", v)
	}
	v, _ = h.ask("dora@delta.example", forUser("dirk"))
	keep("voted", v)
	h.vote(h.rita, v.Number)
	v, letters = h.ask("piet@beta.example", forUser("piet"))
	keep("no", v)
	h.vote(h.rita, v.Number)
	h.answer(confirmToken(h.t, letters, "piet@beta.example"), review.Reply{})
	v, letters = h.ask("piet@beta.example", forUser("sanne"))
	keep("yes", v)
	h.answer(confirmToken(h.t, letters, "piet@beta.example"), review.Reply{Yes: true})
	w, _, err := h.desk.AddWebhook(h.t.Context(), panelKey, "https://panel.example/hook", nil)
	if err == nil {
		_, err = h.desk.RotateWebhook(h.t.Context(), panelKey, w.ID)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.askInPanel("panel", l)
	h.openByHand("hand", l)
	if _, ok, err := h.desk.ClaimDelivery(h.t.Context()); err != nil || !ok {
		h.t.Fatalf("claim delivery: %v, %v", ok, err)
	}
	h.deliver(request("anna@acme.example", "Hello", "Which day is the office open? Kind regards, Anna"))
	h.deliver(request("anna@acme.example", "2FA reset for jane", lostPhone))
	keep("open", h.onlyCase())
	h.lettersInEveryState()
	h.receiveOneMore()
	if err := h.desk.Close(); err != nil {
		h.t.Fatal(err)
	}
	return l
}

// askInPanel leaves a case that was asked for in the control panel, with what the
// panel said of it.
func (h *house) askInPanel(name string, l life) {
	h.t.Helper()
	ctx := h.t.Context()
	out, err := h.desk.OpenFromPanel(ctx, panelKey, review.PanelRequest{Account: "A-1001", User: "U-1", PasswordAt: time.Now(), Note: "stolen on the train", IP: "192.0.2.7"})
	if err != nil || !out.Opened {
		h.t.Fatalf("%+v, %v", out, err)
	}
	if err := errors.Join(h.desk.AddNote(ctx, panelKey, out.Number, "The customer called."),
		h.desk.AddSignal(ctx, "U-1", review.Signal{Kind: review.LoginFailed, IP: "192.0.2.9"})); err != nil {
		h.t.Fatal(err)
	}
	h.post()
	l[name] = int64(h.count(`SELECT id FROM reset_case WHERE number = $1`, out.Number))
}

// openByHand leaves a case that Rita opened, the owner confirmed, and only Rita approved.
func (h *house) openByHand(name string, l life) {
	h.t.Helper()
	number, err := h.desk.OpenByHand(h.t.Context(), h.rita, review.HandRequest{Account: "A-3004", User: "U-6", Channel: "phone", Source: "call 4711", Reason: "lost the phone"})
	if err != nil {
		h.t.Fatal(err)
	}
	h.answer(confirmToken(h.t, h.post(), h.view(number).Requester), review.Reply{Yes: true})
	if out := h.vote(h.rita, number); out.Cleared {
		h.t.Fatal("the one who opened a case cleared it alone")
	}
	l[name] = int64(h.count(`SELECT id FROM reset_case WHERE number = $1`, number))
}

func (h *house) lettersInEveryState() {
	h.t.Helper()
	ctx := h.t.Context()
	claim := func() mailbox.Letter {
		l, ok, err := h.desk.Claim(ctx)
		if err != nil || !ok {
			h.t.Fatalf("claim: %v, %v", ok, err)
		}
		return l
	}
	refused := claim()
	if err := h.desk.Failed(ctx, refused.ID, refused.Attempt, mailbox.Outcome{Phase: mailbox.Refused, Code: 550, Text: "550 no"}); err != nil {
		h.t.Fatal(err)
	}
	dot := claim()
	if err := h.desk.AtDot(ctx, dot.ID, dot.Attempt); err != nil {
		h.t.Fatal(err)
	}
	claim()
	var open string
	if err := h.sql().QueryRow(`SELECT number FROM reset_case ORDER BY id DESC LIMIT 1`).Scan(&open); err != nil {
		h.t.Fatal(err)
	}
	if err := h.desk.ResumeCase(ctx, h.rita, decision(h.view(open), "", "called")); err != nil {
		h.t.Fatal(err)
	}
	if n := h.count(`SELECT count(DISTINCT state) FROM letter`); n != 5 {
		h.t.Fatalf("letters are in %d states, want 5", n)
	}
}

// receiveOneMore leaves a mail whose bytes wait for the assessor.
func (h *house) receiveOneMore() {
	h.t.Helper()
	h.uid++
	raw := []byte(strings.ReplaceAll(request("anna@acme.example", "2FA reset", forUser("jane")), "\n", "\r\n"))
	err := h.desk.Receive(h.t.Context(), mailbox.Batch{Source: mailbox.Source{Mailbox: "support", Folder: "INBOX"}, UIDValidity: 7, Through: h.uid,
		Mails: []mailbox.Mail{{UID: h.uid, InternalDate: time.Now(), Size: int64(len(raw)), Header: raw, Raw: raw}}})
	if err != nil {
		h.t.Fatal(err)
	}
}

// fingerprint is every row of every table, to see that nothing moved.
func fingerprint(t *testing.T, db *sql.DB) string {
	t.Helper()
	names, err := stringsOf(db, `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		columns, err := stringsOf(db, `SELECT 'quote("' || name || '")' FROM pragma_table_info('`+name+`')`)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := stringsOf(db, `SELECT `+strings.Join(columns, "||','||")+` FROM "`+name+`" ORDER BY rowid`)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(name + "\n" + strings.Join(rows, "\n") + "\n")
	}
	return all.String()
}

func stringsOf(db *sql.DB, query string, args ...any) ([]string, error) {
	rows, err := db.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, errors.Join(rows.Err(), rows.Close())
}

func TestLife(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		l := h.live()
		for name, want := range map[string]string{"open": "open", "yes": "open", "voted": "open", "panel": "open", "no": "held", "question": "open",
			"cleared": "cleared", "enrolled": "cleared", "undone": "undone", "rejected": "rejected"} {
			if n := h.count(`SELECT count(*) FROM reset_case WHERE id = $1 AND state = $2`, l[name], want); n != 1 {
				t.Errorf("case %q is not %s", name, want)
			}
		}
	})
}
