package ui

import (
	"errors"
	"net/http"

	"github.com/resetdesk/resetdesk/review"
)

// An accountForm is the page on which a reviewer acts on an account without a case.
type accountForm struct {
	Standing review.AccountStanding
	Frost    review.Frost
	Path     string
	Act      string
	Alone    bool // who opens a case may decide it alone
	Typed    typed
	Refused  *review.Error
}

// Wrong returns the refusal's sentence if it is about this field.
func (p accountForm) Wrong(field string) string {
	if p.Refused != nil && p.Refused.Field == field {
		return p.Refused.Message
	}
	return ""
}

// Channels are the ways by which a request comes to a reviewer.
func (accountForm) Channels() []review.Choice { return review.Channels }

// An accountDeed is what such a page does: it says what was done and where to go.
type accountDeed struct {
	act, title string
	do         func(r *http.Request, who review.Session, id string, t typed) (said, to string, err error)
}

func (s *site) freezing() accountDeed {
	return accountDeed{"freeze", "Freeze all resets of ", func(r *http.Request, who review.Session, id string, t typed) (string, string, error) {
		return "The resets of the account are frozen.", accountPath(id),
			s.Desk.FreezeResets(r.Context(), who, id, review.Freeze{Until: t.until(), Reason: t.Note})
	}}
}

func (s *site) thawing() accountDeed {
	return accountDeed{"thaw", "Lift the freeze of ", func(r *http.Request, who review.Session, id string, t typed) (string, string, error) {
		return "The account is no longer frozen.", accountPath(id), s.Desk.ThawResets(r.Context(), who, id, t.Note, t.code)
	}}
}

func (s *site) opening() accountDeed {
	return accountDeed{"open", "Open a case by hand for ", func(r *http.Request, who review.Session, id string, t typed) (string, string, error) {
		number, err := s.Desk.OpenByHand(r.Context(), who, review.HandRequest{Account: id, User: t.UserID, Channel: t.Class, Source: t.Other, Reason: t.Note})
		return "The case is open, and the owners are told.", "/cases/" + number, err
	}}
}

// showDeed shows the page of a deed. It changes nothing.
func (s *site) showDeed(d accountDeed) page {
	return onAccount(func(w http.ResponseWriter, r *http.Request, who review.Session, id string) error {
		return s.renderDeed(w, r, http.StatusOK, who, id, d, accountForm{})
	})
}

// doDeed does it. A refusal that the person can mend shows the form again with
// everything typed.
func (s *site) doDeed(d accountDeed) page {
	return onAccount(func(w http.ResponseWriter, r *http.Request, who review.Session, id string) error {
		t := readTyped(r)
		said, to, err := d.do(r, who, id, t)
		if err == nil {
			s.say(w, said)
			http.Redirect(w, r, to, http.StatusSeeOther)
			return nil
		}
		var refused *review.Error
		if !errors.As(err, &refused) || refused.Kind == review.NotFound {
			return err
		}
		t.code = ""
		return s.renderDeed(w, r, statusOf(refused.Kind), who, id, d, accountForm{Typed: t, Refused: refused})
	})
}

func (s *site) renderDeed(w http.ResponseWriter, r *http.Request, status int, who review.Session, id string, d accountDeed, p accountForm) error {
	h, err := s.Desk.AccountHistory(r.Context(), who, id)
	if err != nil {
		return err
	}
	p.Standing, p.Frost, p.Path, p.Act = h.Standing, h.Frost, accountPath(id), d.act
	p.Alone = s.Desk.OpensAlone()
	return s.render(w, r, status, "accountdeed", view{Title: d.title + h.Standing.Name, Body: p})
}
