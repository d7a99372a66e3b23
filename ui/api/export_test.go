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
