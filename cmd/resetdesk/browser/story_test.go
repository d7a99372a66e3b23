package browser_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

// A story is what the scenes hand to each other.
type story struct {
	*visitor
	first, jane, post, anna, rita *tab
	codes                         []string // jane's backup codes
}

// The whole story of the guide, and the undo: Jane enrolls, loses her phone, her
// admin writes, so do impostors, the owner confirms, Rita approves, Jane enrolls
// again, and at last the owner takes it back.
func TestStory(t *testing.T) {
	t.Parallel()
	s := &story{visitor: enter(t, true)}
	defer s.end()
	s.scene("enroll", s.enroll)
	s.scene("second factor", s.secondFactor)
	s.scene("lose the phone", s.lose)
	s.scene("write", s.send)
	s.scene("owner confirms", s.confirm)
	s.scene("desk reads", s.read)
	s.scene("desk approves", s.decide)
	s.scene("enroll again", s.again)
	s.scene("owner undoes", s.undo)
}

// setUp goes from the page with the key to the page with the backup codes. Every
// device gets the key; the first proves it.
func (s *story) setUp(shot string, devices ...string) []string {
	s.t.Helper()
	var key string
	s.jane.look(shot+"-key").evaluate(`document.querySelector("#tfa-key").textContent`, &key)
	for _, d := range devices {
		s.scan(d, key)
	}
	s.jane.fill(field("Code of 6 digits"), s.code(devices[0])).press(button("Confirm")).shows("Save your backup codes").look(shot + "-codes")
	var codes []string
	s.jane.evaluate(`[...document.querySelectorAll("#tfa-codes li")].map((e) => e.textContent)`, &codes)
	if slices.Sort(codes); len(slices.Compact(slices.Clone(codes))) != 10 || codes[0] == "" {
		s.t.Errorf("backup codes %d, want 10 different ones", len(codes))
	}
	return codes
}

func (s *story) enroll() {
	s.first = s.openTab()
	s.first.visit(s.guide + "/").look("guide")
	s.jane = s.first.follow(link("Panel").within("main")).look("panel-sign-in")
	s.jane.press(button("Sign in")).shows("signing in needs two-factor authentication").look("panel-account")
	s.jane.shows("Account › Security › Two-factor authentication")
	s.jane.press(link("Set up two-factor authentication")).look("enroll-start").press(button("Set it up"))
	// Anna keeps a copy of the key, as people do who share a login.
	s.codes = s.setUp("enroll", "jane", "anna")
	s.download()
	before := s.watch.posts()
	s.jane.choose(button("Finish"))
	if s.watch.posts() != before {
		s.t.Error("without the tick the page ends")
	}
	s.jane.choose(field("I have saved them")).press(button("Finish"))
}

