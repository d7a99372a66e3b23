package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// accountsFile is an accounts file as an operator would import it.
//
//go:embed data/accounts.csv
var accountsFile []byte

// An account is a customer of the panel.
type account struct {
	ID, Name, Locale string
	Domain           string // of its addresses
	users            atomic.Pointer[[]*user]
}

// Users are those of the account, in the order in which they came.
func (a *account) Users() []*user {
	if all := a.users.Load(); all != nil {
		return *all
	}
	return nil
}

// add adds a user. Two at once must not be added.
func (a *account) add(u *user) {
	all := append(slices.Clip(a.Users()), u)
	a.users.Store(&all)
}

// A user signs in to the panel. The password is on the screen: it protects
// nothing.
type user struct {
	ID, Login, Name, Email, Role string
	Password                     string
	APIOnly                      bool
	Token                        string // of the panel's API
	Account                      *account
}

func newUser(a *account, id, login, name, email, role string, apiOnly bool) *user {
	return &user{ID: id, Login: login, Name: name, Email: email, Role: role, APIOnly: apiOnly, Account: a,
		Password: login + "-demo", Token: "demo-" + rand.Text()}
}

func (u *user) device() string { return u.Login }

// Admin reports whether the user may add others.
func (u *user) Admin() bool { return u.Role == "admin" }

// domains are what the account could transfer away.
func (a *account) domains() []string { return []string{a.Domain, "shop-" + a.Domain} }

// user returns the user of a login, which must be there.
func (a *account) user(login string) *user {
	for _, u := range a.Users() {
		if u.Login == login {
			return u
		}
	}
	panic("no user " + login) // the embedded file says otherwise
}

// admin is the one whose address is registered.
func (a *account) admin() *user { return a.first("admin") }

// AdminName is who writes for the account.
func (a *account) AdminName() string { return a.admin().Name }

// loser is the one who loses the phone in the prefilled mails.
func (a *account) loser() *user { return a.first("user") }

func (a *account) first(role string) *user {
	for _, u := range a.Users() {
		if u.Role == role && !u.APIOnly {
			return u
		}
	}
	panic("no " + role + " in " + a.ID) // the embedded file says otherwise
}

func readAccounts() ([]*account, error) {
	rows, err := review.ReadAccounts(bytes.NewReader(accountsFile))
	if err != nil {
		return nil, err
	}
	var all []*account
	for _, r := range rows {
		if len(all) == 0 || all[len(all)-1].ID != r.AccountID {
			_, domain, _ := strings.Cut(r.Email, "@")
			all = append(all, &account{ID: r.AccountID, Name: r.AccountName, Locale: r.Locale, Domain: domain})
		}
		a := all[len(all)-1]
		a.add(newUser(a, r.UserID, r.Login, r.FullName, r.Email, r.Role, r.APIOnly))
	}
	return all, nil
}

func (s *stage) importAccounts(ctx context.Context) error {
	rows, err := review.ReadAccounts(bytes.NewReader(accountsFile))
	if err != nil {
		return err
	}
	_, err = s.desk.Import(ctx, rows, "demo", false, false)
	return err
}

// findUser returns the panel user of a login, or nil.
func (s *stage) findUser(login string) *user {
	return s.userWith(func(u *user) bool { return u.Login == login })
}

// userWith returns the panel user for whom is is true, or nil.
func (s *stage) userWith(is func(*user) bool) *user {
	for _, a := range s.accounts {
		for _, u := range a.Users() {
			if is(u) {
				return u
			}
		}
	}
	return nil
}

// findAccount returns the account of an id, or nil.
func (s *stage) findAccount(id string) *account {
	for _, a := range s.accounts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// A reviewer works at the desk.
type reviewer struct {
	Name, Email, Password string
	Role                  review.Role
	holder                string
}

// invite brings the reviewers in the way every reviewer comes in: invitation,
// password, second factor.
func (s *stage) invite(ctx context.Context) error {
	s.staff = []reviewer{
		{Name: "Rita", Email: "rita@hosting.example", Password: "rita reads twice", Role: review.Lead},
		{Name: "Sam", Email: "sam@hosting.example", Password: "sam signs second", Role: review.Decider},
		{Name: "Ada", Email: "ada@hosting.example", Password: "ada keeps the keys", Role: review.Admin},
	}
	for i := range s.staff {
		r := &s.staff[i]
		token, err := s.desk.Invite(ctx, "host", r.Email, r.Name, r.Role)
		if err != nil {
			return err
		}
		accepted, err := s.desk.AcceptInvitation(ctx, token, r.Password)
		if err != nil {
			return err
		}
		r.holder = accepted.Holder
		d := s.phones.add(&device{ID: strings.ToLower(r.Name), Owner: r.Name, What: "Support, " + string(r.Role), Staff: true,
			Login: r.Email, Password: r.Password})
		if err := s.enroll(ctx, r.holder, r.Email, d); err != nil {
			return err
		}
		if err := s.desk.FinishInvitation(ctx, token); err != nil {
			return err
		}
	}
	return nil
}

// equip gives everybody who uses the panel a phone. Those of the Dutch and the
// German account are set up already; jane's is empty, because setting it up is
// the first scene.
func (s *stage) equip(ctx context.Context) error {
	for _, a := range s.accounts {
		for _, u := range a.Users() {
			if u.APIOnly {
				continue
			}
			d := s.phones.add(&device{ID: u.device(), Owner: u.Name, What: a.Name + ", " + u.Role, Login: u.Login, Password: u.Password})
			if a == s.accounts[0] || u.Role == "admin" {
				continue
			}
			if err := s.enroll(ctx, u.ID, u.Login, d); err != nil {
				return err
			}
		}
	}
	s.phones.order(func(d *device) int {
		switch {
		case d.ID == s.accounts[0].loser().device():
			return 0 // who the story is about
		case d.Staff:
			return 1
		}
		return 2
	})
	return nil
}

// enroll sets up a second factor on a phone. It proves it with the code of the
// step before, so that the one on the screen can be used at once.
func (s *stage) enroll(ctx context.Context, holder, label string, d *device) error {
	book := s.desk.Book()
	e, err := book.Begin(ctx, holder, label, totp.Proof{})
	if err != nil {
		return fmt.Errorf("set up %s: %w", d.ID, err)
	}
	k, err := readKey(e.Key.URI())
	if err != nil {
		return fmt.Errorf("set up %s: %w", d.ID, err)
	}
	if err := s.confirm(ctx, holder, e, k); err != nil {
		return fmt.Errorf("set up %s: %w", d.ID, err)
	}
	s.phones.scan(d.ID, k)
	return nil
}

// confirm proves a key. A code of the step before is one step too old when the
// clock turns in between; then the next try has the right one.
func (s *stage) confirm(ctx context.Context, holder string, e totp.Enrollment, k key) error {
	for try := 1; ; try++ {
		code, err := k.code(time.Now().Add(-k.period()))
		if err != nil {
			return err
		}
		if _, err = s.desk.Book().Confirm(ctx, holder, e.ID, code); !errors.Is(err, totp.ErrInvalidCode) || try == 3 {
			return err
		}
	}
}
