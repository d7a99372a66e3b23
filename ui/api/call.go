package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

const (
	bodyLimit   = 64 << 10
	importLimit = 32 << 20
	importTime  = 5 * time.Minute
)

// A call is one request of a key.
type call struct {
	*http.Request
	key  review.APIKey
	body []byte
}

// An answer is what a call is answered: a status and a value for JSON (nil: none).
type answer struct {
	status int
	header map[string]string
	value  any
	raw    []byte // of an earlier answer, instead of value
}

func ok(value any) answer { return answer{status: http.StatusOK, value: value} }

// made answers 201 for something new, 200 for something changed.
func made(created bool, value any) answer {
	if created {
		return answer{status: http.StatusCreated, value: value}
	}
	return ok(value)
}

var gone = answer{status: http.StatusNoContent}

// encode makes an answer final.
func (a answer) encode() (answer, error) {
	if a.value == nil {
		return a, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // an otpauth link has ampersands
	if err := e.Encode(a.value); err != nil {
		return a, fmt.Errorf("write answer: %w", err)
	}
	a.raw, a.value = b.Bytes(), nil
	return a, nil
}

func (a answer) write(w http.ResponseWriter, r *http.Request) error {
	a, err := a.encode()
	if err != nil {
		return err
	}
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if len(a.raw) > 0 && w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		w.Write(a.raw) // an error here is a caller who left
	}
	return nil
}

// checkQuery refuses parameters that the route does not know, and repeated ones.
func (c *call) checkQuery(known []string) error {
	query, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil { // what cannot be read would be left out: a dry run would be none
		return invalid("", "The query cannot be read: parameters are joined by & and percent-encoded.")
	}
	for name, values := range query {
		if !slices.Contains(known, name) {
			return invalid("", fmt.Sprintf("There is no parameter %q here.", clip(name)))
		}
		if len(values) > 1 {
			return invalid("", fmt.Sprintf("The parameter %q stands twice.", clip(name)))
		}
	}
	return nil
}

// flag reads a parameter that is 1 or is not there.
func (c *call) flag(name string) (bool, error) {
	switch c.URL.Query().Get(name) {
	case "", "0":
		return false, nil
	case "1":
		return true, nil
	}
	return false, invalid("", fmt.Sprintf("The parameter %q is 1 or 0.", name))
}

// limit reads how long a list may be.
func (c *call) limit(most int) (int, error) {
	text := c.URL.Query().Get("limit")
	if text == "" {
		return min(pageSize, most), nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, invalid("limit", fmt.Sprintf("limit is 1 to %d.", most))
	}
	return n, nil
}

func (c *call) mediaType() string {
	t, params, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err != nil || len(params) > 1 {
		return ""
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return ""
	}
	return t
}

// readBody reads a small JSON body, and of a larger one no more than that.
func (c *call) readBody(w http.ResponseWriter) error {
	if t := c.mediaType(); t != "application/json" {
		return errMediaType
	}
	if c.Header.Get("Content-Encoding") != "" {
		return errMediaType
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, c.Body, bodyLimit))
	var size *http.MaxBytesError
	switch {
	case errors.As(err, &size):
		return errTooLarge
	case err != nil:
		return badJSON("The body ended early.")
	}
	c.body = body
	return nil
}

// streaming prepares a call whose handler reads a large body itself, and gives it
// time. Where the time cannot be set, the server's own deadlines hold.
func (c *call) streaming(w http.ResponseWriter) *call {
	control := http.NewResponseController(w)
	until := time.Now().Add(importTime)
	_ = errors.Join(control.SetReadDeadline(until), control.SetWriteDeadline(until))
	c.Request.Body = http.MaxBytesReader(w, c.Body, importLimit)
	return c
}

// decode reads the body into v, a pointer to a struct.
func (c *call) decode(v any) error { return decode(c.body, v) }

// clip keeps what a caller sent short when it is said back.
func clip(s string) string {
	s = strings.ToValidUTF8(s, "?")
	if len(s) > 80 {
		s = strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
