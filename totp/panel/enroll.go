package panel

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// home shows where the user stands: the state of the factor, or the way to one.
func (v *visit) home() error { return v.showHome(http.StatusOK, "") }

func (v *visit) showHome(status int, problem string) error {
	s, err := v.standing("start", "start.title")
	if err != nil {
		return err
	}
	s.Problem, s.Said = problem, v.said(s.Status.Enrolled)
	switch {
	case s.Status.Frozen:
		s.name = "frozen"
	case s.Status.Enrolled:
		s.name, s.Title = "status", v.text("status.title")
		if s.Events, err = v.Book.History(v.r.Context(), v.user.ID, shownEvents); err != nil {
			return fmt.Errorf("show history: %w", err)
		}
	}
	if _, err := v.pending(); err == nil {
		s.Pending = true
	}
	return v.show(status, s)
}

// shownEvents is how much of the history a page shows.
const shownEvents = 10

// standing is a sheet with what the library knows of the user.
func (v *visit) standing(name, title string) (*sheet, error) {
	s := v.sheet(name, title)
	var err error
	s.Status, err = v.Book.Status(v.r.Context(), v.user.ID)
	if s.Unknown = errors.Is(err, totp.ErrUnknownUser); err != nil && !s.Unknown {
		return nil, fmt.Errorf("show %s: %w", name, err)
	}
	if s.Devices, err = v.Book.Devices(v.r.Context(), v.user.ID); err != nil {
		return nil, fmt.Errorf("show %s: %w", name, err)
	}
	return s, nil
}

// A setup is a key on its way into an authenticator.
type setup struct {
	SVG       template.HTML
	Grouped   string
	Link      template.URL // otpauth
	Minutes   int          // until it expires
	Algorithm string
	Digits    int
	Period    int // seconds
}

// readLink takes the parameters, which people type with the key, from the link
// that carries them.
func (s *setup) readLink(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" {
		return errors.New("the key has no link") // the link is a secret
	}
	q := u.Query()
	s.Link, s.Algorithm = template.URL(uri), strings.Replace(q.Get("algorithm"), "SHA", "SHA-", 1)
	s.Digits, _ = strconv.Atoi(q.Get("digits"))
	s.Period, _ = strconv.Atoi(q.Get("period"))
	return nil
}

func (v *visit) pending() (totp.Enrollment, error) {
	return v.Book.Pending(v.r.Context(), v.user.ID, ticket(v.r))
}

func (v *visit) showSetup() error { return v.setup(http.StatusOK, "") }

// setup shows the key to the browser that began, and the way back to any other.
func (v *visit) setup(status int, problem string) error {
	e, err := v.pending()
	switch {
	case errors.Is(err, totp.ErrNotEnrolled), errors.Is(err, totp.ErrExpired):
		if problem == "" {
			return v.redirect("")
		}
		return v.showHome(status, problem)
	case err != nil:
		return fmt.Errorf("show enrollment: %w", err)
	}
	svg, err := e.Key.SVG()
	if err != nil {
		return fmt.Errorf("show enrollment: %w", err)
	}
	s := v.sheet("setup", "setup.title")
	s.Problem = problem
	s.Setup = &setup{SVG: template.HTML(svg), Grouped: e.Key.Grouped(), Minutes: int(time.Until(e.Expires) / time.Minute)}
	if err := s.Setup.readLink(e.Key.URI()); err != nil {
		return fmt.Errorf("show enrollment: %w", err)
	}
	return v.show(status, s)
}

// enrollmentCookie keeps the ID of an enrollment in the browser that began it:
// the password alone must not show the key that a pass or a code paid for.
const enrollmentCookie = "totp-enrollment"

// ticket returns the ID of the enrollment that this browser began, "" if none.
func ticket(r *http.Request) string {
	c, err := r.Cookie(enrollmentCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

func (v *visit) remember(id string, life time.Duration) {
	http.SetCookie(v.w, &http.Cookie{Name: enrollmentCookie, Value: id, Path: cmp.Or(v.Path, "/"), MaxAge: int(life.Seconds()),
		HttpOnly: true, Secure: !local(v.r.Host), SameSite: http.SameSiteStrictMode})
}

// start begins the first enrollment, or the one after a reset, which takes the
// pass.
func (v *visit) start() error {
	e, err := v.Book.Begin(v.r.Context(), v.user.ID, v.user.Account, v.proof())
	return v.begun(e, err, v.showHome)
}

// begun leads to the new key, or shows the page again that could not begin.
func (v *visit) begun(e totp.Enrollment, err error, again func(int, string) error) error {
	if err != nil {
		return v.refused(err, again)
	}
	v.remember(e.ID, time.Until(e.Expires))
	return v.redirect("setup")
}

// confirm proves a code. From here on the factor is active; the backup codes are
// in this answer and nowhere else, so it is a page and no redirect.
func (v *visit) confirm() error {
	codes, err := v.Book.Confirm(v.r.Context(), v.user.ID, ticket(v.r), v.r.PostForm.Get("code"))
	if err != nil {
		return v.refused(err, v.setup)
	}
	v.remember("", -time.Second)
	if v.Proved != nil {
		v.Proved(v.w, v.r, v.user)
	}
	if codes == nil { // a device more: the present codes stay
		return v.redirect("?said=added")
	}
	return v.showCodes(http.StatusOK, codes, "")
}

// finish leaves the pages once the user says that the codes are saved.
func (v *visit) finish() error {
	if v.r.PostForm.Get("saved") != "yes" {
		codes, err := sent(v.r)
		if err != nil {
			return err
		}
		return v.showCodes(http.StatusUnprocessableEntity, codes, v.text("codes.tick"))
	}
	if v.Finish != nil {
		st, err := v.Book.Status(v.r.Context(), v.user.ID)
		if err != nil {
			return v.refused(err, v.showHome)
		}
		if !st.Enrolled {
			return v.showHome(http.StatusConflict, v.text("say.expired"))
		}
		if err := v.Finish(v.r.Context(), v.user); err != nil {
			return err
		}
	}
	http.Redirect(v.w, v.r, v.Done, http.StatusSeeOther)
	return nil
}
