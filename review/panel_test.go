package review_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// panelKey is the key that the panel uses.
var panelKey = review.APIKey{ID: 1}

// inPanel asks in the panel and returns the case with the letters that went out.
func (h *house) inPanel(in review.PanelRequest) (review.CaseView, []letter) {
	h.t.Helper()
	out, err := h.desk.OpenFromPanel(h.t.Context(), panelKey, in)
	if err != nil || !out.Opened {
		h.t.Fatalf("%+v: %+v, %v", in, out, err)
	}
	return h.view(out.Number), h.post()
}

const severalAdmins = moreAccounts + `A-4004,Delta Inc,en,U-10,dolf,dolf@delta.example,admin,0,,Dolf Delta
`

// wantOutcome is wantKind where "" means that it goes through.
func wantOutcome(t *testing.T, what string, err error, want review.Kind) {
	t.Helper()
	if want != "" {
		wantKind(t, what, err, want)
	} else if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// Promise 3: whoever asks in the panel, the registered address of the first admin
// confirms, everybody else is told, and people approve.
func TestAskedInPanel(t *testing.T) {
	for _, c := range []struct {
		name               string
		account, user, by  string
		confirms           string
		told               []string
		subject, says, not string
	}{
		{"the user", "A-1001", "U-2", "", "anna@acme.example", []string{"it@acme.example", "boss@acme.example", "jane@acme.example"}, "Bitte bestätigen", "im Kundenbereich", "per E-Mail gebeten"},
		{"an admin of the account", "A-1001", "U-2", "U-1", "anna@acme.example", []string{"it@acme.example", "boss@acme.example", "jane@acme.example"}, "Bitte bestätigen", "im Kundenbereich", "per E-Mail gebeten"},
		{"the only admin, for himself", "A-2002", "U-3", "", "piet@beta.example", nil, "Graag bevestigen", "in het klantenpaneel", "per e-mail gevraagd"},
		{"the second of two admins", "A-4004", "U-9", "U-10", "dora@delta.example", []string{"dolf@delta.example", "dirk@delta.example"}, "Please confirm", "in the control panel", "by e-mail to"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHouse(t, nil, func(t *testing.T, h *house) {
				h.importFile(moreAccounts)
				time.Sleep(time.Hour)
				h.importFile(severalAdmins)
				if c.user != "U-2" {
					h.enroll(c.user, "")
				}
				v, letters := h.inPanel(review.PanelRequest{Account: c.account, User: c.user, AskedBy: c.by, PasswordAt: time.Now(), Note: "stolen on the train", IP: "192.0.2.7", Agent: "Firefox"})
				if v.State != review.StateOpen || !v.InPanel || v.Requester != c.confirms || v.UserID != c.user || len(v.Mails) != 0 || len(letters) != 1+len(c.told) {
					t.Fatalf("%s of %s for %s, %d mails, %d letters", v.State, v.Requester, v.UserID, len(v.Mails), len(letters))
				}
				for _, l := range letters {
					if !strings.Contains(l.text, c.says) || strings.Contains(l.text, c.not) || strings.Contains(l.text, "train") {
						t.Errorf("to %s: %s", l.to, l.text)
					}
				}
				for _, to := range c.told {
					for _, l := range letters {
						if m := linkPattern.FindStringSubmatch(l.text); l.to == to && m != nil {
							wantKind(t, "a yes of "+to, h.desk.Answer(t.Context(), m[1], review.Reply{Yes: true}), review.Denied)
						}
					}
				}
				if out := h.vote(h.rita, v.Number); out.Cleared {
					t.Fatal("a vote cleared without the owner")
				}
				h.answer(confirmToken(t, letters, c.confirms), review.Reply{Yes: true})
				v = h.view(v.Number)
				if v.State != review.StateCleared {
					t.Fatalf("%s: %+v", v.State, v.Requirements)
				}
				for _, l := range h.post() {
					if strings.Contains(l.subject, c.account) && strings.Contains(l.text, c.not) {
						t.Errorf("to %s: %s", l.to, l.text)
					}
				}
				h.panelOrigin(v)
				h.sound()
			})
		})
	}
}

