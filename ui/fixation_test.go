package ui_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	positions "go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/passkey/passkeytest"
	"github.com/resetdesk/resetdesk/ui/sso/ssotest"
)

// A way is one way to come in. It uses the browser, which has a session of
// somebody's choice, and returns the address of who came in.
type way struct {
	begins string // the function of package review that begins the session
	comeIn func(t *testing.T, h *house, p *ssotest.Provider, b *browser, name string) string
}

var waysIn = map[string]way{
	"password and code":            {"SignIn", byPassword},
	"passkey":                      {"SignInByPasskey", byPasskey},
	"invitation by single sign-on": {"BindSSO", byInvitationSSO},
	"single sign-on":               {"SignInBySSO", bySSO},
	"invitation with a password":   {"SignIn", byInvitation},
	"recovery on the host":         {"SignIn", byRecovery},
}

// member makes a reviewer who may sign in.
func (h *house) member(name string) review.Reviewer {
	h.t.Helper()
	token, err := h.desk.Invite(h.t.Context(), "host", name+"@host.example", name, review.Lead)
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := h.desk.AcceptInvitation(h.t.Context(), token, password)
	if err != nil {
		h.t.Fatal(err)
	}
	h.enroll(r.Holder)
	if err := h.desk.FinishInvitation(h.t.Context(), token); err != nil {
		h.t.Fatal(err)
	}
	return r
}

func byPassword(t *testing.T, h *house, _ *ssotest.Provider, b *browser, name string) string {
	r := h.member(name)
	b.post("/sign-in", "email", r.Email, "password", password, "code", h.fresh(r.Holder)).leads(t, "/")
	return r.Email
}

func byPasskey(t *testing.T, h *house, _ *ssotest.Provider, b *browser, name string) string {
	r := h.member(name)
	own := h.browser()
	own.post("/sign-in", "email", r.Email, "password", password, "code", h.fresh(r.Holder)).leads(t, "/")
	a := h.addPasskey(own, r.Holder)
	options, err := h.desk.AskPasskey()
	if err != nil {
		t.Fatal(err)
	}
	answer, err := a.Get(options)
	if err != nil {
		t.Fatal(err)
	}
	b.post("/sign-in/passkey", "answer", answer).leads(t, "/")
	return r.Email
}

// addPasskey gives the reviewer of a browser a passkey; the browser is out of its
// session then.
func (h *house) addPasskey(b *browser, holder string) *passkeytest.Authenticator {
	h.t.Helper()
	ctx := h.t.Context()
	who, err := h.desk.Authenticate(ctx, b.session())
	if err != nil {
		h.t.Fatal(err)
	}
	options, err := h.desk.AskNewPasskey(ctx, who)
	if err != nil {
		h.t.Fatal(err)
	}
	a := passkeytest.New(base, "reset.example")
	answer, err := a.Create(options)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.desk.AddPasskey(ctx, who, "key", answer, h.fresh(holder)); err != nil {
		h.t.Fatal(err)
	}
	b.give(who.Renewed())
	return a
}

// byInvitationSSO goes to the provider, comes back owing the second factor, and
// gives it. The session that owes it is left to an onlooker.
func byInvitationSSO(t *testing.T, h *house, p *ssotest.Provider, b *browser, name string) string {
	email := name + "@host.example"
	token, err := h.desk.Invite(t.Context(), "host", email, name, review.Lead)
	if err != nil {
		t.Fatal(err)
	}
	p.User["sub"], p.User["email"] = name, email
	b.travel(p, "/invite/"+token+"/sso").leads(t, "/sign-in/factor")
	h.enroll(h.text(`SELECT holder_id FROM reviewer WHERE email = '` + email + `'`))
	payFactor(t, h, b, email)
	return email
}

func payFactor(t *testing.T, h *house, b *browser, email string) {
	t.Helper()
	half := b.session()
	b.post("/sign-in/factor", "code", h.fresh(h.text(`SELECT holder_id FROM reviewer WHERE email = '`+email+`'`))).leads(t, "/")
	if h.opens(half) || half == b.session() {
		t.Error("the session that owed the second factor is in")
	}
}

func bySSO(t *testing.T, h *house, p *ssotest.Provider, b *browser, name string) string {
	email := byInvitationSSO(t, h, p, h.browser(), name)
	b.travel(p, "/sign-in/sso").leads(t, "/sign-in/factor")
	payFactor(t, h, b, email)
	return email
}

