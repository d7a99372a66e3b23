package ui

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// booksPage shows what became of all mail: the numbers of "resetdesk mail report".
type booksPage struct {
	review.MailReport
	Span    int // days
	Spans   []int
	Fates   []string
	Backlog review.Backlog
	MayTake bool
	Refused string
	watched []string
}

// Watched tells whether the configuration still names the folder.
func (p booksPage) Watched(l review.MailLook) bool {
	return p.watched == nil || slices.Contains(p.watched, l.Mailbox+"/"+l.Folder)
}

// Newest are the days, the last one first.
func (p booksPage) Newest() []review.MailDay {
	days := make([]review.MailDay, 0, len(p.Days))
	for i := len(p.Days) - 1; i >= 0; i-- {
		days = append(days, p.Days[i])
	}
	return days
}

// Late says what is wrong with a folder, "" when it is looked at.
func (p booksPage) Late(l review.MailLook) string { return l.Late(time.Now()) }

func (s *site) showBooks(w http.ResponseWriter, r *http.Request, who review.Session) error {
	return s.renderBooks(w, r, who, http.StatusOK, "")
}

func (s *site) renderBooks(w http.ResponseWriter, r *http.Request, who review.Session, status int, refused string) error {
	p := booksPage{Span: 7, Spans: []int{7, 30}, Fates: review.Fates, MayTake: who.Reviewer.Role.Decides(), Refused: refused, watched: s.Watched}
	if r.URL.Query().Get("days") == "30" {
		p.Span = 30
	}
	var err error
	if p.MailReport, err = s.Desk.MailReport(r.Context(), who, p.Span); err != nil {
		return err
	}
	if p.Backlog, err = s.Desk.Backlog(r.Context(), who); err != nil {
		return err
	}
	return s.render(w, r, status, "books", view{Title: "Mail", Body: p})
}

// takeBacklog makes cases of the old mails that were ticked.
func (s *site) takeBacklog(w http.ResponseWriter, r *http.Request, who review.Session) error {
	var ids []int64
	for _, text := range r.PostForm["mail"] {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return errNoPage
		}
		ids = append(ids, id)
	}
	taken, err := s.Desk.TakeBacklog(r.Context(), who, ids)
	if review.KindOf(err) == review.Invalid {
		return s.renderBooks(w, r, who, http.StatusUnprocessableEntity, err.Error())
	}
	if err != nil {
		return err
	}
	words := fmt.Sprintf("%d old mails were taken in.", taken)
	if taken == 1 {
		words = "1 old mail was taken in."
	}
	if left := len(ids) - taken; left > 0 {
		words += fmt.Sprintf(" %d could not be: somebody else has decided, or the bytes are gone.", left)
	}
	s.say(w, words)
	http.Redirect(w, r, "/settings/mail", http.StatusSeeOther)
	return nil
}
