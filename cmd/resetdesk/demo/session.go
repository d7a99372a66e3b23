package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/resetdesk/resetdesk/totp"
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

// identify tells the enrollment page who is there. Somebody who owes a code gets
// no further than to the end of an enrollment that has just been proved: these
// two steps only carry the backup codes that the page itself sent.
func (s *stage) identify(r *http.Request) (user, account string, ok bool) {
	v, err := s.visitOf(r)
	if err != nil {
		s.Log.Error("panel session", "error", err)
		return "", "", false
	}
	switch v.standing {
	case inside, bound:
	case asked:
		if r.URL.Path != enrollPath+"/finish" && r.URL.Path != enrollPath+"/codes.txt" {
			return "", "", false
		}
	default:
		return "", "", false
	}
	return v.user.ID, v.user.Login, true
}

// locale is the language of the account for the enrollment page.
func (s *stage) locale(r *http.Request) string {
	if v, _, ok := s.sessions.of(r); ok {
		return v.user.Account.Locale
	}
	return r.Header.Get("Accept-Language")
}
