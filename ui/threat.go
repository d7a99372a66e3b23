package ui

import (
	"errors"
	"net/http"

	"github.com/resetdesk/resetdesk/review"
)

// A threatPage is the switch of threat mode.
type threatPage struct {
	review.Threat
	Words     string
	MaySwitch bool
	Reason    string // as typed
	Refused   *review.Error
}

// Wrong returns the refusal's sentence if it is about this field.
func (p threatPage) Wrong(field string) string {
	if p.Refused != nil && p.Refused.Field == field {
		return p.Refused.Message
	}
	return ""
}

func (s *site) showThreat(w http.ResponseWriter, r *http.Request, who review.Session) error {
	return s.renderThreat(w, r, http.StatusOK, who, threatPage{})
}

func (s *site) renderThreat(w http.ResponseWriter, r *http.Request, status int, who review.Session, p threatPage) error {
	var err error
	if p.Threat, err = s.Desk.Threat(r.Context()); err != nil {
		return err
	}
	p.Words, p.MaySwitch = p.Threat.String(), leads.allows(who.Reviewer.Role)
	return s.render(w, r, status, "threat", view{Title: "Threat mode", Body: p})
}

// switchThreat turns the switch to what the button said, not to the other side of
// what it finds: two people who press at once do not undo each other.
func (s *site) switchThreat(w http.ResponseWriter, r *http.Request, who review.Session) error {
	on := r.PostForm.Get("turn") == "on"
	if !on && r.PostForm.Get("turn") != "off" {
		return errForm
	}
	err := s.Desk.SwitchThreat(r.Context(), who, on, r.PostForm.Get("reason"), r.PostForm.Get("code"))
	if err == nil {
		s.say(w, map[bool]string{true: "Threat mode is on.", false: "Threat mode is off."}[on])
		http.Redirect(w, r, "/settings/threat", http.StatusSeeOther)
		return nil
	}
	var refused *review.Error
	if !errors.As(err, &refused) {
		return err
	}
	return s.renderThreat(w, r, statusOf(refused.Kind), who, threatPage{Reason: r.PostForm.Get("reason"), Refused: refused})
}
