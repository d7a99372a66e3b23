package panel

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/resetdesk/resetdesk/totp"
)

// A User is somebody who has proved the password to the panel.
type User struct {
	ID      string // as the Book knows it
	Account string // shown on the pages and in the authenticator, for example the login
	Locale  string // a tag such as "de-AT"; empty: what the browser asks for
}

// Config is what the pages have to know of the panel around them. Book, Identify,
// Path and Done are needed.
type Config struct {
	Book *totp.Book
	// Identify says whose request it is: true only for somebody who has proved the
	// password and, while a factor is active, a code. It must be true for users who
	// have no factor yet, or lost it by a reset, or they could never enroll.
	Identify func(*http.Request) (User, bool)
	Path     string // where the pages are mounted, for example /account/2fa
	Done     string // where "Continue" leads, for example /account
	// Proved, if set, is called when somebody has proved a new authenticator, before
	// the answer is written: note in the session that the second factor was given,
	// under a new token. Without it the user owes a code from then on, and Identify
	// must let through the POSTs to /finish and /codes.txt nevertheless, which end
	// the page with the backup codes.
	Proved func(http.ResponseWriter, *http.Request, User)
	// Finish, if set, is called when the user leaves by "Finish" or "Continue". An
	// error keeps the user here.
	Finish func(context.Context, User) error
	// ClientIP tells where a request came from; nil: from the other end of the
	// connection. Behind a proxy, read the header that your proxy sets.
	ClientIP func(*http.Request) string

	Brand   string // the company, as its users know it
	Banner  string // shown on top of every page of the built-in frame
	Support string // whom to ask for help, for example an address; shown as text
	// Lost is the address of the panel's page for somebody who has neither device
	// nor backup codes, which asks for a reset; empty: the admin of the account is
	// sent to support.
	Lost string
	// AlwaysOn takes away the page that turns the factor off.
	AlwaysOn bool
	// Personal says that a login is one person's and never shared, as that of staff:
	// the pages then say nothing about logins that several people use.
	Personal bool
	// Frame writes the whole page around a body; nil: a plain one with the brand.
	Frame func(w io.Writer, r *http.Request, p Page) error
	// Stylesheet is the address of one more style sheet, after our own: a place for
	// the variables of the brand. It must be of the same origin.
	Stylesheet string
	Log        *slog.Logger // default: discard
}

// A Page is what a Frame puts into the frame of the panel. The request of a frame
// may carry a session that Proved has ended: User is who it was.
type Page struct {
	Title string
	Lang  string        // for <html lang>
	User  User          // whose page it is; nobody's on the page of an error
	Head  template.HTML // links to the style sheets and the script, for <head>
	Body  template.HTML // one <div class="tfa">, with an <h1>
}

// Pages are the pages of [Config]. Mount them at Path and below it. Safe for
// concurrent use.
type Pages struct {
	Config
	*printed
	gate http.Handler
}

// New makes the pages.
func New(c Config) (*Pages, error) {
	if c.Book == nil || c.Identify == nil || !strings.HasPrefix(c.Path, "/") || c.Done == "" {
		return nil, errors.New("open panel pages: Book, Identify, Done and a Path that begins with / are needed")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Path = strings.TrimRight(c.Path, "/")
	set, err := press()
	if err != nil {
		return nil, fmt.Errorf("open panel pages: %w", err)
	}
	p := &Pages{Config: c, printed: set}
	if p.Frame == nil {
		p.Frame = p.plainFrame
	}
	p.gate = p.guard(p.route)
	return p, nil
}

func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.gate.ServeHTTP(w, r) }

// bodyLimit is the most that a form may carry, in bytes.
const bodyLimit = 64 << 10

const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// guard puts what every request passes before serve: the headers, the limit of
// the body, the refusal of other sites.
func (p *Pages) guard(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
		if err := serve(w, r); err != nil {
			p.fail(w, r, err)
		}
	})
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.fail(w, r, errOtherSite) }))
	checked := origin.Handler(inner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		checked.ServeHTTP(w, r)
	})
}

// route finds the page of a request and who asks for it.
func (p *Pages) route(w http.ResponseWriter, r *http.Request) error {
	rest, ours := strings.CutPrefix(r.URL.Path, p.Path)
	if !ours || (rest != "" && rest[0] != '/') {
		return errNoPage
	}
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	if name, static := strings.CutPrefix(rest, "/static/"); static && reads {
		return serveStatic(w, r, name)
	}
	user, ok := p.Identify(r)
	if !ok {
		return errSignIn
	}
	v := p.visit(w, r, user)
	step := strings.TrimPrefix(rest, "/")
	table := acts
	if reads {
		table = looks
	}
	serve, ok := table[step]
	switch {
	case p.AlwaysOn && step == off:
		return errNoPage
	case !ok && (acts[step] != nil || looks[step] != nil):
		return errNoMethod
	case !ok:
		return errNoPage
	case !reads && r.Method != http.MethodPost:
		return errNoMethod
	case reads:
		return serve(v)
	}
	if err := readForm(v.r); err != nil {
		return err
	}
	return serve(v)
}

// looks are the pages that a GET shows, acts what a POST does, by what follows the
// path.
var looks, acts map[string]func(*visit) error

func init() { // the pages lead to one another
	looks = map[string]func(*visit) error{
		"": (*visit).home, "setup": (*visit).showSetup, "codes": (*visit).askRenew, "replace": (*visit).askReplace,
		"add": (*visit).askAdd, "remove": (*visit).askRemove, off: (*visit).askOff,
	}
	acts = map[string]func(*visit) error{
		"start": (*visit).start, "confirm": (*visit).confirm, "codes": (*visit).renew, "replace": (*visit).replace,
		"add": (*visit).add, "remove": (*visit).remove, off: (*visit).turnOff,
		"codes.txt": (*visit).download, "finish": (*visit).finish,
	}
}

// off is the page that [Config.AlwaysOn] takes away.
const off = "off"

// readForm parses the body of a POST.
func readForm(r *http.Request) error {
	err := r.ParseForm()
	var size *http.MaxBytesError
	if errors.As(err, &size) {
		return errFormSize
	}
	if err != nil {
		return errForm
	}
	return nil
}

// A visit is one request of one user.
type visit struct {
	*Pages
	w    http.ResponseWriter
	r    *http.Request
	user User
	lang string
}

// visit makes a visit whose acts are recorded with where they came from.
func (p *Pages) visit(w http.ResponseWriter, r *http.Request, u User) *visit {
	r = r.WithContext(totp.WithSource(r.Context(), totp.Source{IP: p.ip(r), Agent: r.UserAgent()}))
	return &visit{Pages: p, w: w, r: r, user: u, lang: p.language(u.Locale, r.Header.Get("Accept-Language"))}
}

// ip is where a request came from.
func (p *Pages) ip(r *http.Request) string {
	if p.ClientIP != nil {
		return p.ClientIP(r)
	}
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return at.Addr().Unmap().WithZone("").String()
}

// redirect sends the browser to a page of ours.
func (v *visit) redirect(step string) error {
	to := v.Path
	if to == "" || (step != "" && step[0] != '?') {
		to += "/"
	}
	to += step
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// local reports whether a Host is this machine, where http is as good as https.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || (err == nil && ip.IsLoopback())
}
