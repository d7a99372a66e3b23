package api

import (
	"net/http"
	"slices"

	"github.com/resetdesk/resetdesk/review"
)

const (
	pageSize    = 50
	maxPageSize = 200
)

// accountBody is an account without its id, which stands in the path.
type accountBody struct {
	Name         string        `json:"name"`
	Locale       string        `json:"locale"`
	Notify       []string      `json:"notify"`
	Domains      []string      `json:"domains"`
	RequiredFrom string        `json:"required_from"`
	Users        []review.User `json:"users"`
}

type userBody struct {
	Login    string `json:"login"`
	FullName string `json:"full_name"`
	Email    string `json:"email"`
	Role     string `json:"role"`
	APIOnly  bool   `json:"api_only"`
}

// tagged answers an account with its ETag.
func tagged(a answer, account review.Account) answer {
	a.header = map[string]string{"ETag": account.Tag()}
	return a
}

func (c *call) match() review.Match {
	if m := c.Header.Get("If-Match"); m != "*" {
		return review.Match(m)
	}
	return ""
}

// listAccounts answers a page of accounts and where the next one begins.
func (s *server) listAccounts(c *call) (answer, error) {
	limit, err := c.limit(maxPageSize)
	if err != nil {
		return answer{}, err
	}
	accounts, err := s.Desk.Accounts(c.Context(), c.URL.Query().Get("after"), limit+1)
	if err != nil {
		return answer{}, err
	}
	next := ""
	if len(accounts) > limit {
		accounts = accounts[:limit]
		next = accounts[limit-1].ID
	}
	return ok(map[string]any{"accounts": accounts, "next": next}), nil
}

func (s *server) getAccount(c *call) (answer, error) {
	a, err := s.Desk.Account(c.Context(), c.PathValue("id"))
	return tagged(ok(a), a), err
}

func (s *server) putAccount(c *call) (answer, error) {
	var b accountBody
	if err := c.decode(&b); err != nil {
		return answer{}, err
	}
	a, created, err := s.Desk.PutAccount(c.Context(), c.key,
		review.Account{ID: c.PathValue("id"), Name: b.Name, Locale: b.Locale, Notify: b.Notify, Domains: b.Domains, RequiredFrom: b.RequiredFrom, Users: b.Users}, c.match())
	return tagged(made(created, a), a), err
}

func (s *server) deleteAccount(c *call) (answer, error) {
	return gone, s.Desk.RemoveAccount(c.Context(), c.key, c.PathValue("id"), c.match())
}

func (s *server) getUser(c *call) (answer, error) {
	a, err := s.Desk.Account(c.Context(), c.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	i := slices.IndexFunc(a.Users, func(u review.User) bool { return u.ID == c.PathValue("user") })
	if i < 0 {
		return answer{}, newProblem(notFound, "There is no such user in this account.")
	}
	return ok(a.Users[i]), nil
}

func (s *server) putUser(c *call) (answer, error) {
	var b userBody
	if err := c.decode(&b); err != nil {
		return answer{}, err
	}
	u, created, err := s.Desk.PutUser(c.Context(), c.key, c.PathValue("id"), review.User{ID: c.PathValue("user"),
		Login: b.Login, FullName: b.FullName, Email: b.Email, Role: b.Role, APIOnly: b.APIOnly})
	return made(created, u), err
}

func (s *server) deleteUser(c *call) (answer, error) {
	return gone, s.Desk.RemoveUser(c.Context(), c.key, c.PathValue("id"), c.PathValue("user"))
}

// health tells that the process answers. It needs no key and tells nothing else.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	ok(map[string]bool{"ok": true}).write(w, r) // one flag always encodes
}
