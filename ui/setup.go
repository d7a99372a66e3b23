package ui

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// A Guide is what the first-run pages give to copy: words of the configuration and
// of the host, which the pages themselves do not know.
type Guide struct {
	Providers []Snippet // of mail
	After     []Snippet // what an operator wants once the desk works
}

// A Snippet is text to copy, and what to know about it.
type Snippet struct{ Name, Says, Paste string }

// A setupStep is one step of the first run. Whether it is done follows from what
// the desk and its configuration are: nothing is ticked off, and nothing is kept.
type setupStep struct {
	Key, Name string
	Done      bool
	Says      string // where it stands, in a sentence
}

var setupSteps = []setupStep{{Key: "address", Name: "Address"}, {Key: "mailbox", Name: "Mailbox"}, {Key: "sending", Name: "Sending"},
	{Key: "accounts", Name: "Accounts"}, {Key: "policy", Name: "Policy"}, {Key: "running", Name: "Keep it running"}}

// A setupPage is the list of all steps or, with a step, that one.
type setupPage struct {
	Steps    []setupStep
	Step     setupStep // empty: the list
	Previous *setupStep
	Next     *setupStep
	Left     int // steps that are not done
	Facts    review.SetupFacts
	Guide    Guide
	Seen     seenAddress
	Looks    []shownLook
	Boxes    []shownConnection // mailboxes
	Servers  []shownConnection // that send
	Own      string            // the address of who looks
	File     string            // of accounts, which the configuration names
	Presets  []review.Preset
	Preset   string // where it comes from
	Upload   *parkedAccounts
	Problems *review.AccountsError
	Refused  *review.Error
}

// Wrong returns the refusal's sentence if it is about this field.
func (p setupPage) Wrong(field string) string {
	if p.Refused != nil && p.Refused.Field == field {
		return p.Refused.Message
	}
	return ""
}

// A shownLook is a watched folder and what is wrong with it, "" if nothing is.
type shownLook struct {
	Name  string
	At    time.Time
	Wrong string
}

// setupOr is where a form that several pages have leads back to.
func setupOr(r *http.Request, other string) string {
	switch r.PostForm.Get("from") {
	case "mailbox", "sending":
		return "/setup/" + r.PostForm.Get("from")
	}
	return other
}

func (s *site) showSetup(w http.ResponseWriter, r *http.Request, who review.Session) error {
	p, err := s.setup(r, who)
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "setup", view{Title: "Set up", Body: p})
}

func (s *site) showSetupStep(w http.ResponseWriter, r *http.Request, who review.Session) error {
	return s.renderStep(w, r, http.StatusOK, who, r.PathValue("step"), nil)
}

// renderStep shows one step; change adds to the page what only this answer says.
func (s *site) renderStep(w http.ResponseWriter, r *http.Request, status int, who review.Session, key string, change func(*setupPage)) error {
	i := slices.IndexFunc(setupSteps, func(x setupStep) bool { return x.Key == key })
	if i < 0 {
		return errNoPage
	}
	p, err := s.setup(r, who)
	if err != nil {
		return err
	}
	p.Step = p.Steps[i]
	if i > 0 {
		p.Previous = &p.Steps[i-1]
	}
	if i+1 < len(p.Steps) {
		p.Next = &p.Steps[i+1]
	}
	if change != nil {
		change(&p)
	}
	return s.render(w, r, status, "setup", view{Title: "Set up: " + p.Step.Name, Body: p})
}

// setup judges every step anew.
func (s *site) setup(r *http.Request, who review.Session) (setupPage, error) {
	p := setupPage{Steps: slices.Clone(setupSteps), Guide: s.Guide, Seen: s.seen(r), Own: who.Reviewer.Email,
		File: s.source("accounts.file"), Presets: s.Desk.Presets(), Preset: s.source("policy.preset"), Upload: s.parked.of(who)}
	var err error
	if p.Facts, err = s.Desk.Setup(r.Context(), who); err != nil {
		return p, err
	}
	p.Looks = s.setupLooks(p.Facts.Looks, time.Now())
	for _, c := range s.shownConnections() {
		if c.Sends {
			p.Servers = append(p.Servers, c)
		} else {
			p.Boxes = append(p.Boxes, c)
		}
	}
	for i, judge := range []func(setupPage) (bool, string){addressStep, mailboxStep, sendingStep, accountsStep, s.policyStep, runningStep} {
		p.Steps[i].Done, p.Steps[i].Says = judge(p)
		if !p.Steps[i].Done {
			p.Left++
		}
	}
	return p, nil
}

func (s *site) source(key string) string {
	if s.Source == nil {
		return ""
	}
	return s.Source(key)
}

// setupLooks are the folders that are watched, those never looked at among them.
func (s *site) setupLooks(all []review.MailLook, now time.Time) (shown []shownLook) {
	seen := map[string]bool{}
	for _, l := range all {
		name := l.Mailbox + "/" + l.Folder
		seen[name] = true
		if s.Watched == nil || slices.Contains(s.Watched, name) {
			shown = append(shown, shownLook{name, l.At, l.Late(now)})
		}
	}
	for _, name := range s.Watched {
		if !seen[name] {
			shown = append(shown, shownLook{Name: name, Wrong: name + " was never looked at: does serve run, and can it read this folder?"})
		}
	}
	return shown
}

func addressStep(p setupPage) (bool, string) {
	for _, x := range p.Seen.Points {
		if !x.OK {
			return false, x.Says
		}
	}
	return true, "This page came by " + p.Seen.Base + ", as configured."
}

func mailboxStep(p setupPage) (bool, string) {
	if len(p.Looks) == 0 {
		return false, "No folder was looked at yet."
	}
	for _, l := range p.Looks {
		if l.Wrong != "" {
			return false, l.Wrong
		}
	}
	if n := len(p.Looks); n > 1 {
		return true, "All " + strconv.Itoa(n) + " folders were looked at within the last quarter of an hour."
	}
	return true, p.Looks[0].Name + " was looked at within the last quarter of an hour."
}

func sendingStep(p setupPage) (bool, string) {
	switch t := p.Facts.Test; {
	case t.At.IsZero():
		return false, "You have not sent yourself a letter yet."
	case t.State == "sent":
		return true, "The mail server took your test letter. Did it arrive, and not as spam?"
	case t.State == "failed":
		return false, "The mail server refused your test letter: " + clip(300, t.Response)
	case t.Response != "":
		return false, "Your test letter waits. The mail server said: " + clip(300, t.Response)
	}
	return false, "Your test letter waits to be sent; load this page again."
}

func accountsStep(p setupPage) (bool, string) {
	if p.Facts.Accounts == 0 {
		return false, "The desk knows no account, so no mail can be a request."
	}
	return true, plural(p.Facts.Accounts, "account") + " with " + plural(p.Facts.Users, "user") + "."
}

func (s *site) policyStep(p setupPage) (bool, string) {
	if p.Preset == "" && s.Source != nil {
		return false, "Nobody chose a preset, so the desk decides by " + s.Desk.PolicyName() + "."
	}
	return true, "The desk decides by " + s.Desk.PolicyName() + "."
}

func runningStep(p setupPage) (bool, string) {
	for _, x := range p.Steps[:len(p.Steps)-1] {
		if !x.Done {
			return false, "Comes last: a service, a backup and an alert."
		}
	}
	return true, "The desk works. See that it goes on working."
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}
