package api

import "github.com/resetdesk/resetdesk/review"

// A Route is a line of the table of routes.
type Route struct {
	Method, Path string
	Scope        review.Scope
	Stream       bool
}

// Routes returns the table.
func Routes() []Route {
	var all []Route
	for _, r := range routes {
		all = append(all, Route{r.method, r.path, r.scope, r.stream})
	}
	return all
}

// OpenAPI returns the document.
func OpenAPI() []byte { return openAPI }

// Decode reads a body as a request would, and returns the status of its refusal, 0
// if there is none.
func Decode(body []byte, into any) (status int, detail string) {
	c := &call{body: body}
	err := c.decode(into)
	if err == nil {
		return 0, ""
	}
	p := err.(*problem)
	return p.status, p.detail
}

// Refusal is what an error of the book is answered.
func Refusal(err error) (status int, body []byte) {
	p := fromBook(err)
	if p == nil {
		return 0, nil
	}
	return p.status, p.answer().raw
}