// panelOrigin checks that staff see where the request came from.
func (h *house) panelOrigin(v review.CaseView) {
	h.t.Helper()
	if len(v.Requests) != 1 || v.Requests[0].Note != "stolen on the train" || v.Requests[0].IP != "192.0.2.7" {
		h.t.Errorf("the page shows %+v", v.Requests)
	}
	if c := v.Checks[0]; c.Title != "Origin" || c.Result != "pass" || !strings.Contains(c.Evidence, "control panel") {
		h.t.Errorf("the check is %+v", c)
	}
	if e := v.Timeline[0]; e.Action != "case.opened" || e.Actor != "api:1" {
		h.t.Errorf("the timeline begins with %+v", e)
	}
	page, err := h.desk.Queue(h.t.Context(), h.rita, review.QueueFilter{Query: v.Number})
	if err != nil || len(page.Cases) != 1 || page.Cases[0].Verdict != "panel" || page.Cases[0].Excerpt != "stolen on the train" {
		h.t.Errorf("the queue has %+v, %v", page.Cases, err)
	}
}

// Promise 2: a user has one open case, whichever way it is asked for.
func TestAskedInPanelAgain(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		ask := func() review.PanelCase {
			out, err := h.desk.OpenFromPanel(ctx, panelKey, review.PanelRequest{Account: "A-1001", User: "U-2"})
			if err != nil {
				t.Fatal(err)
			}
			return out
		}
		first := ask()
		hash := h.view(first.Number).EvidenceHash
		if again := ask(); again.Number != first.Number || again.Opened {
			t.Errorf("the second request: %+v, the first: %+v", again, first)
		}
		h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
		v := h.view(first.Number)
		if len(v.Requests) != 2 || len(v.Mails) != 1 || v.Mails[0].Role != "attached" || v.EvidenceHash != hash {
			t.Errorf("%d requests, mails %+v, hash changed %t", len(v.Requests), v.Mails, v.EvidenceHash != hash)
		}
		if n := len(h.post()); n != 4 {
			t.Errorf("%d letters", n)
		}
		v, _ = h.ask("piet@beta.example", forUser("sanne"))
		out, err := h.desk.OpenFromPanel(ctx, panelKey, review.PanelRequest{Account: "A-2002", User: "U-4"})
		if err != nil || out.Opened || out.Number != v.Number {
			t.Errorf("beside a mail: %+v, %v", out, err)
		}
		for range 18 {
			ask()
		}
		_, err = h.desk.OpenFromPanel(ctx, panelKey, review.PanelRequest{Account: "A-1001", User: "U-2"})
		wantKind(t, "the 21st request", err, review.TooMany)
	})
}

// ASVS 2.4.1: an account gets three cases a day from the panel, as from mail that
// nothing proves.
func TestPanelFlood(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(severalAdmins)
		for i, user := range []string{"U-7", "U-8", "U-9", "U-10"} {
			_, err := h.desk.OpenFromPanel(t.Context(), panelKey, review.PanelRequest{Account: "A-4004", User: user})
			wantOutcome(t, user, err, map[bool]review.Kind{true: review.TooMany}[i == 3])
		}
		if n := h.count(`SELECT count(*) FROM reset_case`); n != 3 {
			t.Errorf("%d cases", n)
		}
		time.Sleep(24*time.Hour + time.Second)
		if _, err := h.desk.OpenFromPanel(t.Context(), panelKey, review.PanelRequest{Account: "A-4004", User: "U-10"}); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}

// The cap is the panel's own: three forged mails a day must not keep people from
// asking behind their password.
func TestForgedMailLeavesThePanelOpen(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(severalAdmins)
		for _, login := range []string{"dirk", "dan", "dora"} {
			h.deliver(request("dora@delta.example", "2FA reset", forUser(login)))
		}
		if n := h.count(`SELECT count(*) FROM reset_case WHERE account_id = 'A-4004'`); n != 3 {
			t.Fatalf("%d cases by mail", n)
		}
		if out, err := h.desk.OpenFromPanel(t.Context(), panelKey, review.PanelRequest{Account: "A-4004", User: "U-10"}); err != nil || !out.Opened {
			t.Errorf("in the panel: %+v, %v", out, err)
		}
	})
}

