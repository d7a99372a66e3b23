package ui_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
)

// lay puts mails into the desk that were there before its first look.
func (h *house) lay(mails ...string) {
	h.t.Helper()
	b := mailbox.Batch{Source: mailbox.Source{Mailbox: "support@host.example", Folder: "INBOX"}, UIDValidity: 7, Through: uint32(len(mails)), Backlog: uint32(len(mails))}
	for i, raw := range mails {
		b.Mails = append(b.Mails, mailbox.Mail{UID: uint32(i + 1), InternalDate: time.Now().AddDate(0, -1, 0), Size: int64(len(raw)), Header: []byte(raw), Raw: []byte(raw), Backlog: true})
	}
	if err := h.desk.Receive(h.t.Context(), b); err != nil {
		h.t.Fatal(err)
	}
	if err := h.desk.Work(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func oldMail(from, subject, text string) string {
	return fmt.Sprintf("From: <%s>\r\nTo: <support@host.example>\r\nSubject: %s\r\nMessage-ID: <%d@x.example>\r\nDate: Mon, 1 Nov 1999 10:00:00 +0000\r\n\r\n%s\r\n", from, subject, len(text)+len(from), text)
}

// The first start on an old mailbox: nobody is mailed; the page counts all of it
// and lists what asks for a reset, and one act makes cases of what a person ticks.
func TestBacklogIsAPersonsChoice(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.enroll("U-2")
		h.enroll("U-4")
		h.work()
		letters := h.text(`SELECT count(*) FROM letter`)
		h.lay(oldMail("anna@acme.example", "2FA reset for jane", "Please reset 2FA of our user jane, the phone is lost."),
			oldMail("anna@acme.example", "Invoice", "Thank you."),
			oldMail("stranger@elsewhere.example", "2FA reset", "Please reset my 2FA, I lost my phone."),
			oldMail("piet@beta.example", "2FA reset for sanne <b>", "Please reset the two-factor authentication of sanne, her phone is broken."))
		if n := h.text(`SELECT (SELECT count(*) FROM letter) || ' ' || (SELECT count(*) FROM reset_case)`); n != letters+" 0" {
			t.Fatalf("letters and cases of a backlog: %s", n)
		}
		if r, err := h.desk.MailReportFromHost(t.Context(), 1); err != nil || r.Backlog.Mails != 4 || len(r.Backlog.Requests) != 2 || r.Backlog.More {
			t.Errorf("the report has %+v, %v", r.Backlog, err)
		}
		vera, _ := h.signIn("vera", review.Viewer)
		seen := vera.get("/settings/mail").want(t, 200, "From before the first start", "4 mails lay in the mailbox", "2FA reset for jane", "2FA reset for sanne &lt;b&gt;")
		if strings.Contains(seen.body, "stranger@") || strings.Contains(seen.body, "<form method=\"post\" class=\"stack\"><button") || strings.Contains(seen.body, "type=\"checkbox\"") {
			t.Errorf("a viewer sees\n%s", seen.body)
		}
		vera.post("/settings/mail", "mail", "1").want(t, http.StatusForbidden)
		rita, _ := h.signIn("rita", review.Decider)
		page := rita.get("/settings/mail").want(t, 200, "Make cases of the ticked mails")
		ids := regexp.MustCompile(`name="mail" value="(\d+)" checked`).FindAllStringSubmatch(page.body, -1)
		if len(ids) != 2 {
			t.Fatalf("%d mails to tick", len(ids))
		}
		rita.post("/settings/mail").want(t, http.StatusUnprocessableEntity, "Choose at least one mail")
		rita.post("/settings/mail", "mail", "x").want(t, http.StatusNotFound)
		rita.post("/settings/mail", "mail", ids[0][1], "mail", ids[1][1], "mail", "2000").leads(t, "/settings/mail")
		rita.get("/settings/mail").want(t, 200, "2 old mails were taken in. 1 could not be", "None of them can be taken in")
		if n := h.text(`SELECT (SELECT count(*) FROM reset_case) || ' ' || (SELECT count(*) FROM inbound WHERE fate = 'case' AND backlog = 1) || ' ' || (SELECT count(*) > ` + letters + ` FROM letter)`); n != "2 2 1" {
			t.Errorf("cases, their mails, letters: %s", n)
		}
	})
}

// The page shows the numbers of "resetdesk mail report": both sides of the books.
func TestBooksPage(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		vera, _ := h.signIn("vera", review.Viewer)
		vera.get("/settings/mail").want(t, 200, "No mail came in these days", "The books balance: of 0 mails", "No folder was looked at yet")
		h.enroll("U-2")
		h.deliver("anna@acme.example", "2FA reset jane", lostPhone)
		h.deliver("anna@acme.example", "Invoice", "Thank you.")
		h.deliver("someone@elsewhere.example", "Hello", "Nothing.")
		time.Sleep(time.Hour)
		rita, _ := h.signIn("rita", review.Decider)
		who, err := h.desk.Authenticate(t.Context(), rita.session())
		if err != nil {
			t.Fatal(err)
		}
		r, err := h.desk.MailReport(t.Context(), who, 7)
		if err != nil {
			t.Fatal(err)
		}
		d := r.Days[0]
		page := rita.get("/settings/mail").want(t, 200, "of 3 mails received since "+r.Since+", 3 have their fate", d.Mailbox+"/"+d.Folder,
			`<td data-label="Received">3</td>`, `<td data-label="Case">1</td>`, `<td data-label="Parked">1</td>`, `<td data-label="Passed">1</td>`, `<td data-label="Automatic" class="none">0</td>`, "Late")
		if strings.Contains(page.body, "From before the first start") {
			t.Error("there was no backlog")
		}
		if err := h.desk.Looked(t.Context(), mailbox.Source{Mailbox: d.Mailbox, Folder: d.Folder}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(rita.get("/settings/mail").body, "Late") {
			t.Error("a folder that was just looked at is late")
		}
		rita.get("/settings/mail?days=30").want(t, 200, "<b>Last 30 days</b>")
	})
}
