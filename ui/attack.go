package ui

import (
	"net/http"

	"github.com/resetdesk/resetdesk/review"
)

type attackPage struct {
	review.Alarms
	Threat review.Threat
}

// showAttack shows what the cases say together.
func (s *site) showAttack(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	a, err := s.Desk.Alarms(r.Context())
	if err != nil {
		return err
	}
	threat, err := s.Desk.Threat(r.Context())
	if err != nil {
		return err
	}
	return s.render(w, r, http.StatusOK, "attack", view{Title: "Signs of an attack", Body: attackPage{a, threat}})
}
