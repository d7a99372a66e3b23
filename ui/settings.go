package ui

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// A keyPage is one of three: all keys of the API, the form of an act on one, or
// the token of a new key.
type keyPage struct {
	Keys    []review.APIKey
	Now     time.Time
	New     bool
	Key     review.APIKey // of a form
	Typed   keyForm
	Scopes  []review.Scope
	Refused *review.Error
	Token   string
}

// keyForm is what a person filled in for a new key; it survives a refusal.
type keyForm struct {
	Name, Allow, Days string
	Scopes            []string
}

// Has tells whether a scope was ticked.
func (f keyForm) Has(s review.Scope) bool { return slices.Contains(f.Scopes, string(s)) }

// Wrong returns the refusal's sentence if it is about this field.
func (p keyPage) Wrong(field string) string {
	if p.Refused != nil && p.Refused.Field == field {
		return p.Refused.Message
	}
	return ""
}

// State says in words where a key stands.
func (p keyPage) State(k review.APIKey) string {
	switch {
	case !k.Revoked.IsZero():
		return "Revoked"
	case !k.Live(p.Now):
		return "Expired"
	}
	return "Live"
}

func (s *site) renderKeys(w http.ResponseWriter, r *http.Request, status int, title string, p keyPage) error {
	p.Scopes, p.Now = review.Scopes, time.Now()
	return s.render(w, r, status, "keys", view{Title: title, Body: p})
}

// showKeys lists the keys of the API.
func (s *site) showKeys(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	keys, err := s.Desk.APIKeys(r.Context())
	if err != nil {
		return err
	}
	return s.renderKeys(w, r, http.StatusOK, "API keys", keyPage{Keys: keys})
}

func (s *site) showNewKey(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	return s.renderKeys(w, r, http.StatusOK, "New API key", keyPage{New: true})
}

// createKey shows the token in its answer and nowhere else: the page cannot be
// loaded again, for the code is used up.
func (s *site) createKey(w http.ResponseWriter, r *http.Request, who review.Session) error {
	f := keyForm{Name: strings.TrimSpace(r.PostForm.Get("name")), Allow: r.PostForm.Get("allow"), Days: strings.TrimSpace(r.PostForm.Get("days")), Scopes: r.PostForm["scope"]}
	k, err := f.key(time.Now())
	token := ""
	if err == nil {
		k, token, err = s.Desk.CreateAPIKey(r.Context(), who, r.PostForm.Get("code"), k)
	}
	var refused *review.Error
	switch {
	case errors.As(err, &refused):
		return s.renderKeys(w, r, statusOf(refused.Kind), "New API key", keyPage{New: true, Typed: f, Refused: refused})
	case err != nil:
		return err
	}
	return s.renderKeys(w, r, http.StatusOK, "API key "+k.Name, keyPage{Key: k, Token: token})
}

// key reads the form.
func (f keyForm) key(now time.Time) (review.APIKey, error) {
	k := review.APIKey{Name: f.Name}
	for _, s := range f.Scopes {
		k.Scopes = append(k.Scopes, review.Scope(s))
	}
	for _, text := range strings.FieldsFunc(f.Allow, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' }) {
		p, err := review.ParseNetwork(text)
		if err != nil {
			return k, err
		}
		k.Allow = append(k.Allow, p)
	}
	if f.Days != "" {
		days, err := strconv.Atoi(f.Days)
		if err != nil || days < 1 || days > 3650 {
			return k, &review.Error{Kind: review.Invalid, Field: "days", Message: "Write 1 to 3650 days, or nothing."}
		}
		k.Expires = now.AddDate(0, 0, days)
	}
	return k, nil
}

// key finds the key that the path names.
func (s *site) key(r *http.Request) (review.APIKey, error) {
	keys, err := s.Desk.APIKeys(r.Context())
	if err != nil {
		return review.APIKey{}, err
	}
	i := slices.IndexFunc(keys, func(k review.APIKey) bool { return strconv.FormatInt(k.ID, 10) == r.PathValue("id") })
	if i < 0 {
		return review.APIKey{}, errNoPage
	}
	return keys[i], nil
}

func (s *site) showRevokeKey(w http.ResponseWriter, r *http.Request, _ review.Session) error {
	k, err := s.key(r)
	if err != nil {
		return err
	}
	return s.renderKeys(w, r, http.StatusOK, "Revoke the API key "+k.Name, keyPage{Key: k})
}

func (s *site) revokeKey(w http.ResponseWriter, r *http.Request, who review.Session) error {
	k, err := s.key(r)
	if err != nil {
		return err
	}
	err = s.Desk.WithdrawAPIKey(r.Context(), who, r.PostForm.Get("code"), k.ID)
	var refused *review.Error
	switch {
	case errors.As(err, &refused):
		return s.renderKeys(w, r, statusOf(refused.Kind), "Revoke the API key "+k.Name, keyPage{Key: k, Refused: refused})
	case err != nil:
		return err
	}
	s.say(w, "The key "+k.Name+" is revoked.")
	http.Redirect(w, r, "/settings/api", http.StatusSeeOther)
	return nil
}

// networks writes the networks of a key.
func networks(all []netip.Prefix) string {
	var text []string
	for _, p := range all {
		text = append(text, strings.TrimSuffix(strings.TrimSuffix(p.String(), "/32"), "/128"))
	}
	return strings.Join(text, ", ")
}
