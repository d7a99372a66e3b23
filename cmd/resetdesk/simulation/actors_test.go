package simulation

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/mailtest"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// An actor does one thing at a time, and says what.
type actor struct {
	name   string
	weight int
	act    func(*town) string
}

var actors = []actor{
	{"a request", 14, (*town).ask2FA},
	{"a second request", 4, (*town).askAgain},
	{"the same mail twice", 3, func(w *town) string {
		if len(w.mails) == 0 {
			return "none yet"
		}
		m := w.mails[w.rng.IntN(len(w.mails))]
		return w.deliver(m.raw, m.forged)
	}},
	{"no business of ours", 4, func(w *town) string {
		return w.deliver(w.mail("shop@elsewhere.example", "offer", w.newID(), "Buy now."), false)
	}},
	{"a forger", 6, (*town).forge},
	{"a poisoner", 5, (*town).poison},
	{"a colleague", 5, (*town).colleague},
	{"the mailbox is rebuilt", 1, (*town).rebuild},
	{"owners", 22, (*town).owners},
	{"a mail server", 3, (*town).bounce},
	{"an address that ended", 4, func(w *town) string {
		w.smtp.Fault(mailtest.Rcpt, mailtest.SMTPFault{Code: 550, Text: "5.1.1 no such user"})
		return "the next letter is refused"
	}},
	{"threat mode", 3, (*town).threat},
	{"rita", 14, func(w *town) string { return w.review("rita") }},
	{"sam", 14, func(w *town) string { return w.review("sam") }},
	{"users", 10, (*town).users},
	{"the network", 7, (*town).network},
	{"the disk", 4, func(w *town) string {
		if w.prog == nil {
			return "no program"
		}
		n, after := 1+w.rng.IntN(3), w.rng.IntN(2) == 0
		w.prog.gate.plan(-1, n, after)
		w.faults++
		return fmt.Sprintf("%d calls fail, done all the same: %t", n, after)
	}},
	{"a crash", 4, func(w *town) string { w.crash(); return "now" }},
	{"a crash to come", 6, func(w *town) string {
		if w.prog == nil {
			return "no program"
		}
		n, after := w.rng.IntN(8), w.rng.IntN(2) == 0
		w.prog.gate.plan(n, 0, after)
		return fmt.Sprintf("in %d calls, after it: %t", n, after)
	}},
	{"a crash behind the dot", 3, func(w *town) string {
		if w.prog == nil {
			return "no program"
		}
		g := w.prog.gate
		w.onMail(g.kill)
		return "when the next letter is stored"
	}},
	{"start", 8, func(w *town) string { w.start(); return "" }},
	{"the clock", 2, func(w *town) string {
		w.crash()
		w.names.breakFor(0) // a mail waits for them for a day at most
		d := time.Duration(w.rng.IntN(int(72 * time.Hour)))
		time.Sleep(d)
		return "switched off for " + d.Round(time.Minute).String()
	}},
}

func (w *town) anyActor() actor {
	sum := 0
	for _, a := range actors {
		sum += a.weight
	}
	n := w.rng.IntN(sum)
	for _, a := range actors {
		if n -= a.weight; n < 0 {
			return a
		}
	}
	panic("unreachable")
}

var (
	linkPattern = regexp.MustCompile(regexp.QuoteMeta(base) + `(/r/[0-9A-Z]{40,})`)
	passPattern = regexp.MustCompile(`(?m)^  Pass +(\S+)`)
)

// owners open the letters that came and answer a link: mostly yes, to a letter
// that a reset was made now and then that it was not them.
func (w *town) owners() string {
	letters := w.letters()
	for range 5 {
		if len(letters) == 0 {
			return "no letters"
		}
		l := letters[len(letters)-1-w.rng.IntN(min(len(letters), 12))]
		m := linkPattern.FindStringSubmatch(l.text)
		if m == nil || w.said[m[1]] {
			continue
		}
		answer := ""
		switch n := w.rng.IntN(12); {
		case strings.Contains(l.subject, "Please confirm"):
			answer = map[bool]string{true: "yes", false: "no"}[n > 0]
		case n == 0:
			answer = "no"
		case n == 1:
			answer = "undo"
		default:
			continue
		}
		status, _ := w.post(m[1], "", "answer", answer)
		w.said[m[1]] = status == 303 || status == 409
		if answer == "no" && status == 303 {
			w.journal.stops("owner", caseNumber.FindString(l.subject))
		}
		return fmt.Sprintf("%s to %q: %d", answer, l.subject[:min(len(l.subject), 20)], status)
	}
	return "nothing to answer"
}

var (
	caseLink      = regexp.MustCompile(`href="/cases/(RST-[0-9A-Z]{6})"`)
	accountNumber = regexp.MustCompile(`Type the account number <b class="mono">(A-\d+)</b>`)
	hidden        = regexp.MustCompile(`name="(version|evidence|seen)" value="([^"]*)"`)
)

// review is a reviewer at work: approving what waits, and sometimes stopping it.
func (w *town) review(who string) string {
	if w.prog == nil {
		return "the pages are not there"
	}
	if err := w.signIn(who); err != nil {
		return "cannot sign in: " + err.Error()
	}
	tab := []string{"/?tab=review", "/", "/?tab=held"}[w.rng.IntN(3)]
	status, page := w.get(tab, who)
	found := caseLink.FindAllStringSubmatch(page, -1)
	if len(found) == 0 {
		return fmt.Sprintf("%s: %d, no case", tab, status)
	}
	number := found[w.rng.IntN(len(found))][1]
	if w.rng.IntN(9) == 0 {
		return w.decide(who, number)
	}
	return w.approve(who, number)
}

