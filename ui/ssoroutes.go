package ui

import (
	"errors"
	"net/http"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui/sso"
)

const tripCookie = "resetdesk-sso"

var (
	errNoSSO   = &refusal{404, "There is no single sign-on here", "Sign in with a passkey, or with your password and a code."}
	errSSODown = &refusal{503, "Single sign-on does not answer", "Try again in a few minutes. If you have a password at the desk, sign in with it and a code."}
	errSSO     = &refusal{401, "Single sign-on did not work", "Begin again at the sign-in page. If it stays, ask whoever runs the desk to look into the log."}
)

// beginSSO sends the browser to the provider.
func (s *site) beginSSO(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	return s.toProvider(w, r, ourPath(r.URL.Query().Get("next")), "")
}

// inviteBySSO does so for somebody with an invitation, who has no password then.
func (s *site) inviteBySSO(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	token := r.PathValue("token")
	if _, err := s.Desk.Invitation(r.Context(), token); err != nil {
		return err
	}
	return s.toProvider(w, r, "/", token)
}

func (s *site) toProvider(w http.ResponseWriter, r *http.Request, next, invitation string) error {
	if s.SSO == nil {
		return errNoSSO
	}
	to, trip, err := s.SSO.Begin(r.Context(), next, invitation)
	if err != nil {
		return s.ssoFailed(r, err)
	}
	http.SetCookie(w, s.cookie(tripCookie, trip.String(), 600))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// ssoFailed logs what went wrong and returns the page that says so.
func (s *site) ssoFailed(r *http.Request, err error) error {
	s.Log.Warn("single sign-on", "error", err, "ip", ip(r))
	switch {
	case errors.Is(err, sso.ErrDown):
		return errSSODown
	case errors.Is(err, sso.ErrRefused):
		return errSSO
	}
	return err
}

// finishSSO takes the browser back. The provider is asked before anything is
// written. The session owes the second factor.
func (s *site) finishSSO(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	if s.SSO == nil {
		return errNoSSO
	}
	cookie := s.read(r, tripCookie)
	http.SetCookie(w, s.cookie(tripCookie, "", -1))
	id, trip, err := s.SSO.Finish(r.Context(), cookie, r.URL.Query())
	if err != nil {
		return s.ssoFailed(r, err)
	}
	var token string
	if trip.Invitation != "" {
		token, err = s.Desk.BindSSO(r.Context(), trip.Invitation, id, s.entry(r))
	} else {
		token, err = s.Desk.SignInBySSO(r.Context(), id, s.entry(r))
	}
	if err != nil {
		return s.notIn(w, r, err, signInPage{Next: ourPath(trip.Next)})
	}
	http.SetCookie(w, s.cookie(sessionCookie, token, 0))
	to := "/sign-in/factor"
	if next := ourPath(trip.Next); next != "/" {
		to += "?next=" + next
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
