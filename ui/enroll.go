package ui

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/totp"
)

// Enrollment is the page on which a user sets up the second factor, for a panel
// to embed. Everything under Path belongs to it.
type Enrollment struct {
	Book *totp.Book
	// Identify says which user a request belongs to, and the name that the
	// authenticator app shows. It must be true only for somebody who has proved
	// the password to the panel.
	Identify func(*http.Request) (user, account string, ok bool)
	Path     string // where it is mounted, for example /account/2fa
	Done     string // where Finish leads
	Brand    string
	Banner   string                     // shown on top of every page; a demo uses it
	Locale   func(*http.Request) string // default: Accept-Language; en, nl and de are spoken
	Log      *slog.Logger               // default: discard
}

// Handler returns the pages. Requests from other sites are refused, and every
// answer carries the strict headers of the desk's own pages.
func (e Enrollment) Handler() (http.Handler, error) {
	if e.Book == nil || e.Identify == nil || !strings.HasPrefix(e.Path, "/") || e.Done == "" {
		return nil, errors.New("open enrollment: Book, Identify, Done and a Path that begins with / are needed")
	}
	if e.Log == nil {
		e.Log = slog.New(slog.DiscardHandler)
	}
	e.Path = strings.TrimRight(e.Path, "/")
	pages, err := openBooks()
	if err != nil {
		return nil, fmt.Errorf("open enrollment: %w", err)
	}
	m := mounted{Enrollment: e, pages: pages}
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.fail(w, r, errOtherSite) }))
	return p.Handler(limited(m)), nil
}

// mounted is an Enrollment inside somebody else's mux.
type mounted struct {
	Enrollment
	pages *books
}

func (m mounted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	harden(w.Header())
	rest, ours := strings.CutPrefix(r.URL.Path, m.Path)
	name, static := strings.CutPrefix(rest, "/static/")
	var err error
	switch {
	case !ours || (rest != "" && rest[0] != '/'):
		err = errNoPage
	case static && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		err = serveStatic(w, r, name)
	default:
		err = m.page(w, r, strings.TrimPrefix(rest, "/"))
	}
	if err != nil {
		m.fail(w, r, err)
	}
}

func (m mounted) page(w http.ResponseWriter, r *http.Request, step string) error {
	user, account, ok := m.Identify(r)
	if !ok {
		return &refusal{403, "Please sign in first", "Sign in with your password, then open this page again."}
	}
	wanted := r.Header.Get("Accept-Language")
	if m.Locale != nil {
		wanted = m.Locale(r)
	}
	e := enroller{book: m.Book, pages: m.pages, brand: m.Brand, banner: m.Banner, static: m.Path + "/static/", path: m.Path,
		user: user, account: account, lang: m.pages.language(wanted),
		finish: func() (string, error) { return m.Done, nil }}
	return e.serve(w, r, step)
}

func (m mounted) fail(w http.ResponseWriter, r *http.Request, err error) {
	known := explain(err)
	if known == nil {
		known = internal(r, func(args ...any) { m.Log.Error("enrollment failed", args...) }, err)
	}
	v := view{Title: known.title, Lang: "en", Brand: m.Brand, Static: m.Path + "/static/", Body: known.text}
	if err := m.pages.execute(w, r, known.status, "error", v); err != nil {
		m.Log.Error("render error page", "error", err)
	}
}

// An enroller serves the enrollment of one user in one request.
type enroller struct {
	book                *totp.Book
	pages               *books
	brand, banner       string
	static, path        string
	user, account, lang string
	finish              func() (where string, err error)
}

// serve dispatches: GET shows where the user stands, each POST is one step.
func (e enroller) serve(w http.ResponseWriter, r *http.Request, step string) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if step != "" {
			return errNoPage
		}
		return e.show(w, r, http.StatusOK, enrollPage{})
	}
	steps := map[string]func(http.ResponseWriter, *http.Request) error{
		"start": e.start, "confirm": e.confirm, "codes": e.renew, "codes.txt": e.download, "finish": e.end}
	do, ok := steps[step]
	if !ok {
		return errNoPage
	}
	if r.Method != http.MethodPost {
		return errNoMethod
	}
	if err := readForm(r); err != nil {
		return err
	}
	return do(w, r)
}

