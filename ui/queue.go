package ui

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/resetdesk/resetdesk/review"
)

// A tab is one list of the queue page.
type tab struct {
	Key          review.Tab
	Label, Empty string
	leads        bool
}

var tabs = []tab{
	{review.TabReview, "Needs review", "Nothing to review. New requests appear here by themselves.", false},
	{review.TabOwner, "Waiting for owner", "No case waits for its owner.", false},
	{review.TabWaiting, "Waiting period", "No case is in its waiting period.", false},
	{review.TabHeld, "On hold", "No case is on hold.", false},
	{review.TabClosed, "Closed", "No case was decided yet.", false},
	{review.TabParked, "Not a request", "No mail is parked. Mails from registered addresses that ask for no reset appear here, and answers to our letters, so that none is lost.", false},
	{review.TabQuarantine, "Quarantine", "No mail is in quarantine.", true},
}

type queuePage struct {
	review.QueuePage
	Tabs   []tab
	Here   tab
	Search string
	Next   string // address of the next page
	Live   string // address that turns the half-minute reload on or off
}

func (s *site) showQueue(w http.ResponseWriter, r *http.Request, who review.Session) error {
	q := r.URL.Query()
	p := queuePage{Here: tabs[0], Search: clip(200, q.Get("q"))}
	for _, t := range tabs {
		if t.leads && !leads.allows(who.Reviewer.Role) {
			continue
		}
		p.Tabs = append(p.Tabs, t)
		if string(t.Key) == q.Get("tab") {
			p.Here = t
		}
	}
	var err error
	p.QueuePage, err = s.Desk.Queue(r.Context(), who, review.QueueFilter{Tab: p.Here.Key, After: clip(200, q.Get("after")), Query: p.Search})
	if err != nil {
		return err
	}
	live := q.Get("live") == "1"
	here := url.Values{"tab": {string(p.Here.Key)}}
	if p.Search != "" {
		here.Set("q", p.Search)
	}
	if p.QueuePage.Next != "" {
		here.Set("after", p.QueuePage.Next)
		p.Next = "/?" + here.Encode()
		here.Del("after")
	}
	if !live {
		here.Set("live", "1")
	}
	p.Live = "/?" + here.Encode()
	return s.render(w, r, http.StatusOK, "queue", view{Title: p.Here.Label, Live: live, Body: p})
}

type mailPage struct {
	review.MailView
	MayOpen bool
}

func mailID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, errNoPage
	}
	return id, nil
}

func (s *site) showMail(w http.ResponseWriter, r *http.Request, who review.Session) error {
	id, err := mailID(r)
	if err != nil {
		return err
	}
	m, err := s.Desk.Mail(r.Context(), who, id)
	if err != nil {
		return err
	}
	p := mailPage{m, m.MayOpen() && who.Reviewer.Role.Decides()}
	return s.render(w, r, http.StatusOK, "mail", view{Title: "Mail without a case", Body: p})
}

func (s *site) showMailSource(w http.ResponseWriter, r *http.Request, who review.Session) error {
	id, err := mailID(r)
	if err != nil {
		return err
	}
	m, err := s.Desk.Mail(r.Context(), who, id)
	if err != nil {
		return err
	}
	return plain(w, m)
}

// openParked makes a case of a mail that was taken for no request.
func (s *site) openParked(w http.ResponseWriter, r *http.Request, who review.Session) error {
	id, err := mailID(r)
	if err != nil {
		return err
	}
	number, err := s.Desk.OpenParked(r.Context(), who, id)
	if err != nil {
		return err
	}
	s.say(w, "The mail is a case now.")
	http.Redirect(w, r, "/cases/"+url.PathEscape(number), http.StatusSeeOther)
	return nil
}
