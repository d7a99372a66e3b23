package panel

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// home shows where the user stands: the state of the factor, or the way to one.
func (v *visit) home() error { return v.showHome(http.StatusOK, "") }

func (v *visit) showHome(status int, problem string) error {
	st, err := v.Book.Status(v.r.Context(), v.user.ID)
	if err != nil && !errors.Is(err, totp.ErrUnknownUser) {
		return fmt.Errorf("show status: %w", err)
	}
	s := v.sheet("start", "start.title")
	s.Problem, s.Status, s.Unknown = problem, st, errors.Is(err, totp.ErrUnknownUser)
	switch {
	case st.Frozen:
		s.name = "frozen"
	case st.Enrolled:
		s.name, s.Title = "status", v.text("status.title")
	}
	if _, err := v.pending(); err == nil {
		s.Pending = true
	}
	return v.show(status, s)
}

// askReplace asks for a code before another authenticator takes the place of the
// present ones.
func (v *visit) askReplace() error { return v.ask("replace", http.StatusOK, "") }

// ask shows a page with one question: a current code.
func (v *visit) ask(name string, status int, problem string) error {
	st, err := v.Book.Status(v.r.Context(), v.user.ID)
	if err != nil && !errors.Is(err, totp.ErrUnknownUser) {
		return fmt.Errorf("show %s: %w", name, err)
	}
	if !st.Enrolled || st.Frozen {
		return v.redirect("")
	}
	s := v.sheet(name, name+".title")
	s.Problem, s.Status = problem, st
	return v.show(status, s)
}

// A setup is a key on its way into an authenticator.
type setup struct {
	SVG     template.HTML
	Grouped string
	Link    template.URL // otpauth
	Minutes int
}

func (v *visit) pending() (totp.Enrollment, error) {
	return v.Book.Pending(v.r.Context(), v.user.ID, begun(v.r))
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
	s.Setup = &setup{SVG: template.HTML(svg), Grouped: e.Key.Grouped(), Link: template.URL(e.Key.URI()),
		Minutes: int(time.Until(e.Expires) / time.Minute)}
	return v.show(status, s)
}

// enrollmentCookie keeps the ID of an enrollment in the browser that began it:
// the password alone must not show the key that a pass or a code paid for.
const enrollmentCookie = "totp-enrollment"

// begun returns the ID of the enrollment that this browser began, "" if none.
func begun(r *http.Request) string {
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

// typed returns the code of the form.
func (v *visit) typed() string { return typedCode(v.r.PostForm.Get("code")) }

// start makes a new key. While a factor is active it takes a current code, after
// a reset the enrollment pass; the library decides which.
func (v *visit) start() error {
	proof := totp.Proof{Code: v.typed(), Pass: strings.TrimSpace(v.r.PostForm.Get("pass"))}
	e, err := v.Book.Begin(v.r.Context(), v.user.ID, v.user.Account, proof)
	if err != nil {
		back := v.showHome
		if strings.HasSuffix(v.r.URL.Path, "/replace") {
			back = func(status int, problem string) error { return v.ask("replace", status, problem) }
		}
		return v.refused(err, back)
	}
	v.remember(e.ID, time.Until(e.Expires))
	return v.redirect("setup")
}

// confirm proves a code. From here on the factor is active; the backup codes are
// in this answer and nowhere else, so it is a page and no redirect.
func (v *visit) confirm() error {
	codes, err := v.Book.Confirm(v.r.Context(), v.user.ID, begun(v.r), v.typed())
	if err != nil {
		return v.refused(err, v.setup)
	}
	v.remember("", -time.Second)
	if v.Proved != nil {
		v.Proved(v.w, v.r, v.user)
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
		if err := v.Finish(v.r.Context(), v.user); err != nil {
			return err
		}
	}
	http.Redirect(v.w, v.r, v.Done, http.StatusSeeOther)
	return nil
}
