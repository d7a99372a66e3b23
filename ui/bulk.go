package ui

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/resetdesk/resetdesk/review"
)

// mostAtOnce is how many cases one form may act on: those of a page.
const mostAtOnce = 50

// A bulkAct is what may be done to several cases at once: only what resets
// nothing. There is no approving in bulk.
type bulkAct struct {
	Key, Title, Consequence, Verb string
}

var bulkActs = []bulkAct{
	{Key: "claim"},
	{"not_a_request", "Close these cases as not a request", "The cases are closed and nothing is reset. Nobody is mailed. Each is recorded for itself.", "Close them"},
	{"duplicate", "Close these cases as duplicates", "The cases are closed and nothing is reset. Nobody is mailed. Each is recorded for itself.", "Close them"},
}

// A picked case is one with its version, as it was on the page.
type picked struct {
	Number  string
	Version int64
}

type bulkPage struct {
	bulkAct
	Other   string // the case that the duplicates are of
	Problem string
	Cases   []picked
	Note    string
	Back    string
}

// bulk asks once more before it acts: closing a case cannot be taken back.
func (s *site) bulk(w http.ResponseWriter, r *http.Request, who review.Session) error {
	p := bulkPage{Note: clip(2000, r.PostForm.Get("note")), Other: strings.ToUpper(clip(20, strings.TrimSpace(r.PostForm.Get("other")))), Back: "/"}
	if back := r.PostForm.Get("back"); strings.HasPrefix(back, "/?") {
		p.Back = clip(600, back)
	}
	for _, a := range bulkActs {
		if a.Key == r.PostForm.Get("act") {
			p.bulkAct = a
		}
	}
	for _, one := range r.PostForm["case"] {
		number, version, _ := strings.Cut(one, ":")
		v, err := strconv.ParseInt(version, 10, 64)
		if err != nil || len(p.Cases) == mostAtOnce {
			return errForm
		}
		p.Cases = append(p.Cases, picked{clip(20, number), v})
	}
	switch {
	case p.Key == "":
		return errForm
	case len(p.Cases) == 0:
		s.say(w, "Nothing was chosen. Tick the cases first.")
	case p.Key == "claim":
		if err := s.claimAll(w, r, who, p); err != nil {
			return err
		}
	case r.PostForm.Get("sure") == "":
		return s.render(w, r, http.StatusOK, "bulk", view{Title: p.Title, Body: p})
	case p.Key == "duplicate" && p.Other == "":
		p.Problem = "Write the number of the case that goes on."
		return s.render(w, r, http.StatusUnprocessableEntity, "bulk", view{Title: p.Title, Body: p})
	default:
		if err := s.closeAll(w, r, who, p); err != nil {
			return err
		}
	}
	http.Redirect(w, r, p.Back, http.StatusSeeOther)
	return nil
}

// closeAll closes one case after the other, each in its own transaction. One that
// changed meanwhile is left as it is, and said.
func (s *site) closeAll(w http.ResponseWriter, r *http.Request, who review.Session, p bulkPage) error {
	done, left := 0, []string{}
	for _, c := range p.Cases {
		err := s.Desk.CloseCase(r.Context(), who, review.Decision{Number: c.Number, Version: c.Version, Class: p.Key, Note: p.Note, Other: p.Other})
		var refused *review.Error
		switch {
		case err == nil:
			done++
		case errors.As(err, &refused):
			left = append(left, c.Number+" ("+strings.TrimSuffix(refused.Message, ".")+")")
		default:
			return err
		}
	}
	text := fmt.Sprintf("%d closed.", done)
	if len(left) > 0 {
		text += " Left as they are: " + strings.Join(left, ", ") + "."
	}
	s.say(w, text)
	return nil
}

// claimAll assigns the cases to who asks. What a colleague works on stays there.
func (s *site) claimAll(w http.ResponseWriter, r *http.Request, who review.Session, p bulkPage) error {
	done, left := []string{}, []string{}
	for _, c := range p.Cases {
		err := s.Desk.ClaimCase(r.Context(), who, c.Number, "")
		var refused *review.Error
		switch {
		case err == nil:
			done = append(done, c.Number)
		case errors.As(err, &refused):
			left = append(left, c.Number)
		default:
			return err
		}
	}
	text := "Claimed: " + strings.Join(done, ", ") + "."
	if len(done) == 0 {
		text = "Nothing was claimed."
	}
	if len(left) > 0 {
		text += " Closed, or a colleague works on it: " + strings.Join(left, ", ") + "."
	}
	if len(done) == 1 {
		s.sayUndo(w, text, "/cases/"+done[0]+"/release", nil)
		return nil
	}
	s.say(w, text)
	return nil
}
