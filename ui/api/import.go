package api

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// importAccounts makes the accounts those of the body, all of them. It reads the
// body as it comes and keeps rows, so one import at a time is let in.
func (s *server) importAccounts(c *call) (answer, error) {
	dryRun, err := c.flag("dry_run")
	if err != nil {
		return answer{}, err
	}
	force, err := c.flag("force")
	if err != nil {
		return answer{}, err
	}
	read := review.ReadAccounts
	switch c.mediaType() {
	case "text/csv":
	case "application/x-ndjson":
		read = func(r io.Reader) ([]review.AccountRow, error) { return review.ReadAccountLines(r, decodeLine) }
	default:
		return answer{}, errMediaType
	}
	if c.ContentLength > importLimit {
		return answer{}, errTooLarge
	}
	select {
	case s.importing <- struct{}{}:
		defer func() { <-s.importing }()
	default:
		return answer{}, tooFast(5 * time.Second)
	}
	rows, err := read(c.Body)
	var size *http.MaxBytesError
	var lines *review.AccountsError
	switch {
	case errors.As(err, &size):
		return answer{}, errTooLarge
	case err != nil && !errors.As(err, &lines):
		return answer{}, badJSON("The body ended early.")
	case err != nil:
		return answer{}, err
	}
	r, err := s.Desk.ImportAccounts(c.Context(), c.key, rows, force, dryRun)
	return ok(map[string]any{"accounts": r.Accounts, "users": r.Users, "added": r.Added, "changed": r.Changed, "removed": r.Removed,
		"addresses_added": r.AddressesAdded, "addresses_ended": r.AddressesEnded, "dry_run": r.DryRun}), err
}

// decodeLine reads a line as strictly as a body, and says in words what is wrong.
func decodeLine(text []byte, a *review.Account) error {
	err := decode(text, a)
	var p *problem
	if errors.As(err, &p) {
		return errors.New(p.detail)
	}
	return err
}
