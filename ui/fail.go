package ui

import (
	"crypto/rand"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"
	"github.com/resetdesk/resetdesk/review"
)

// A refusal is an answer that is no page of its own: a status with a sentence on
// what to do next.
type refusal struct {
	status      int
	title, text string
}

func (e *refusal) Error() string { return e.title }

var (
	errNoPage    = &refusal{404, "There is no such page", "The address may be mistyped, or what was here is gone."}
	errNoMethod  = &refusal{405, "This page cannot do that", "Go back to the page you came from and use its buttons."}
	errNotYours  = &refusal{403, "Your role does not allow this", "Ask a lead or an admin of the desk to do it, or to change your role."}
	errOtherSite = &refusal{403, "The request came from another site", "Nothing was done. Open the desk itself and try there."}
	errOtherHost = &refusal{421, "This is not the address of the desk", "Use the address from your invitation or from the letter."}
	errForm      = &refusal{400, "The form could not be read", "Go back, load the page again and repeat your input."}
	errFormType  = &refusal{415, "The form could not be read", "Go back, load the page again and repeat your input."}
	errFormSize  = &refusal{413, "That was too much text", "Go back and shorten your input to less than 60 000 characters."}
)

// panicked carries a panic to the log.
type panicked struct {
	value any
	stack []byte
}

func (p panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// statusOf maps the desk's kinds of errors.
func statusOf(k review.Kind) int {
	switch k {
	case review.NotFound:
		return http.StatusNotFound
	case review.Invalid:
		return http.StatusUnprocessableEntity
	case review.Denied:
		return http.StatusForbidden
	case review.Stale, review.Conflict:
		return http.StatusConflict
	case review.TooMany:
		return http.StatusTooManyRequests
	}
	return http.StatusInternalServerError
}

var titles = map[review.Kind]string{
	review.NotFound: "Not found",
	review.Invalid:  "Something is missing or wrong",
	review.Denied:   "You may not do this",
	review.Stale:    "The case changed meanwhile",
	review.Conflict: "The case cannot do this now",
	review.TooMany:  "Too many attempts",
}

// fail renders the page of an error. Text for people is shown; anything else is
// logged with a reference, and the page shows the reference alone.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	known := explain(err)
	if known == nil {
		known = internal(r, s.logError, err)
	}
	retryAfter(w, err)
	err = s.render(w, r, known.status, "error", view{Title: known.title, Lang: "en", Body: known.text})
	if err != nil {
		s.Log.Error("render error page", "error", err)
	}
}

func (s *site) logError(args ...any) { s.Log.Error("request failed", args...) }

// explain returns the page of an error that people may read, nil for others.
func explain(err error) *refusal {
	var known *refusal
	var desk *review.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &desk):
		return &refusal{statusOf(desk.Kind), titles[desk.Kind], desk.Message}
	}
	return nil
}

// internal gives an error a reference. The log has the route, never the path: a
// path may hold a token.
func internal(r *http.Request, log func(...any), err error) *refusal {
	ref := review.OriginOf(r.Context()).Request
	if ref == "" { // refused before it got one
		ref = rand.Text()[:8]
	}
	route := ""
	if c := chi.RouteContext(r.Context()); c != nil {
		route = c.RoutePattern()
	}
	log("reference", ref, "method", r.Method, "route", route, "error", err)
	return &refusal{500, "Internal error", "Internal error, reference " + ref + ". Nothing was half done. " +
		"Try again; if it stays, give the reference to the operator."}
}

// repeated are the fields that may have several values.
var repeated = []string{"case", "mail", "scope", "backup"}

// readForm parses the body of a POST: a form, or nothing. What two readers could
// take for two things is refused: a field with two values, and text that is no
// UTF-8 or has a zero in it.
func readForm(r *http.Request) error {
	kind := r.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(kind); (kind != "" || r.ContentLength != 0) && (err != nil || media != "application/x-www-form-urlencoded") {
		return errFormType
	}
	err := r.ParseForm()
	var size *http.MaxBytesError
	if errors.As(err, &size) {
		return errFormSize
	}
	if err != nil {
		return errForm
	}
	for name, values := range r.PostForm {
		two := func(v string) bool { return v != values[0] }
		if slices.ContainsFunc(values, two) && !slices.Contains(repeated, name) || noText(name) || slices.ContainsFunc(values, noText) {
			return errForm
		}
	}
	return nil
}

func noText(s string) bool { return !utf8.ValidString(s) || strings.Contains(s, "\x00") }
