package client

import (
	"context"
	"net/http"
)

// An Account is an account with its users, as the desk has it. The e-mails of its
// admins are the registered addresses: they alone may ask for a reset.
type Account struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Locale string   `json:"locale"`
	Notify []string `json:"notify"` // further addresses that get its notices
	// RequiredFrom is a day such as 2027-01-31, "never", or "default" for that of
	// the installation; "" in a write leaves it as it is.
	RequiredFrom string `json:"required_from"`
	Users        []User `json:"users"`
}

// A User is a user of an account.
type User struct {
	ID       string `json:"id"`
	Login    string `json:"login"`
	FullName string `json:"full_name"`
	Email    string `json:"email"`
	Role     string `json:"role"` // "admin" or "user"
	APIOnly  bool   `json:"api_only"`
}

// PutAccount makes an account the given one, with all its users: one that is not
// named is marked as removed.
func (c *Client) PutAccount(ctx context.Context, a Account) (Account, error) {
	in := map[string]any{"name": a.Name, "locale": a.Locale, "notify": a.Notify, "required_from": a.RequiredFrom, "users": a.Users}
	if a.Notify == nil {
		in["notify"] = []string{}
	}
	var out Account
	err := c.call(ctx, http.MethodPut, path("accounts", a.ID), in, &out)
	return out, err
}

// Account reads an account.
func (c *Client) Account(ctx context.Context, id string) (Account, error) {
	var out Account
	err := c.call(ctx, http.MethodGet, path("accounts", id), nil, &out)
	return out, err
}

// RemoveAccount marks an account and its users as removed.
func (c *Client) RemoveAccount(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, path("accounts", id), nil, nil)
}

// PutUser adds a user to an account or makes it the given one.
func (c *Client) PutUser(ctx context.Context, account string, u User) (User, error) {
	in := map[string]any{"login": u.Login, "full_name": u.FullName, "email": u.Email, "role": u.Role, "api_only": u.APIOnly}
	var out User
	err := c.call(ctx, http.MethodPut, path("accounts", account, "users", u.ID), in, &out)
	return out, err
}

// RemoveUser marks a user as removed.
func (c *Client) RemoveUser(ctx context.Context, account, user string) error {
	return c.call(ctx, http.MethodDelete, path("accounts", account, "users", user), nil, nil)
}
