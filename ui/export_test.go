package ui

import (
	"log/slog"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/resetdesk/resetdesk/review"
)

// Routes lists what the router itself answers, "METHOD path".
func Routes() []string {
	s := &site{Config: Config{Desk: new(review.Desk), Log: slog.New(slog.DiscardHandler)}}
	var all []string
	err := chi.Walk(s.router(), func(method, path string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		all = append(all, method+" "+path)
		return nil
	})
	if err != nil {
		panic(err)
	}
	return all
}

// ReadForm is what every route of a POST but one begins with.
var ReadForm = readForm

// Texts returns the texts by language and key.
func Texts() map[string]map[string]string {
	b, err := openBooks()
	if err != nil {
		panic(err)
	}
	return b.texts
}

// A Stretch is a stretch of [Compare].
type Stretch = stretch

// Repeated are the fields that may have several values.
var Repeated = repeated

// Parts of the page's language that are worth testing alone.
var (
	Files   = files
	Compare = compare
	Visible = visible
	Hidden  = hidden
	OurPath = ourPath
	Span    = span
	Left    = left
	Clip    = clip
	Facts   = factsOf
)

// Inert is inert.
func Inert(cell string) string { return inert(cell) }
