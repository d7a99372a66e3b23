package ui

import (
	"net/http"

	"github.com/resetdesk/resetdesk/review"
)

type invitePage struct {
	Reviewer review.Reviewer
	Problem  string
}

// showInvitation asks an invited reviewer for a password. A reviewer who has set
// one already may set it again until the second factor is confirmed.
func (s *site) showInvitation(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	who, err := s.Desk.Invitation(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "invite", view{Title: "Invitation", Body: invitePage{Reviewer: who}})
}

func (s *site) acceptInvitation(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	if err := readForm(r); err != nil {
		return err
	}
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
	return s.render(w, r, problem.status, "invite",
		view{Title: "Invitation", Body: invitePage{Reviewer: who, Problem: problem.text}})
}

// inviteEnrollment mounts the enrollment page for reviewers: who holds the
// invitation is the reviewer, and finishing ends the invitation.
func (s *site) inviteEnrollment() page {
	return func(w http.ResponseWriter, r *http.Request, _ review.Session) error {
		token := r.PathValue("token")
		who, err := s.Desk.Invitation(r.Context(), token)
		if err != nil {
			return err
		}
		e := enroller{
			book: s.Desk.Book(), pages: s.book, brand: s.Brand, banner: s.Banner, static: "/static/",
			path: "/invite/" + token + "/enroll", user: who.Holder, account: who.Email, lang: "en",
			finish: func() (string, error) { return "/sign-in", s.Desk.FinishInvitation(r.Context(), token) },
		}
		return e.serve(w, r, r.PathValue("step"))
	}
}