// An enrollPage is one of four: the start, the QR code, the backup codes, and
// the state of somebody who is enrolled.
type enrollPage struct {
	Path, Account, Problem string
	Status                 totp.Status
	Setup                  *setup
	Codes                  []string
	Today                  string
}

type setup struct {
	SVG     template.HTML
	Grouped string
	URI     string
	Minutes int
}

// show reads where the user stands and shows it, with what went wrong before.
func (e enroller) show(w http.ResponseWriter, r *http.Request, status int, p enrollPage) error {
	var err error
	if p.Status, err = e.book.Status(r.Context(), e.user); err != nil {
		return fmt.Errorf("show enrollment: %w", err)
	}
	pending, err := e.book.Pending(r.Context(), e.user, begun(r))
	switch {
	case errors.Is(err, totp.ErrNotEnrolled), errors.Is(err, totp.ErrExpired):
	case err != nil:
		return fmt.Errorf("show enrollment: %w", err)
	default:
		svg, err := pending.Key.SVG()
		if err != nil {
			return fmt.Errorf("draw QR code: %w", err)
		}
		p.Setup = &setup{SVG: template.HTML(svg), Grouped: pending.Key.Grouped(), URI: pending.Key.URI(),
			Minutes: int(time.Until(pending.Expires).Minutes())}
	}
	return e.render(w, r, status, p)
}

func (e enroller) render(w http.ResponseWriter, r *http.Request, status int, p enrollPage) error {
	p.Path, p.Account, p.Today = e.path, e.account, time.Now().UTC().Format("2006-01-02")
	return e.pages.execute(w, r, status, "enroll", view{Title: e.text("enroll.title"), Lang: e.lang,
		Brand: e.brand, Banner: e.banner, Static: e.static, Body: p})
}

func (e enroller) text(key string, args ...any) string {
	text := e.pages.texts[e.lang][key]
	if len(args) > 0 {
		return fmt.Sprintf(text, args...)
	}
	return text
}

// enrollCookie keeps the ID of an enrollment in the browser that began it: the
// password alone must not show the key that a pass or a code paid for.
const enrollCookie = "resetdesk-enrollment"