func (w *town) approve(who, number string) string {
	_, page := w.get("/cases/"+number+"/approve", who)
	account := accountNumber.FindStringSubmatch(page)
	if account == nil {
		return "cannot be approved now"
	}
	form := []string{"account", account[1], "reason", "called the number on file"}
	evidence := ""
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form = append(form, m[1], m[2])
		if m[1] == "evidence" {
			evidence = m[2]
		}
	}
	if w.rng.IntN(4) == 0 { // meanwhile something else happens
		time.Sleep(time.Duration(w.rng.IntN(40)) * time.Second)
	}
	form = append(form, "code", w.freshCode(w.secrets[who]))
	status, _ := w.post("/cases/"+number+"/approve", who, form...)
	if status == 303 && strings.HasPrefix(w.location, "/cases/"+number) {
		w.accepted(w.secrets[w.secrets[who]])
		w.voted[number+" "+who+" "+evidence] = evidence
	}
	return fmt.Sprintf("approves %s: %d %s", number, status, w.location)
}

// decide holds, resumes, rejects.
func (w *town) decide(who, number string) string {
	s, err := w.prog.desk.Authenticate(w.t.Context(), w.sessions[who])
	if err != nil {
		return err.Error()
	}
	v, err := w.prog.desk.Case(w.t.Context(), s, number)
	if err != nil {
		return err.Error()
	}
	in := review.Decision{Number: number, Version: v.Version, Note: "a call"}
	what := ""
	switch {
	case v.State == review.StateHeld && w.rng.IntN(4) > 0:
		what, err = "resumes", w.prog.desk.ResumeCase(w.t.Context(), s, in)
	case w.rng.IntN(3) == 0:
		in.Class = "other"
		what, err = "rejects", w.prog.desk.Reject(w.t.Context(), s, in)
	default:
		if what, err = "holds", w.prog.desk.Hold(w.t.Context(), s, in); err == nil {
			w.journal.stops("reviewer", number)
		}
	}
	if err != nil && review.KindOf(err) == "" {
		w.t.Errorf("%s: %v", what, err)
	}
	return fmt.Sprintf("%s: %v", what, err)
}

// users enroll again with the pass that came, or sign in with the code they have.
func (w *town) users() string {
	if w.prog == nil {
		return "the panel is not there"
	}
	book, ctx := w.prog.desk.Book(), w.t.Context()
	for _, l := range slices.Backward(w.letters()) {
		m := passPattern.FindStringSubmatch(l.text)
		if m == nil || w.enrolled[m[1]] {
			continue
		}
		w.enrolled[m[1]] = w.rng.IntN(5) > 0 // some try twice
		user := "U-" + strings.TrimSuffix(strings.TrimPrefix(l.to, "admin@company"), ".example")
		e, err := book.Begin(ctx, user, user, totp.Proof{Pass: m[1]})
		if err != nil {
			return "cannot enroll: " + err.Error()
		}
		secret := e.Key.Secret().Base32()
		codes, err := book.Confirm(ctx, user, e.ID, code(w.t, secret, time.Now()))
		if err != nil {
			return "cannot confirm: " + err.Error()
		}
		w.secrets[user], w.shown[user] = secret, step(time.Now())
		w.accepted(secret)
		w.backup = append(slices.Clip(w.backup), codes...)
		w.again++
		return user + " enrolls again"
	}
	user := fmt.Sprintf("U-%d", w.rng.IntN(accounts))
	if w.rng.IntN(4) > 0 {
		return "sleep"
	}
	_, err := book.Verify(ctx, user, w.freshCode(user), totp.Web)
	if err == nil {
		w.accepted(w.secrets[user])
		w.overTheShoulder(user)
	}
	return fmt.Sprintf("%s signs in: %v", user, err)
}

// network breaks something between the program and a server.
func (w *town) network() string {
	w.faults++
	n := int64(w.rng.IntN(3000))
	switch w.rng.IntN(11) {
	case 0:
		w.imapLink.set(true)
		w.imap.CutAll()
		return "IMAP is gone"
	case 1:
		w.smtpLink.set(true)
		w.smtp.CutAll()
		return "SMTP is gone"
	case 2:
		w.imap.CutAfter(n)
		w.imap.CutAll()
		return fmt.Sprintf("IMAP is cut after %d bytes", n)
	case 3:
		w.imap.SilentAfter(n)
		w.imap.CutAll()
		return fmt.Sprintf("IMAP is silent after %d bytes", n)
	case 4:
		w.smtp.CutAfter(n % 500)
		w.smtp.CutAll()
		return fmt.Sprintf("SMTP is cut after %d bytes", n%500)
	case 5:
		w.imap.CutAll()
		w.smtp.CutAll()
		return "all connections break"
	case 6, 7:
		w.names.breakFor(1 + w.rng.IntN(4))
		return "name servers do not answer at once"
	case 8:
		w.names.breakFor(1 << 30)
		return "name servers are gone"
	}
	step := []mailtest.Step{mailtest.Connect, mailtest.Mail, mailtest.Rcpt, mailtest.Data, mailtest.Dot, mailtest.Stored}[w.rng.IntN(6)]
	f := []mailtest.SMTPFault{{Code: 451, Text: "later"}, {Cut: true}, {Hang: true}, {Code: 421, Text: "closing"}}[w.rng.IntN(4)]
	if step == mailtest.Stored && f.Code != 0 {
		f = mailtest.SMTPFault{Cut: true} // a server that stores a letter and says no makes the second copy itself
	}
	w.smtp.Fault(step, f)
	return fmt.Sprintf("SMTP at %s: %+v", step, f)
}
