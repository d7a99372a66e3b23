package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

// What the panel shows beside the second factor itself: a user for everybody,
// two people with one login, the API, where nobody is asked for a code, and the way
// out for somebody who lost everything.

// maxAdded is how many users the demo takes in an account.
const maxAdded = 12

type usersPage struct {
	*user
	Rows []userRow
	Form userForm
}

// A userRow is a user with the standing of the second factor.
type userRow struct {
	*user
	Status totp.Status
	You    bool
}

type userForm struct{ Name, Login, Email string }

func (s *stage) showUsers(w http.ResponseWriter, r *http.Request) {
	s.withStanding(w, r, inside, func(v visit) {
		f := frame{}
		if u := s.findUser(r.FormValue("added")); u != nil && u.Account == v.user.Account {
			f.Good = fmt.Sprintf("%s is a user now, with the password %s, and sets up a second factor of their own. A new phone lies ready.", u.Name, u.Password)
		}
		s.renderUsers(w, r, http.StatusOK, v, userForm{}, f)
	})
}

func (s *stage) renderUsers(w http.ResponseWriter, r *http.Request, status int, v visit, form userForm, f frame) {
	p := usersPage{user: v.user, Form: form}
	for _, u := range v.user.Account.Users() {
		st, err := s.desk.Book().Status(r.Context(), u.ID)
		if err != nil && !errors.Is(err, totp.ErrUnknownUser) {
			s.fail(w, err)
			return
		}
		p.Rows = append(p.Rows, userRow{u, st, u == v.user})
	}
	f.Title, f.Here, f.Tab, f.Who, f.Body = "Users", "panel", "/users", v.user, p
	s.render(w, status, "users", f)
}

// addUser lets the admin of an account add a user. The panel writes it to the
// desk, which then knows whose second factor it may be asked to reset.
func (s *stage) addUser(w http.ResponseWriter, r *http.Request) {
	s.withStanding(w, r, inside, func(v visit) {
		form := userForm{strings.TrimSpace(r.PostFormValue("name")), strings.ToLower(strings.TrimSpace(r.PostFormValue("login"))), strings.TrimSpace(r.PostFormValue("email"))}
		no := func(status int, why string) { s.renderUsers(w, r, status, v, form, frame{Bad: why}) }
		if !v.user.Admin() {
			no(http.StatusForbidden, "Only the admin of the account adds users.")
			return
		}
		err := s.desk.Book().Guard(r.Context(), v.user.ID, totp.AddUser)
		var hold *totp.HoldError
		if errors.As(err, &hold) {
			no(http.StatusConflict, "After a reset no user is added until "+hold.Until.UTC().Format("2 January 2006, 15:04 UTC")+".")
			return
		}
		if err == nil {
			err = s.admit(r.Context(), v.user.Account, form)
		}
		var known *review.Error
		var lines *review.AccountsError
		var bad badUser
		switch {
		case err == nil:
			http.Redirect(w, r, "/users?added="+form.Login, http.StatusSeeOther)
		case errors.As(err, &bad):
			no(http.StatusUnprocessableEntity, string(bad))
		case errors.As(err, &lines):
			no(http.StatusUnprocessableEntity, lines.Lines[0].Text)
		case errors.As(err, &known):
			no(http.StatusUnprocessableEntity, known.Message)
		default:
			s.fail(w, err)
		}
	})
}

// badUser says why a user cannot be added.
type badUser string

func (e badUser) Error() string { return string(e) }

// admit makes a user: at the desk, in the panel, and with a phone.
func (s *stage) admit(ctx context.Context, a *account, f userForm) error {
	s.adding.Lock()
	defer s.adding.Unlock()
	_, phone := s.phones.one(f.Login)
	switch {
	case f.Name == "" || len(f.Name) > 60 || f.Login == "" || len(f.Login) > 20 || strings.Trim(f.Login, "abcdefghijklmnopqrstuvwxyz0123456789") != "":
		return badUser("A name is needed, and a login of at most 20 small letters and digits.")
	case s.findUser(f.Login) != nil || phone:
		return badUser("There is a user " + f.Login + " already.")
	case len(a.Users()) >= maxAdded:
		return badUser("That is enough people for a demo.")
	}
	u := newUser(a, "U-"+f.Login, f.Login, f.Name, f.Email, "user", false)
	_, _, err := s.desk.PutUser(ctx, s.key, a.ID, review.User{ID: u.ID, Login: u.Login, FullName: u.Name, Email: u.Email, Role: u.Role})
	if err != nil {
		return err
	}
	a.add(u)
	s.phones.add(&device{ID: u.device(), Owner: u.Name, What: a.Name + ", " + u.Role, Login: u.Login, Password: u.Password})
	return nil
}

type sharedPage struct {
	*user
	Enrolled bool
	Code     string
	Two      []signIn // what the two browsers were told
}

// A signIn is what one of two people with one login is told.
type signIn struct {
	Who, Said string
	In        bool
}

func (s *stage) showShared(w http.ResponseWriter, r *http.Request) {
	s.withStanding(w, r, inside, func(v visit) { s.renderShared(w, v, sharedPage{}) })
}

func (s *stage) renderShared(w http.ResponseWriter, v visit, p sharedPage) {
	p.user, p.Enrolled = v.user, v.status.Enrolled
	s.render(w, http.StatusOK, "shared", frame{Title: "A shared login", Here: "panel", Tab: "/shared", Who: v.user, Body: p})
}