// begun returns the ID of the enrollment that this browser began, "" if none.
func begun(r *http.Request) string {
	c, err := r.Cookie(enrollCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

func (e enroller) cookie(r *http.Request, id string, life time.Duration) *http.Cookie {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return &http.Cookie{Name: enrollCookie, Value: id, Path: cmp.Or(e.path, "/"), MaxAge: int(life.Seconds()),
		HttpOnly: true, Secure: !loopback(host), SameSite: http.SameSiteStrictMode}
}

// start makes a new key. While a factor is active it takes a current code, after
// a reset the enrollment pass; the library decides which.
func (e enroller) start(w http.ResponseWriter, r *http.Request) error {
	proof := totp.Proof{Code: typedCode(r.PostForm.Get("code")), Pass: strings.TrimSpace(r.PostForm.Get("pass"))}
	begun, err := e.book.Begin(r.Context(), e.user, e.account, proof)
	if err != nil {
		return e.refused(w, r, err)
	}
	http.SetCookie(w, e.cookie(r, begun.ID, time.Until(begun.Expires)))
	http.Redirect(w, r, cmp.Or(e.path, "/"), http.StatusSeeOther)
	return nil
}

// confirm proves a code and shows the backup codes. They are in this answer and
// nowhere else, so it is a page and no redirect.
func (e enroller) confirm(w http.ResponseWriter, r *http.Request) error {
	codes, err := e.book.Confirm(r.Context(), e.user, begun(r), typedCode(r.PostForm.Get("code")))
	if err != nil {
		return e.refused(w, r, err)
	}
	http.SetCookie(w, e.cookie(r, "", -time.Second))
	return e.render(w, r, http.StatusOK, enrollPage{Codes: codes})
}

// renew replaces the backup codes.
func (e enroller) renew(w http.ResponseWriter, r *http.Request) error {
	codes, err := e.book.RenewBackupCodes(r.Context(), e.user, totp.Proof{Code: typedCode(r.PostForm.Get("code"))})
	if err != nil {
		return e.refused(w, r, err)
	}
	return e.render(w, r, http.StatusOK, enrollPage{Codes: codes})
}

// refused shows the page again with the reason in words.
func (e enroller) refused(w http.ResponseWriter, r *http.Request, err error) error {
	var used *totp.UsedError
	var locked *totp.LockedError
	status, problem := http.StatusUnprocessableEntity, ""
	switch {
	case errors.As(err, &used):
		problem = e.text("enroll.used", seconds(used.RetryAfter))
	case errors.As(err, &locked):
		status, problem = http.StatusTooManyRequests, e.text("enroll.locked", seconds(locked.RetryAfter))
		w.Header().Set("Retry-After", strconv.Itoa(seconds(locked.RetryAfter)))
	case errors.Is(err, totp.ErrInvalidCode):
		problem = e.text("enroll.wrong", time.Now().UTC().Format("15:04:05"))
	case errors.Is(err, totp.ErrInvalidPass), errors.Is(err, totp.ErrPassRequired):
		problem = e.text("enroll.badpass")
	case errors.Is(err, totp.ErrProofRequired):
		problem = e.text("enroll.needcode")
	case errors.Is(err, totp.ErrExpired), errors.Is(err, totp.ErrConflict), errors.Is(err, totp.ErrNotEnrolled):
		status, problem = http.StatusConflict, e.text("enroll.expired")
	case errors.Is(err, totp.ErrFrozen):
		status, problem = http.StatusForbidden, e.text("enroll.frozen")
	default:
		return fmt.Errorf("enroll: %w", err)
	}
	return e.show(w, r, status, enrollPage{Problem: problem})
}

// seconds rounds a wait up, so that trying again after it is not too early.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

var backupCode = regexp.MustCompile(`^[0-9A-Z-]{10,24}$`)

// sent returns the codes that the page carried in its form: the server does not
// keep them, and a URL or a log must not have them.
func sent(r *http.Request) ([]string, error) {
	codes := r.PostForm["backup"]
	if len(codes) == 0 || len(codes) > 20 {
		return nil, errForm
	}
	for _, c := range codes {
		if !backupCode.MatchString(c) {
			return nil, errForm
		}
	}
	return codes, nil
}

// download gives the codes of the form back as a text file.
func (e enroller) download(w http.ResponseWriter, r *http.Request) error {
	codes, err := sent(r)
	if err != nil {
		return err
	}
	today := time.Now().UTC().Format("2006-01-02")
	name := fileName(e.brand) + "-" + fileName(e.account) + "-" + today + ".txt"
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\r\n%s: %s\r\n%s: %s\r\n\r\n", e.text("codes.file", e.brand), e.text("enroll.account"), e.account, e.text("codes.made"), today)
	for i, c := range codes {
		fmt.Fprintf(&b, "%2d  %s\r\n", i+1, c)
	}
	fmt.Fprintf(&b, "\r\n%s\r\n", e.text("codes.once"))
	w.Write([]byte(b.String())) // an error here is a reader who left
	return nil
}

// fileName keeps what every file system takes.
func fileName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, clip(60, s))
	return strings.Trim(s, "._-")
}

// end leaves the page once the user says that the codes are saved.
func (e enroller) end(w http.ResponseWriter, r *http.Request) error {
	if r.PostForm.Get("saved") != "yes" {
		codes, err := sent(r)
		if err != nil {
			return err
		}
		return e.render(w, r, http.StatusUnprocessableEntity, enrollPage{Codes: codes, Problem: e.text("codes.tick")})
	}
	where, err := e.finish()
	if err != nil {
		return err
	}
	http.Redirect(w, r, where, http.StatusSeeOther)
	return nil
}
