package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/totp/panel"
)

// The panel's own cookie. Cookies do not see ports, so its name must differ from
// the desk's.
const panelCookie = "demo-panel"

const (
	sessionLifetime = 12 * time.Hour
	maxSessions     = 1000 // the oldest goes first
)

// A session is somebody who gave the right password to the panel.
type session struct {
	user   *user
	begun  time.Time
	proved bool // the second factor too
}

// sessions are those of the panel, in memory. Safe for concurrent use.
type sessions struct {
	mu  sync.Mutex
	all map[string]session
}

// begin makes a session with a fresh token and sets its cookie. old, if there is
// one, ends: no token survives a step up.
func (p *sessions) begin(w http.ResponseWriter, old string, s session) {
	token := rand.Text()
	p.mu.Lock()
	if p.all == nil {
		p.all = map[string]session{}
	}
	delete(p.all, old)
	if len(p.all) >= maxSessions {
		oldest := ""
		for t, s := range p.all {
			if oldest == "" || s.begun.Before(p.all[oldest].begun) {
				oldest = t
			}
		}
		delete(p.all, oldest)
	}
	p.all[token] = s
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: panelCookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// of returns the session of a request and its token.
func (p *sessions) of(r *http.Request) (session, string, bool) {
	c, err := r.Cookie(panelCookie)
	if err != nil {
		return session{}, "", false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.all[c.Value]
	if ok && time.Since(s.begun) > sessionLifetime {
		delete(p.all, c.Value)
		ok = false
	}
	return s, c.Value, ok
}

func (p *sessions) end(w http.ResponseWriter, token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, token)
	http.SetCookie(w, &http.Cookie{Name: panelCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// A standing is how far somebody with the right password may go.
type standing int

const (
	outside standing = iota // no session, or one that a reset ended
	locked                  // a reset was taken back: a person must look first
	asked                   // a code is due
	bound                   // nowhere but to the enrollment, which asks for the pass
	inside
)

// stand is the one rule of the panel. It is asked at every request, so that a
// reset ends what was begun before it.
func (s session) stand(st totp.Status, now time.Time) standing {
	switch {
	case s.user == nil || s.begun.Before(st.SessionsFrom):
		return outside
	case st.Frozen:
		return locked
	case st.Enrolled && !s.proved:
		return asked
	case st.Enrolled:
		return inside
	case st.PassRequired:
		return bound
	case !st.RequiredFrom.IsZero() && !now.Before(st.RequiredFrom):
		return bound
	}
	return inside // not enrolled, and not yet obliged to
}

// A visit is a request to the panel with what is known of who makes it.
type visit struct {
	session
	token    string
	status   totp.Status
	standing standing
}

func (s *stage) visitOf(r *http.Request) (visit, error) {
	var v visit
	var ok bool
	if v.session, v.token, ok = s.sessions.of(r); !ok {
		return visit{}, nil
	}
	return v, s.judge(r.Context(), &v)
}

func (s *stage) judge(ctx context.Context, v *visit) error {
	var err error
	v.status, err = s.desk.Book().Status(ctx, v.user.ID)
	if err != nil && !errors.Is(err, totp.ErrNotEnrolled) {
		return fmt.Errorf("read standing: %w", err)
	}
	v.standing = v.stand(v.status, time.Now())
	return nil
}

// identify tells the pages of the second factor who is there.
func (s *stage) identify(r *http.Request) (panel.User, bool) {
	return s.ofStanding(r, inside, bound)
}

// waiting is who gave the right password and owes the code.
func (s *stage) waiting(r *http.Request) (panel.User, bool) { return s.ofStanding(r, asked) }

func (s *stage) ofStanding(r *http.Request, any ...standing) (panel.User, bool) {
	v, err := s.visitOf(r)
	if err != nil {
		s.Log.Error("panel session", "error", err)
		return panel.User{}, false
	}
	if !slices.Contains(any, v.standing) {
		return panel.User{}, false
	}
	return panel.User{ID: v.user.ID, Account: v.user.Login, Locale: v.user.Account.Locale}, true
}

// proved notes in the session that the second factor was given.
func (s *stage) proved(w http.ResponseWriter, r *http.Request, _ panel.User) {
	if old, token, ok := s.sessions.of(r); ok {
		s.sessions.begin(w, token, session{user: old.user, begun: time.Now(), proved: true})
	}
}

// passed lets in who answered the question for the code.
func (s *stage) passed(w http.ResponseWriter, r *http.Request, u panel.User, _ totp.Result) {
	s.proved(w, r, u)
	http.Redirect(w, r, "/account", http.StatusSeeOther)
}

// frame puts the pages of the second factor into the frame of the panel.
func (s *stage) frame(w io.Writer, r *http.Request, p panel.Page) error {
	f := frame{Title: p.Title, Lang: p.Lang, Head: p.Head, Here: "panel", Tab: factorPath, Body: p.Body}
	if r.URL.Path == "/code" {
		f.Tab = "" // not inside yet
	}
	f.Who = s.userWith(func(u *user) bool { return u.ID == p.User.ID })
	return s.write(w, "factor", f)
}