// signInTwice has two browsers type the same code of one user at the same moment.
func (s *stage) signInTwice(w http.ResponseWriter, r *http.Request) {
	s.withStanding(w, r, inside, func(v visit) {
		p := sharedPage{Code: r.PostFormValue("code"), Two: []signIn{{Who: "Browser in the shop"}, {Who: "Browser in the office"}}}
		var both sync.WaitGroup
		for i := range p.Two {
			both.Go(func() {
				ctx := totp.WithSource(r.Context(), totp.Source{IP: peer(r), Agent: p.Two[i].Who})
				_, err := s.desk.Book().Verify(ctx, v.user.ID, p.Code, totp.Web)
				p.Two[i].In, p.Two[i].Said = err == nil, s.toldTo(err)
			})
		}
		both.Wait()
		s.renderShared(w, v, p)
	})
}

// toldTo puts the answer to one of two people into words.
func (s *stage) toldTo(err error) string {
	var used *totp.UsedError
	switch {
	case err == nil:
		return "Signed in."
	case errors.As(err, &used):
		return fmt.Sprintf("This code was just used. Wait for the next one (%s).", inWords(used.RetryAfter))
	case errors.Is(err, totp.ErrInvalidCode), errors.Is(err, totp.ErrNotEnrolled):
		return "That code is not right."
	}
	s.Log.Warn("shared login", "error", err)
	return "No code is accepted now. Try again later."
}

// apiPath is the panel's own API: what a billing system asks.
const apiPath = "/api/domains"

type apiPage struct {
	*user
	Request, Answer string
}

func (s *stage) showAPI(w http.ResponseWriter, r *http.Request) {
	s.withStanding(w, r, inside, func(v visit) { s.renderAPI(w, v, apiPage{}) })
}

func (s *stage) renderAPI(w http.ResponseWriter, v visit, p apiPage) {
	p.user = v.user
	s.render(w, http.StatusOK, "api", frame{Title: "API", Here: "panel", Tab: "/api-access", Who: v.user, Body: p})
}

// callAPI plays the billing system: it makes the request over HTTP, with the
// token of the user, and shows what went over the wire.
func (s *stage) callAPI(w http.ResponseWriter, r *http.Request) {
	s.withStanding(w, r, inside, func(v visit) {
		ctx, stop := context.WithTimeout(r.Context(), 5*time.Second)
		defer stop()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.panelURL()+apiPath, nil)
		if err != nil {
			s.fail(w, err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+v.user.Token)
		req.Header.Set("User-Agent", "billing/1.0")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			s.fail(w, err)
			return
		}
		defer res.Body.Close()
		body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		if err != nil {
			s.fail(w, err)
			return
		}
		s.renderAPI(w, v, apiPage{
			Request: fmt.Sprintf("GET %s HTTP/1.1\nHost: %s\nAuthorization: Bearer %s\nUser-Agent: billing/1.0", apiPath, req.URL.Host, v.user.Token),
			Answer:  fmt.Sprintf("HTTP/1.1 %s\nContent-Type: %s\n\n%s", res.Status, res.Header.Get("Content-Type"), body)})
	})
}

// serveAPI answers a request with a token. It calls Verify on the channel of the
// API: nothing is asked, unless the user is frozen, and that is written down.
func (s *stage) serveAPI(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	u := s.userWith(func(u *user) bool { return same(u.Token, token) })
	if !ok || u == nil {
		http.Error(w, `{"error":"a token of a user is needed"}`, http.StatusUnauthorized)
		return
	}
	ctx := totp.WithSource(r.Context(), totp.Source{IP: peer(r), Agent: r.UserAgent()})
	res, err := s.desk.Book().Verify(ctx, u.ID, "", totp.API)
	switch {
	case errors.Is(err, totp.ErrFrozen):
		http.Error(w, `{"error":"this user is locked"}`, http.StatusForbidden)
	case err != nil:
		s.fail(w, err)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, "{\"user\":%q,\"code_asked\":%t,\"domains\":[\"%s\"]}\n", u.Login, !res.Exempt, strings.Join(u.Account.domains(), `","`))
	}
}

// showLost is for somebody who gave the password and has nothing else left.
func (s *stage) showLost(w http.ResponseWriter, r *http.Request) {
	s.withStanding(w, r, asked, func(v visit) {
		s.render(w, http.StatusOK, "lost", frame{Title: "Lost", Here: "panel", Who: v.user, Body: review.PanelCase{}})
	})
}

// askReset opens a case, as a mail of the admin does. The panel says when it
// verified the password, which the reviewers see.
func (s *stage) askReset(w http.ResponseWriter, r *http.Request) {
	s.withStanding(w, r, asked, func(v visit) {
		f := frame{Title: "Lost", Here: "panel", Who: v.user, Body: review.PanelCase{}}
		c, err := s.desk.OpenFromPanel(r.Context(), s.key, review.PanelRequest{Account: v.user.Account.ID, User: v.user.ID,
			PasswordAt: v.begun, Note: r.PostFormValue("note"), IP: peer(r), Agent: r.UserAgent()})
		var known *review.Error
		switch {
		case errors.As(err, &known):
			f.Bad = known.Message
			s.render(w, http.StatusUnprocessableEntity, "lost", f)
		case err != nil:
			s.fail(w, err)
		default:
			f.Body = c
			s.render(w, http.StatusOK, "lost", f)
		}
	})
}
