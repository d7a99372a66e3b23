package ui

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

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
	{review.TabMine, "Mine", "You have claimed no case. Claim one with c, or tick several.", false},
	{review.TabClosed, "Closed", "No case was decided yet.", false},
	{review.TabParked, "Not a request", "No mail is parked. Mails from registered addresses that ask for no reset appear here, and answers to our letters, so that none is lost.", false},
	{review.TabQuarantine, "Quarantine", "No mail is in quarantine.", true},
}

// A filterChip is one part of the filter that is on, with the address of the
// list without it.
type filterChip struct{ Label, Without string }

type queuePage struct {
	review.QueuePage
	Tabs    []tab
	Here    tab
	Chips   []filterChip
	Clear   string // address of the list without any filter
	Next    string // address of the next page
	Live    string // address that turns the half-minute reload on or off
	Self    string // address of this page
	Query   string // of the address, to be kept as a view
	Views   []review.SavedView
	MayBulk bool
	Since   int64 // when the list was read, for what is new since
}

// Verdicts are the sender checks that can be filtered for.
func (queuePage) Verdicts() []string {
	return []string{"authenticated", "partial", "unverified", "panel", "hand"}
}

// Risks are the levels that can be filtered for.
func (queuePage) Risks() []review.RiskLevel {
	return []review.RiskLevel{review.High, review.Medium, review.Low}
}

// Claims are what can be filtered for, with its words.
func (queuePage) Claims() []review.Choice {
	return []review.Choice{{Key: "none", Title: "nobody"}, {Key: "mine", Title: "me"}, {Key: "any", Title: "anybody"}}
}

// OfCases reports whether the list is one of cases.
func (p queuePage) OfCases() bool {
	return p.Found() || (p.Here.Key != review.TabParked && p.Here.Key != review.TabQuarantine)
}

// filterOf reads the filter from the address of a page.
func filterOf(q url.Values) review.QueueFilter {
	return review.QueueFilter{Tab: review.Tab(q.Get("tab")), Risk: review.RiskLevel(clip(20, q.Get("risk"))), Verdict: clip(20, q.Get("verdict")),
		Claim: clip(20, q.Get("claim")), Account: clip(80, strings.TrimSpace(q.Get("account"))), Query: clip(200, strings.TrimSpace(q.Get("q"))), After: clip(80, q.Get("after"))}
}

// addressOf writes it.
func addressOf(f review.QueueFilter) string {
	q := url.Values{}
	for name, value := range map[string]string{"tab": string(f.Tab), "risk": string(f.Risk), "verdict": f.Verdict, "claim": f.Claim, "account": f.Account, "q": f.Query, "after": f.After} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/?" + q.Encode()
}

// chips are the parts of the filter that are on.
func chips(f review.QueueFilter) (all []filterChip) {
	f.After = ""
	add := func(on bool, label string, without func(*review.QueueFilter)) {
		if g := f; on {
			without(&g)
			all = append(all, filterChip{label, addressOf(g)})
		}
	}
	add(f.Query != "", "“"+f.Query+"”", func(g *review.QueueFilter) { g.Query = "" })
	add(f.Account != "", "Account "+f.Account, func(g *review.QueueFilter) { g.Account = "" })
	add(f.Risk != "", words(f.Risk)+" risk", func(g *review.QueueFilter) { g.Risk = "" })
	add(f.Verdict != "", "Sender: "+words(f.Verdict), func(g *review.QueueFilter) { g.Verdict = "" })
	for _, c := range (queuePage{}).Claims() {
		add(f.Claim == c.Key, "Claimed by "+c.Title, func(g *review.QueueFilter) { g.Claim = "" })
	}
	return all
}

func (s *site) showQueue(w http.ResponseWriter, r *http.Request, who review.Session) error {
	q := r.URL.Query()
	f := filterOf(q)
	p := queuePage{Here: tabs[0], MayBulk: who.Reviewer.Role.Decides()}
	for _, t := range tabs {
		if t.leads && !leads.allows(who.Reviewer.Role) {
			continue
		}
		p.Tabs = append(p.Tabs, t)
		if t.Key == f.Tab {
			p.Here = t
		}
	}
	f.Tab = p.Here.Key
	var err error
	if p.QueuePage, err = s.Desk.Queue(r.Context(), who, f); err != nil {
		return err
	}
	if p.Views, err = s.Desk.Views(r.Context(), who); err != nil {
		return err
	}
	f.After = p.QueuePage.Next
	if f.After != "" {
		p.Next = addressOf(f)
	}
	f.After = ""
	live := q.Get("live") == "1"
	p.Self, p.Chips, p.Clear, p.Since = addressOf(f), chips(f), addressOf(review.QueueFilter{Tab: f.Tab}), p.At.UnixMicro()
	p.Query = strings.TrimPrefix(p.Self, "/?")
	p.Live = p.Self
	if !live {
		p.Live += "&live=1"
	}
	return s.render(w, r, http.StatusOK, "queue", view{Title: p.Here.Label, Live: live, Body: p})
}

// saveView keeps the filter that is on under a name.
func (s *site) saveView(w http.ResponseWriter, r *http.Request, who review.Session) error {
	q, err := url.ParseQuery(r.PostForm.Get("query"))
	if err != nil {
		return errForm
	}
	f := filterOf(q)
	f.After = ""
	to := addressOf(f)
	if err := s.Desk.SaveView(r.Context(), who, review.SavedView{Name: r.PostForm.Get("name"), Query: strings.TrimPrefix(to, "/?")}); err != nil {
		return err
	}
	s.say(w, "The view is kept.")
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// removeView forgets a view; Undo keeps it again.
func (s *site) removeView(w http.ResponseWriter, r *http.Request, who review.Session) error {
	v, err := s.Desk.RemoveView(r.Context(), who, r.PostForm.Get("name"))
	if err != nil {
		return err
	}
	s.sayUndo(w, "The view “"+v.Name+"” is removed.", "/views", url.Values{"name": {v.Name}, "query": {v.Query}})
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
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