// download saves the backup codes as a file and reads it.
func (s *story) download() {
	dir := s.test.TempDir()
	s.jane.run("allow downloads", browser.SetDownloadBehavior(browser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(dir))
	s.jane.choose(button("Download .txt"))
	var files []string
	s.until("a file was saved", func() bool {
		files, _ = filepath.Glob(filepath.Join(dir, "*.txt"))
		return len(files) > 0
	})
	if name := filepath.Base(files[0]); !regexp.MustCompile(`^Example_Hosting-backup-codes-jane-20\d\d-\d\d-\d\d\.txt$`).MatchString(name) {
		s.t.Errorf("the file is called %q", name)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.HasPrefix(string(raw), "Example Hosting – backup codes\r\n\r\nAccount: jane\r\n") {
		s.t.Errorf("the file begins with\n%.80s", raw)
	}
	for _, c := range s.codes {
		if !strings.Contains(string(raw), "  "+c+"\r\n") {
			s.t.Error("a code of the page is not in the file")
		}
	}
	answer := s.watch.answer("/account/2fa/codes.txt")
	if answer == nil {
		s.t.Fatal("no answer with the file was seen")
	}
	for header, want := range map[string]string{"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store",
		"Content-Disposition": `attachment; filename="` + filepath.Base(files[0]) + `"`} {
		if got := fmt.Sprint(answer.Headers[header]); got != want {
			s.t.Errorf("%s of the file: %q, want %q", header, got, want)
		}
	}
}

// secondFactor signs in with a code, then with a backup code; neither works twice.
func (s *story) secondFactor() {
	p := s.jane.shows("10 backup codes are left").press(button("Sign out"))
	s.logIn(p, "jane").shows("Enter your code").look("panel-code")
	enrolled := "" // the code that proved the phone is the one that was used
	for c := range s.used {
		enrolled = strings.TrimPrefix(c, "jane")
	}
	second := field("Code from your authenticator")
	p.fill(second, enrolled).refused(429, button("Continue")).shows("This code was just used. Wait for the next one").look("panel-code-used")
	p.fill(second, s.code("jane")).press(button("Continue")).shows("10 backup codes are left").hides(s.codes...)
	p.press(button("Transfer domain")).shows("acme.example may go").look("panel-inside")
	p.press(link("Manage")).shows("Backup codes left: 10").hides(s.codes...).look("enroll-on")
	p.press(button("Continue")).press(button("Sign out"))
	byBackup, backup := link("Use a backup code"), field("Backup code")
	s.logIn(p, "jane").press(byBackup).look("panel-code-backup").fill(backup, s.codes[0]).press(button("Continue")).shows("9 backup codes are left")
	p.press(button("Sign out"))
	s.logIn(p, "jane").press(byBackup).fill(backup, s.codes[0]).refused(422, button("Continue")).shows("That code is not right")
}

func (s *story) lose() {
	phone := s.first.follow(link("Phone").within("main"))
	s.until("the page of the phones stays a while", func() bool { // it loads itself again when a code changes
		var left float64
		phone.reload().evaluate(`Math.min(...[...document.querySelectorAll("progress")].map((p) => p.value))`, &left)
		return left > 5
	})
	phone.look("phone")
	phone.press(button("Lose phone").within("jane")).shows("The old phone lies in the canal")
	phone.close()
	s.jane.press(button("Sign out"))
	s.logIn(s.jane, "jane").shows("Enter your code")
	s.jane.visit(s.panel + "/account/2fa").shows("Enter your code")
}

// send writes three mails: one is honest.
func (s *story) send() {
	s.post = s.first.follow(link("Mail").within("main")).look("mail")
	s.write(s.post, "The admin", "en").look("mail-sent")
	s.write(s.post, "An impostor with the admin", "de")
	s.write(s.post, "two From lines", "nl")
	for _, l := range s.post.letters() {
		if strings.HasSuffix(l.To, "tulp.example") && !strings.Contains(l.Subject, "ingeschakeld") { // that was the phone of sanne
			s.t.Errorf("the mail with two From lines was answered: %s to %s", l.Subject, l.To)
		}
	}
}

// confirm plays the owner. Opening the link changes nothing, however often.
func (s *story) confirm() {
	s.anna = s.post.open(s.post.letter("anna@acme.example", "Please confirm")).look("owner-confirm")
	const read = `document.querySelector("main").innerText + [...document.querySelectorAll("input")].map((e) => e.checked)`
	var first, now string
	s.anna.shows("Nothing has been reset yet.", "Did you or your company ask for this?").evaluate(read, &first)
	for range 3 {
		s.anna.reload().evaluate(read, &now)
		if now != first {
			s.t.Errorf("opening the link changed its page from\n%s\nto\n%s", first, now)
		}
	}
	if strings.Contains(first, "true") {
		s.t.Error("an answer is preselected")
	}
	before := s.watch.posts()
	s.anna.choose(button("Continue"))
	if s.watch.posts() != before {
		s.t.Error("without a choice an answer is sent")
	}
	s.rita = s.first.follow(link("Desk").within("main")).look("desk-sign-in")
	s.work(s.rita, "rita", "rita@hosting.example", "rita reads twice")
	s.caseOf(s.rita, "Needs review", "A-1001").shows("The owner confirmed through the link Open")
	s.anna.choose(field("Yes, we asked for this")).press(button("Continue")).shows("You confirmed this request.").look("owner-confirmed")
}

// read looks at everything a reviewer sees before deciding. No impostor is ever
// called authenticated, and the one with two senders has no case.
func (s *story) read() {
	d := s.rita.look("case-waiting").visit(s.desk + "/")
	for _, list := range []string{"Needs review", "Waiting for owner", "Waiting period", "On hold", "Closed"} {
		d.press(link(list)).hides("A-2002", "Tulp")
	}
	s.caseOf(d, "Needs review", "A-3003").shows("High risk", "Not verified").hides("Authenticated", "authenticated by").look("case-impostor")
	d.visit(s.desk + "/").press(link("Quarantine")).look("quarantine")
	d.press(thing{`//li[contains(., "two senders")]//a[@class="num"]`, "mail with two From lines"})
	d.shows("A quarantined mail never becomes a case").hides("Authenticated").look("mail-quarantined")
	d.visit(s.desk + "/").press(link("Not a request")).look("parked")
	d.visit(s.desk + "/audit").look("audit")
	d.visit(s.desk + "/settings/mail").look("mail")
}

// decide approves and waits for the clock.
func (s *story) decide() {
	d := s.rita.visit(s.desk + "/").look("queue")
	s.caseOf(d, "Needs review", "A-1001").shows("Authenticated", "Low risk", "jane", "The owner confirmed through the link Met").look("case")
	d.press(link("Approve")).look("approve")
	d.reload()
	stops := d.stops(60)
	cancel, act := slices.Index(stops, "Cancel"), slices.IndexFunc(stops, func(x string) bool { return strings.HasPrefix(x, "Reset 2FA") })
	if len(stops) == 0 || stops[0] != "Skip to decision" || cancel < 0 || act != cancel+1 {
		s.t.Errorf("the tab key stops at %q", stops)
	}
	s.approve(d, "A-1001", "rita", "The owner confirmed; I called the number on file.").look("case-approved")
	s.until("the case is cleared", func() bool { return strings.Contains(d.reload().text(), "Undo until") })
	d.look("case-cleared").press(link("Queue")).press(link("Closed")).shows("A-1001").look("closed")
}

var passLine = regexp.MustCompile(`(?m)^ +(?:Pass|Code) +(\S+)$`)

// again brings Jane back: the pass and the password, and nothing of before.
func (s *story) again() {
	for _, to := range []string{"anna@acme.example", "it@acme.example", "board@acme.example", "jane@acme.example"} {
		s.post.letter(to, "was reset")
	}
	l := s.post.letter("jane@acme.example", "pass for jane")
	s.post.look("mail-cleared")
	m := passLine.FindStringSubmatch(l.Text)
	if m == nil {
		s.t.Fatalf("no pass in\n%s", l.Text)
	}
	p := s.logIn(s.jane, "jane").shows("Enrollment pass").look("enroll-pass")
	p.fill(field("Enrollment pass"), "AAAA-BBBB-CCCC").refused(422, button("Set it up")).shows("That enrollment pass is not right").look("enroll-pass-wrong")
	p.fill(field("Enrollment pass"), m[1]).press(button("Set it up"))
	codes := s.setUp("again", "jane")
	// Loading the page again does not bring the codes back.
	p.run("reload", chromedp.Reload(), chromedp.WaitReady("main"))
	p.hides(codes...)
	p.visit(s.panel + "/account").shows("Transfers are on hold").hides(codes...).press(button("Sign out"))

	second := field("Code from your authenticator")
	s.logIn(p, "jane").fill(second, s.code("anna")).refused(422, button("Continue")).shows("That code is not right")
	p.press(link("Use a backup code")).fill(field("Backup code"), s.codes[1]).refused(422, button("Continue")).shows("That code is not right")
	p.press(link("Use a code from")).fill(second, s.code("jane")).press(button("Continue")).shows("Transfers are on hold")
	p.refused(409, button("Transfer domain")).shows("acme.example stays").look("panel-hold")
}

// undo takes the reset back: the old factor is in its place, the user locked.
func (s *story) undo() {
	o := s.post.open(s.post.letter("board@acme.example", "was reset")).shows("put the old second factor back").look("owner-undo")
	before := s.watch.posts()
	o.choose(button("Continue"))
	if s.watch.posts() != before {
		s.t.Error("without a choice the reset is undone")
	}
	s.jane.visit(s.panel + "/account").shows("Transfers are on hold")
	o.choose(field("This was not us")).press(button("Continue")).shows("The old second factor is back and the user is locked").look("owner-undone")
	s.jane.visit(s.panel + "/account").shows("You were signed out")
	s.jane.refused(403, button("Sign in")).shows("This user is locked").look("panel-locked")
	s.post.letter("anna@acme.example", "taken back")
	s.rita.press(row("A-1001")).shows("Undone").look("case-undone")
}
