package panel

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// A refusal is an answer that is no page of its own: a status, and the key of its
// text.
type refusal struct {
	status int
	key    string
}

func (e *refusal) Error() string { return e.key }

var (
	errNoPage    = &refusal{http.StatusNotFound, "error.page"}
	errNoMethod  = &refusal{http.StatusMethodNotAllowed, "error.method"}
	errSignIn    = &refusal{http.StatusForbidden, "error.signin"}
	errOtherSite = &refusal{http.StatusForbidden, "error.site"}
	errForm      = &refusal{http.StatusBadRequest, "error.form"}
	errFormSize  = &refusal{http.StatusRequestEntityTooLarge, "error.size"}
)

// fail renders the page of an error. What is not for people is logged with a
// reference, and the page shows the reference alone.
func (p *Pages) fail(w http.ResponseWriter, r *http.Request, err error) {
	v := p.visit(w, r, User{})
	s := v.sheet("error", "error.title")
	status := http.StatusInternalServerError
	var known *refusal
	if errors.As(err, &known) {
		status, s.Problem = known.status, v.text(known.key)
	} else {
		b := make([]byte, 4)
		rand.Read(b)
		ref := strings.ToUpper(hex.EncodeToString(b))
		p.Log.Error("second factor page failed", "reference", ref, "method", r.Method, "error", err)
		s.Problem = v.text("error.internal", ref)
	}
	if err := v.show(status, s); err != nil {
		p.Log.Error("render error page", "error", err)
		http.Error(w, "Internal error.", http.StatusInternalServerError)
	}
}

// refused shows a page again with the reason in words, or returns a fault.
func (v *visit) refused(err error, show func(status int, problem string) error) error {
	status, problem := v.explain(err)
	if problem == "" {
		return err
	}
	if errors.Is(err, totp.ErrExpired) || errors.Is(err, totp.ErrConflict) || errors.Is(err, totp.ErrFrozen) ||
		errors.Is(err, totp.ErrNotEnrolled) || errors.Is(err, totp.ErrPassRequired) {
		show = v.showHome // the page it came from is no longer the right one
	}
	return show(status, problem)
}

// explain puts an answer of the library into words, "" for a fault.
func (v *visit) explain(err error) (status int, problem string) {
	var used *totp.UsedError
	var locked *totp.LockedError
	var drift *totp.DriftError
	var hold *totp.HoldError
	switch {
	case errors.As(err, &drift) && drift.Drift > 0:
		return http.StatusUnprocessableEntity, v.text("say.drift.fast", v.wait(drift.Drift))
	case errors.As(err, &drift):
		return http.StatusUnprocessableEntity, v.text("say.drift.slow", v.wait(-drift.Drift))
	case errors.As(err, &hold):
		return http.StatusConflict, v.text("say.hold", v.At(hold.Until))
	case errors.As(err, &used):
		return v.later(used.RetryAfter), v.text("say.used", seconds(used.RetryAfter))
	case errors.As(err, &locked):
		return v.later(locked.RetryAfter), v.text("say.locked", v.wait(locked.RetryAfter))
	case errors.Is(err, totp.ErrInvalidCode):
		return http.StatusUnprocessableEntity, v.text("say.wrong", time.Now().UTC().Format(time.TimeOnly))
	case errors.Is(err, totp.ErrInvalidPass), errors.Is(err, totp.ErrPassRequired):
		return http.StatusUnprocessableEntity, v.text("say.badpass")
	case errors.Is(err, totp.ErrProofRequired):
		return http.StatusUnprocessableEntity, v.text("say.needcode")
	case errors.Is(err, totp.ErrDeviceName):
		return http.StatusUnprocessableEntity, v.text("say.name")
	case errors.Is(err, totp.ErrTooManyDevices):
		return http.StatusConflict, v.text("say.many")
	case errors.Is(err, totp.ErrLastDevice):
		return http.StatusConflict, v.text("say.last")
	case errors.Is(err, totp.ErrRequired):
		return http.StatusForbidden, v.text("status.now")
	case errors.Is(err, totp.ErrUnknownUser):
		return http.StatusConflict, v.text("say.unknown")
	case errors.Is(err, totp.ErrExpired), errors.Is(err, totp.ErrConflict), errors.Is(err, totp.ErrNotEnrolled):
		return http.StatusConflict, v.text("say.expired")
	case errors.Is(err, totp.ErrFrozen):
		return http.StatusForbidden, v.text("say.frozen")
	}
	return 0, ""
}

// later tells the browser when to try again.
func (v *visit) later(wait time.Duration) int {
	v.w.Header().Set("Retry-After", strconv.Itoa(seconds(wait)))
	return http.StatusTooManyRequests
}

// seconds rounds a wait up, so that trying again after it is not too early.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// wait writes a wait as people say it.
func (v *visit) wait(d time.Duration) string {
	switch {
	case d <= 2*time.Minute:
		return v.text("seconds", seconds(d))
	case d <= 2*time.Hour:
		return v.text("minutes", int((d+time.Minute-1)/time.Minute))
	}
	return v.text("hours", int((d+time.Hour-1)/time.Hour))
}
