package ui

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// An ownerPage is the page behind a link of a letter (interface 3.9).
type ownerPage struct {
	review.OwnerView
	Problem string // a key of the texts
	Answer  string // what was chosen, kept when the form comes back
	Months  string
	Date    string
}

// When is a time in the words of the page's language.
func (p ownerPage) When(t time.Time) string { return localTime(p.Date, p.Months, t) }

// A progress is one of the four steps from the mail to the end.
type progress struct{ Key, Class string }

// Steps marks how far the case is.
func (p ownerPage) Steps() []progress {
	var out []progress
	for i := 1; i <= 4; i++ {
		class := "later"
		switch {
		case i < p.Step || (i == 4 && p.Step == 4):
			class = "done"
		case i == p.Step:
			class = "now"
		}
		out = append(out, progress{fmt.Sprintf("step.%d", i), class})
	}
	return out
}

// Waits reports whether the end of the waiting period is worth telling.
func (p ownerPage) Waits() bool { return p.State == review.StateOpen && time.Now().Before(p.WaitUntil) }

// localTime writes a time with the month's name of the language, in UTC.
func localTime(layout, months string, t time.Time) string {
	names := strings.Split(months, ",")
	t = t.UTC()
	return fmt.Sprintf(layout, t.Day(), names[(int(t.Month())-1)%len(names)], t.Year(), t.Hour(), t.Minute())
}

func (s *site) showOwner(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	return s.renderOwner(w, r, http.StatusOK, ownerPage{})
}

// renderOwner reads what the link is for and shows it. An unknown, a foreign and
// an expired link give the same bytes: nobody learns which tokens exist.
func (s *site) renderOwner(w http.ResponseWriter, r *http.Request, status int, p ownerPage) error {
	var err error
	if p.OwnerView, err = s.Desk.Owner(r.Context(), r.PathValue("token")); err != nil {
		return err
	}
	lang := s.book.language(p.Locale)
	if !p.Found {
		lang = s.book.language(r.Header.Get("Accept-Language"))
		status, p = http.StatusNotFound, ownerPage{}
	}
	p.Months, p.Date = s.book.texts[lang]["months"], s.book.texts[lang]["date"]
	title := s.book.texts[lang]["owner.title"]
	if p.Number != "" {
		title += " · " + p.Number
	}
	return s.render(w, r, status, "owner", view{Title: title, Lang: lang, Body: p})
}

// answerOwner takes the owner's word: yes, no, or, after a reset, undo.
func (s *site) answerOwner(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	token, answer := r.PathValue("token"), r.PostForm.Get("answer")
	if answer == "yes" && r.PostForm.Get("asked") == "who" && r.PostForm.Get("user_id") == "" {
		// Somebody at the desk may have chosen meanwhile: a yes is for nobody
		// whom the owner did not see.
		return s.renderOwner(w, r, http.StatusUnprocessableEntity, ownerPage{Problem: "owner.which", Answer: answer})
	}
	var err error
	switch answer {
	case "yes", "no":
		err = s.Desk.Answer(r.Context(), token, review.Reply{
			Yes: answer == "yes", UserID: r.PostForm.Get("user_id"), IP: ip(r)})
	case "undo":
		err = s.Desk.Undo(r.Context(), token, ip(r))
	default:
		return s.renderOwner(w, r, http.StatusUnprocessableEntity, ownerPage{Problem: "owner.choose"})
	}
	if err == nil {
		http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
		return nil
	}
	known := explain(err)
	if known == nil {
		return err
	}
	p := ownerPage{Problem: "owner.changed", Answer: answer}
	if known.status == http.StatusUnprocessableEntity {
		p.Problem = "owner.which"
	}
	return s.renderOwner(w, r, known.status, p)
}
