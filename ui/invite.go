package ui

import (
	"context"
	"net/http"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp/panel"
)

type invitePage struct {
	Reviewer review.Reviewer
	Problem  string
	SSO      string // what the provider of single sign-on is called, "" if there is none
	Only     bool   // nobody signs in otherwise
	Path     string
}

func (s *site) renderInvitation(w http.ResponseWriter, r *http.Request, status int, p invitePage) error {
	if s.SSO != nil {
		p.Only = s.Desk.OnlySSO()
		p.SSO, p.Path = s.SSO.Name, "/invite/"+r.PathValue("token")
	}
	return s.render(w, r, status, "invite", view{Title: "Invitation", Body: p})
}

// showInvitation asks an invited reviewer for a password. A reviewer who has set
// one already may set it again until the second factor is confirmed.
func (s *site) showInvitation(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	who, err := s.Desk.Invitation(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	return s.renderInvitation(w, r, http.StatusOK, invitePage{Reviewer: who})
}

func (s *site) acceptInvitation(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	token, password := r.PathValue("token"), r.PostForm.Get("password")
	who, err := s.Desk.Invitation(r.Context(), token)
	if err != nil {
		return err
	}
	problem := &refusal{status: http.StatusUnprocessableEntity, text: "The two passwords are not the same."}
	if password == r.PostForm.Get("again") {
		_, err = s.Desk.AcceptInvitation(r.Context(), token, password)
		if err == nil {
			http.Redirect(w, r, "/invite/"+token+"/enroll", http.StatusSeeOther)
			return nil
		}
		if problem = explain(err); problem == nil {
			return err
		}
	}
	return s.renderInvitation(w, r, problem.status, invitePage{Reviewer: who, Problem: problem.text})
}

// inviteEnrollment mounts the pages of the second factor for reviewers: who holds
// the invitation is the reviewer, and finishing ends the invitation. A reviewer
// cannot turn the factor off.
func (s *site) inviteEnrollment(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	token := r.PathValue("token")
	who, err := s.Desk.Invitation(r.Context(), token)
	if err != nil {
		return err
	}
	done := "/sign-in"
	if who.Role == review.Admin { // the first run goes on
		empty, err := s.Desk.Empty(r.Context())
		if err != nil {
			return err
		}
		if empty {
			done += "?next=/setup"
		}
	}
	pages, err := panel.New(panel.Config{
		Book: s.Desk.Book(), Path: "/invite/" + token + "/enroll", Done: done, AlwaysOn: true, Personal: true,
		Identify: func(*http.Request) (panel.User, bool) {
			return panel.User{ID: who.Holder, Account: who.Email, Locale: "en"}, true
		},
		Finish:   func(ctx context.Context, _ panel.User) error { return s.Desk.FinishInvitation(ctx, token) },
		ClientIP: ip, Brand: s.Brand, Banner: s.Banner, Log: s.Log,
	})
	if err != nil {
		return err
	}
	pages.ServeHTTP(w, r)
	return nil
}