func byInvitation(t *testing.T, h *house, _ *ssotest.Provider, b *browser, name string) string {
	email := name + "@host.example"
	token, err := h.desk.Invite(t.Context(), "host", email, name, review.Lead)
	if err != nil {
		t.Fatal(err)
	}
	followInvitation(t, h, b, token, email)
	return email
}

// followInvitation goes by the pages of an invitation, which let nobody in, and
// signs in.
func followInvitation(t *testing.T, h *house, b *browser, token, email string) {
	t.Helper()
	before := b.session()
	b.post("/invite/"+token, "password", password, "again", password).leads(t, "/invite/"+token+"/enroll")
	b.post("/invite/"+token+"/enroll/start").leads(t, "/invite/"+token+"/enroll/setup")
	holder := h.text(`SELECT holder_id FROM reviewer WHERE email = '` + email + `'`)
	h.phone[holder], _ = proves(t, b, "/invite/"+token+"/enroll", b.get("/invite/"+token+"/enroll/setup"))
	if b.session() != before {
		t.Error("an invitation begins a session")
	}
	b.post("/sign-in", "email", email, "password", password, "code", h.fresh(holder)).leads(t, "/")
}

func byRecovery(t *testing.T, h *house, _ *ssotest.Provider, b *browser, name string) string {
	r := h.member(name)
	_, token, err := h.desk.Recover(t.Context(), r.Email, "lost everything")
	if err != nil {
		t.Fatal(err)
	}
	followInvitation(t, h, b, token, r.Email)
	return r.Email
}

// opens reports whether a token is a session that is in.
func (h *house) opens(token string) bool {
	h.t.Helper()
	thief := h.browser()
	thief.give(token)
	return thief.get("/").status == 200
}

// A session that was there before somebody came in is never the one that is in
// afterwards, by whatever way and whatever session was planted.
func TestNoSessionIsFixed(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.provide(nil)
		byInvitationSSO(t, h, p, h.browser(), "mallory")
		cells, n := newTally(t, "fixed sessions"), 0
		fresh := func(kind string) string { return fmt.Sprintf("%s%d", kind, n) }
		planted := map[string]func() string{
			"unknown": func() string { return strings.Repeat("7", 52) }, "odd": func() string { return "../x" }, "long": func() string { return strings.Repeat("x", 3000) },
			"the attacker's own": func() string {
				b, _ := h.signIn(fresh("eve"), review.Admin)
				return b.session()
			},
			"one that owes the factor": func() string {
				p.User["sub"] = "mallory"
				b := h.browser()
				b.travel(p, "/sign-in/sso").leads(t, "/sign-in/factor")
				return b.session()
			},
			"one that is over": func() string {
				b, _ := h.signIn(fresh("gone"), review.Admin)
				b.jarAfterSignOut()
				return b.session()
			},
		}
		for name, w := range waysIn {
			for what, plant := range planted {
				n++
				b, token := h.browser(), plant()
				b.give(token)
				email := w.comeIn(t, h, p, b, fresh("victim"))
				cells.ask(name, "victim", what)
				if b.session() == token || h.opens(token) {
					cells.errorf("%s, %s: the planted session is in", name, what)
				}
				b.get("/profile").want(t, 200, email)
			}
		}
		cells.end(36)
	})
}

// Every function that begins a session is a way of the test above, and every route
// that gives a browser another session ends the one from before.
func TestNoWayInIsForgotten(t *testing.T) {
	var known []string
	for _, w := range waysIn {
		known = append(known, w.begins)
	}
	slices.Sort(known)
	if known, found := slices.Compact(known), callersOf(t, "../review", "beginSession"); !slices.Equal(known, found) {
		t.Errorf("sessions are begun by %q, tested are %q", found, known)
	}
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Admin)
		h.signIn("sam", review.Lead)
		targets, number := h.targets()
		cells, renewed := newTally(t, "sessions that a route renews"), 0
		for _, x := range targets {
			if x.path == "/events" {
				continue
			}
			before := rita.session()
			rita.do(rita.request(x.method, x.path, everything(number, h.fresh(r.Holder))))
			cells.ask(x.route, "admin", "a fresh code")
			if rita.session() == before {
				continue
			}
			if renewed++; h.opens(before) {
				cells.errorf("%s: the session from before is in", x.route)
			}
		}
		if cells.end(130); renewed < 5 {
			t.Errorf("only %d routes renewed the session", renewed)
		}
	})
}

// callersOf are the functions of a package that call another one, by its source.
func callersOf(t *testing.T, dir, function string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(positions.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == function {
					all = append(all, d.(*ast.FuncDecl).Name.Name)
				}
				return true
			})
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
