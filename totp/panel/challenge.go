package panel

import (
	"errors"
	"net/http"

	"github.com/resetdesk/resetdesk/totp"
)

// A Challenge is the step of a login between the right password and the panel.
// All fields are needed.
type Challenge struct {
	// Waiting says who has given the right password and owes the code: true for
	// nobody else, or passwords could be guessed through the codes.
	Waiting func(*http.Request) (User, bool)
	// Passed lets the user in and answers: begin a session under a new token, then
	// redirect. At three codes left or fewer, offer new ones.
	Passed func(http.ResponseWriter, *http.Request, User, totp.Result)
	// Elsewhere is where everybody is sent who owes no code here: one without a
	// password, without a factor, or with a pass to give first. A page at which the
	// panel decides by [totp.Book.Status] where somebody belongs.
	Elsewhere string
}

// Challenge returns the page that asks for the code, for GET and POST at one path
// of the panel. It asks on [totp.Web]; backup codes are taken too. A query stays
// on the address, so that "next" parameters reach Passed.
func (p *Pages) Challenge(c Challenge) (http.Handler, error) {
	if c.Waiting == nil || c.Passed == nil || c.Elsewhere == "" {
		return nil, errors.New("open challenge: Waiting, Passed and Elsewhere are needed")
	}
	return p.guard(func(w http.ResponseWriter, r *http.Request) error {
		u, ok := c.Waiting(r)
		if !ok {
			http.Redirect(w, r, c.Elsewhere, http.StatusSeeOther)
			return nil
		}
		v := p.visit(w, r, u)
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			return v.challenge(http.StatusOK, "")
		case http.MethodPost:
			return v.answer(c)
		}
		return errNoMethod
	}), nil
}

func (v *visit) challenge(status int, problem string) error {
	s := v.sheet("challenge", "challenge.title")
	s.Problem = problem
	return v.show(status, s)
}

// answer checks the code that was sent.
func (v *visit) answer(c Challenge) error {
	if err := readForm(v.r); err != nil {
		return err
	}
	res, err := v.Book.Verify(v.r.Context(), v.user.ID, v.r.PostForm.Get("code"), totp.Web)
	switch {
	case err == nil:
		c.Passed(v.w, v.r, v.user, res)
		return nil
	case errors.Is(err, totp.ErrNotEnrolled), errors.Is(err, totp.ErrPassRequired):
		http.Redirect(v.w, v.r, c.Elsewhere, http.StatusSeeOther)
		return nil
	}
	status, problem := v.explain(err)
	if problem == "" {
		return err
	}
	return v.challenge(status, problem)
}