// Who may not ask is told nothing, and nothing is left of it.
func TestPanelRefuses(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.importFile(severalAdmins)
		h.enroll("U-8", "")
		v, letters := h.clearFor("dora@delta.example", forUser("dan"))
		if err := h.desk.Undo(t.Context(), token(t, letters, "dora@delta.example", "was reset"), "127.0.0.1"); err != nil {
			t.Fatal(err)
		}
		before := fingerprint(t, h.sql())
		texts := map[string]bool{}
		for name, c := range map[string]struct {
			in   review.PanelRequest
			kind review.Kind
		}{
			"no account":          {review.PanelRequest{User: "U-2"}, review.Invalid},
			"no user":             {review.PanelRequest{Account: "A-1001"}, review.Invalid},
			"unknown account":     {review.PanelRequest{Account: "A-9", User: "U-2"}, review.Conflict},
			"unknown user":        {review.PanelRequest{Account: "A-1001", User: "U-99"}, review.Conflict},
			"a reviewer":          {review.PanelRequest{Account: "A-1001", User: "staff:1"}, review.Conflict},
			"another's user":      {review.PanelRequest{Account: "A-1001", User: "U-4"}, review.Conflict},
			"a stranger asks":     {review.PanelRequest{Account: "A-1001", User: "U-2", AskedBy: "U-3"}, review.Conflict},
			"a colleague asks":    {review.PanelRequest{Account: "A-4004", User: "U-9", AskedBy: "U-8"}, review.Conflict},
			"a frozen user":       {review.PanelRequest{Account: "A-4004", User: "U-8"}, review.Conflict},
			"a long note":         {review.PanelRequest{Account: "A-1001", User: "U-2", Note: strings.Repeat("ä", 2001)}, review.Invalid},
			"a note of bytes":     {review.PanelRequest{Account: "A-1001", User: "U-2", Note: "\xff"}, review.Invalid},
			"password to come":    {review.PanelRequest{Account: "A-1001", User: "U-2", PasswordAt: time.Now().Add(6 * time.Minute)}, review.Invalid},
			"password of the day": {review.PanelRequest{Account: "A-1001", User: "U-2", PasswordAt: time.Now().Add(-25 * time.Hour)}, review.Invalid},
		} {
			_, err := h.desk.OpenFromPanel(t.Context(), panelKey, c.in)
			wantKind(t, name, err, c.kind)
			if c.kind == review.Conflict {
				texts[fmt.Sprint(err)] = true
			}
		}
		if len(texts) != 1 {
			t.Errorf("refusals tell users apart: %v", texts)
		}
		if fingerprint(t, h.sql()) != before {
			t.Error("a refused request left something")
		}
		if _, err := h.desk.OpenFromPanel(t.Context(), panelKey, review.PanelRequest{Account: "A-1001", User: "U-2", Note: strings.Repeat("ä", 2000)}); err != nil {
			t.Errorf("a note of 2,000 characters: %v", err)
		}
		_ = v
	})
}

// Promise 3, in the schema: no case stands without what opened it.
func TestNoCaseWithoutOpener(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for name, column := range map[string]string{"a mail": "opener_mail", "a request": "opener_request", "what was written down": "opener_hand"} {
			tx, err := h.sql().Begin()
			if err != nil {
				t.Fatal(err)
			}
			_, err = tx.Exec(`INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, ` + column + `)
				VALUES ('RST-ZZZZZZ', 'open', 'anna@acme.example', 'A-1001', 'U-2', 'en', 1700000000000000, 1700000000000001, 1700000000000000, 1700000000000000, 1)`)
			if err != nil {
				tx.Rollback()
				t.Fatal(err)
			}
			if err := tx.Commit(); err == nil || !strings.Contains(err.Error(), "FOREIGN KEY") {
				t.Errorf("a case with %s that is not there: %v", name, err)
			}
			tx.Rollback()
		}
	})
}

// A note of the panel stands in the timeline and on the page, and in no letter.
func TestPanelNote(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		wantKind(t, "an unknown case", h.desk.AddNote(t.Context(), panelKey, "RST-000000", "x"), review.NotFound)
		wantKind(t, "no text", h.desk.AddNote(t.Context(), panelKey, v.Number, " \n"), review.Invalid)
		wantKind(t, "too much", h.desk.AddNote(t.Context(), panelKey, v.Number, strings.Repeat("ä", 2001)), review.Invalid)
		if err := h.desk.AddNote(t.Context(), panelKey, v.Number, "The customer called."); err != nil {
			t.Fatal(err)
		}
		v = h.view(v.Number)
		last := v.Timeline[len(v.Timeline)-1]
		if len(v.Notes) != 1 || v.Notes[0].Text != "The customer called." || last.Action != "case.noted" || last.Actor != "api:1" || !strings.Contains(last.Detail, "The customer called.") {
			t.Errorf("%+v, %+v", v.Notes, last)
		}
	})
}
