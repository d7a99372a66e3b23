package ui

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/resetdesk/resetdesk/review"
)

// accountPath is the page of an account, whatever characters its number has. A
// number that browsers and proxies would take for a step in the path ("." and "..",
// RFC 3986 5.2.4, escaped or not) gets a tilde before it, and so does one that
// begins with a tilde.
func accountPath(id string) string {
	mark := ""
	if id == "." || id == ".." || strings.HasPrefix(id, "~") {
		mark = "~"
	}
	return "/accounts/" + mark + url.PathEscape(id)
}

// accountID reads the number from the request for such a page. The router matches
// the path as it was sent when decoding it would lose something, else decoded.
func accountID(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if r.URL.RawPath != "" {
		var err error
		if id, err = url.PathUnescape(id); err != nil {
			return "", errNoPage
		}
	}
	return strings.TrimPrefix(id, "~"), nil
}

// onAccount serves a page of the account that the path names.
func onAccount(f func(http.ResponseWriter, *http.Request, review.Session, string) error) page {
	return func(w http.ResponseWriter, r *http.Request, who review.Session) error {
		id, err := accountID(r)
		if err != nil {
			return err
		}
		return f(w, r, who, id)
	}
}
