package demo

import (
	"net/http"
	"time"
)

// guidePages are the pages outside of the story: what to do, the mail program of
// everybody, the phone of everybody.
func (s *stage) guidePages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.showGuide)
	mux.HandleFunc("GET /mail", s.showMail)
	mux.HandleFunc("POST /mail", s.sendMail)
	mux.HandleFunc("GET /phone", s.showPhones)
	mux.HandleFunc("GET /phone/{id}", s.showScan)
	mux.HandleFunc("POST /phone/{id}/scan", s.scan)
	mux.HandleFunc("POST /phone/{id}/lose", s.lose)
	mux.HandleFunc("GET /static/{file}", s.static)
	return harden(s.host(s.guideLine), mux)
}

type guidePage struct {
	Jane  *user
	Staff []reviewer
	Wait  string
	Hold  string
}

func (s *stage) showGuide(w http.ResponseWriter, _ *http.Request) {
	s.render(w, http.StatusOK, "guide", frame{Title: "Guide", Here: "guide", Body: guidePage{
		Jane: s.accounts[0].user("jane"), Staff: s.staff, Wait: inWords(s.Wait),
		Hold: inWords(s.policy().Hold)}})
}

type mailPage struct {
	Roles    []role
	Accounts []*account
	composition
	To      string
	Letters []letter
	Sent    bool
	More    bool // letters were queued for the one just sent
}

// chosen reads who writes and for whom; what is missing or unknown is the honest
// admin of the first account.
func (s *stage) chosen(r *http.Request) (role, *account) {
	who, ok := findRole(r.FormValue("role"))
	if !ok {
		who = roles[0]
	}
	a := s.findAccount(r.FormValue("account"))
	if a == nil {
		a = s.accounts[0]
	}
	return who, a
}

func (s *stage) showMail(w http.ResponseWriter, r *http.Request) {
	c, err := prefilled(s.chosen(r))
	if err != nil {
		s.fail(w, err)
		return
	}
	f := frame{}
	if r.FormValue("sent") == "1" {
		f.Good = "The mail is in the support mailbox. " + c.Role.Expect
	}
	s.renderMail(w, http.StatusOK, c, f)
}

func (s *stage) renderMail(w http.ResponseWriter, status int, c composition, f frame) {
	letters, err := s.letters()
	if err != nil {
		s.fail(w, err)
		return
	}
	f.Title, f.Here = "Mail", "mail"
	f.Body = mailPage{Roles: roles, Accounts: s.accounts, composition: c, To: support, Letters: letters}
	s.render(w, status, "mail", f)
}

// sendMail puts what the visitor wrote into the support mailbox, as the mail
// server of the company would, and gives the desk a moment to answer.
func (s *stage) sendMail(w http.ResponseWriter, r *http.Request) {
	who, a := s.chosen(r)
	c := composition{who, a, r.PostFormValue("subject"), r.PostFormValue("text")}
	raw, err := c.raw(s.zone, time.Now())
	if err != nil {
		s.renderMail(w, http.StatusUnprocessableEntity, c, frame{Bad: err.Error()})
		return
	}
	before := s.sent.Load()
	if _, err := s.imap.Append("INBOX", raw); err != nil {
		s.fail(w, err)
		return
	}
	s.awaitLetters(r, before)
	http.Redirect(w, r, "/mail?sent=1&role="+who.Key+"&account="+a.ID, http.StatusSeeOther)
}

// awaitLetters waits until letters went out and no more follow, at most two
// seconds. A mail that nobody answers takes all of them.
func (s *stage) awaitLetters(r *http.Request, before int64) {
	const step = 200 * time.Millisecond
	last := before
	for range int(2 * time.Second / step) {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(step):
		}
		now := s.sent.Load()
		if now > before && now == last {
			return
		}
		last = now
	}
}

type phonePage struct{ Screens []screen }

// showPhones shows every phone and loads itself again when a code changes, every
// five seconds at least.
func (s *stage) showPhones(w http.ResponseWriter, r *http.Request) {
	screens, soonest, err := s.phones.screens(time.Now())
	if err != nil {
		s.fail(w, err)
		return
	}
	f := frame{Title: "Phone", Here: "phone", Refresh: min(5, soonest), Body: phonePage{screens}}
	if d, ok := s.phones.one(r.FormValue("lost")); ok && d.Lost > 0 {
		f.Good = d.Overboard()
	}
	s.render(w, http.StatusOK, "phone", f)
}

type scanPage struct {
	screen
	Typed string
}

func (s *stage) showScan(w http.ResponseWriter, r *http.Request) {
	d, ok := s.phones.one(r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	s.render(w, http.StatusOK, "scan", frame{Title: d.Title(), Here: "phone", Body: scanPage{d, ""}})
}

func (s *stage) scan(w http.ResponseWriter, r *http.Request) {
	d, ok := s.phones.one(r.PathValue("id"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	k, err := readKey(r.PostFormValue("key"))
	if err != nil {
		s.render(w, http.StatusUnprocessableEntity, "scan", frame{Title: d.Title(), Here: "phone",
			Bad: "This is neither a setup key nor an otpauth:// link. Copy it whole from the enrollment page.", Body: scanPage{d, ""}})
		return
	}
	s.phones.scan(d.ID, k)
	http.Redirect(w, r, "/phone#"+d.ID, http.StatusSeeOther)
}

func (s *stage) lose(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !s.phones.lose(id) {
		http.NotFound(w, r)
		return
	}
	http.Redirect(w, r, "/phone?lost="+id+"#"+id, http.StatusSeeOther)
}
