package ui

import (
	"log/slog"

	"github.com/resetdesk/resetdesk/review"
)

// Routes lists the table of routes, "METHOD path".
func Routes() []string {
	s := &site{Config: Config{Desk: new(review.Desk), Log: slog.New(slog.DiscardHandler)}}
	var all []string
	for _, t := range s.routes() {
		all = append(all, t.method+" "+t.path)
	}
	return all
}

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

// Parts of the page's language that are worth testing alone.
var (
	Files   = files
	Compare = compare
	Visible = visible
	Hidden  = hidden
	OurPath = ourPath
	Span    = span
	Clip    = clip
	Detail  = detail
)

// Inert is inert.
func Inert(cell string) string { return inert(cell) }
