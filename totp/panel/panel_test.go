package panel_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/totp/panel"
)

const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// From nothing to "Finish": the key, the code, the codes, the file.
func TestSetUp(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		b.get(path).want(200, "Set it up", "a user of their own", "shared password manager", "support@host.example")
		b.get(path + "/setup").leads(path)
		b.post(path + "/start").leads(path + "/setup")
		b.get(path).want(200, "Go on where you stopped")
		page := b.get(path+"/setup").want(200, "<svg", `role="img" aria-label="QR code with the key for jane@acme.example`, `href="otpauth://totp/Example%20Host:jane%40acme.example?secret=`,
			"SHA-1", `inputmode="numeric" autocomplete="one-time-code"`, "another 15 minutes")
		if n := strings.Count(page.body, "<input"); n != 1 {
			t.Errorf("%d fields for one code", n)
		}
		if again := b.get(path + "/setup"); again.body != page.body {
			t.Error("a reload shows another key")
		}
		h.phone = page.key()
		code := showing(h, h.phone, time.Now())
		b.post(path+"/confirm", "code", h.wrong()).want(422, "clock of your device is set automatically", time.Now().UTC().Format(time.TimeOnly), "<svg")
		b.post(path+"/confirm", "code", code[:5]).want(422, "not right", "<svg")
		b.post(path+"/confirm", "code", code+"0").want(422, "not right", "<svg")
		// However people type it.
		page = b.post(path+"/confirm", "code", " "+code[:3]+"\u00a0"+code[3:]+" ").want(200, "Save your backup codes", "Two-factor authentication is on")
		codes := page.codes()
		if len(codes) != 10 || h.proved != 1 {
			t.Errorf("%d codes, proved %d times", len(codes), h.proved)
		}
		for range 2 { // a reload sends the form again
			if again := b.post(path+"/confirm", "code", code).want(409); again.codes() != nil || shownKey.MatchString(again.body) {
				t.Error("a reload shows the codes or the key again")
			}
		}
		if again := b.get(path).want(200, "Backup codes left: 10"); again.codes() != nil {
			t.Error("the status shows the codes")
		}
		file := b.post(path+"/codes.txt", page.hidden()...).want(200, "Example Host – backup codes\r\n", "Account: jane@acme.example\r\n",
			"Made on: "+time.Now().UTC().Format(time.DateOnly), codes[0], codes[9], "Each code works once")
		if got := file.header.Get("Content-Disposition"); got != `attachment; filename="Example_Host-backup-codes-jane_acme.example-`+time.Now().UTC().Format(time.DateOnly)+`.txt"` {
			t.Errorf("the file is %s", got)
		}
		b.post(path+"/codes.txt", "backup", "<script>").want(400)
		b.post(path+"/finish", page.hidden()...).want(422, codes[0], "tick the box")
		b.post(path+"/finish", append(page.hidden(), "saved", "yes")...).leads("/account")
		for _, s := range []string{h.phone, codes[0], code} {
			if strings.Contains(h.log.String(), s) {
				t.Error("a secret is in the log")
			}
		}
	})
}

// The factor is active from the first code, not from "Finish": a closed tab must
// not leave a user without one.
func TestActiveBeforeFinish(t *testing.T) {
	inHouse(t, func(h *house) {
		h.enroll(h.browser())
		if st, err := h.book.Status(h.Context(), jane); err != nil || !st.Enrolled {
			t.Errorf("status %+v, %v", st, err)
		}
	})
}

// Only the browser that began sees the key, only its user, and only for a while.
func TestKeyIsOfTheBrowserThatBegan(t *testing.T) {
	inHouse(t, func(h *house) {
		h.register("U-18", false)
		b := h.browser()
		b.post(path + "/start").leads(path + "/setup")
		key := b.get(path + "/setup").want(200).key()
		code := showing(h, key, time.Now())
		h.browser().get(path + "/setup").leads(path)
		h.browser().post(path+"/confirm", "code", code).want(409, "how things stand now")
		h.user.ID = "U-18"
		b.get(path + "/setup").leads(path)
		b.post(path+"/confirm", "code", code).want(409)
		h.user.ID = jane
		time.Sleep(15 * time.Minute)
		b.get(path + "/setup").leads(path)
		if a := b.post(path+"/confirm", "code", showing(h, key, time.Now())).want(409, "took too long"); shownKey.MatchString(a.body) {
			t.Error("an expired key is shown")
		}
	})
}

func TestRenewAndReplace(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		old := h.enroll(b).codes()
		used := showing(h, h.phone, time.Now())
		a := b.post(path+"/codes", "code", used).want(429, "This code was just used. Wait for the next one (")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		b.post(path+"/codes").want(422, "First enter a code")
		b.get(path+"/codes").want(200, "ten new codes", `inputmode="numeric"`)
		b.get(path+"/codes?with=backup").want(200, "Backup code", `autocapitalize="characters"`)
		fresh := b.post(path+"/codes", "code", h.fresh()).want(200).codes()
		if len(fresh) != 10 || fresh[0] == old[0] {
			t.Errorf("new codes %d", len(fresh))
		}
		b.post(path+"/codes?with=backup", "code", old[1]).want(422, "not right", "Use a code from the authenticator")
		b.get(path+"/replace").want(200, "until the new one is proved")
		b.post(path+"/replace", "code", h.wrong()).want(422, "not right")
		b.post(path+"/start").want(422, "First enter a code")
		b.post(path+"/replace?with=backup", "code", strings.ToLower(fresh[0])).leads(path + "/setup")
		before := h.phone
		h.phone = b.get(path + "/setup").key()
		b.post(path+"/confirm", "code", showing(h, h.phone, time.Now())).want(200)
		time.Sleep(30 * time.Second)
		b.post(path+"/codes", "code", showing(h, before, time.Now())).want(422, "not right")
	})
}

// After a reset the pages ask for the pass; it works once.
func TestPass(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		h.enroll(b)
		pass := h.reset()
		b.get(path).want(200, "Enrollment pass", `name="pass"`, "mailed to your own address")
		b.post(path+"/start").want(422, "not right, or it has expired")
		b.post(path+"/start", "pass", "0000-0000-0000-0000-0000-0000").want(422, "not right, or it has expired")
		h.enroll(b, "pass", " "+strings.ToLower(pass)+" ")
		if a := b.post(path+"/start", "pass", pass); a.status != 422 {
			t.Errorf("the pass works again: %d", a.status)
		}
	})
}

// What the pages send along, and to whom they listen.
func TestEveryPageIsHardened(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		b.post(path + "/start")
		pages := []string{path, path + "/setup", "/code", path + "/nowhere", path + "/confirm"}
		h.config.Path = "/other"
		all := []answer{b.post(path+"/codes", "code", "1"), b.post(path+"/codes.txt", "backup", "AAAA-BBBB-CCCC-D")}
		for _, p := range pages {
			all = append(all, b.get(p))
		}
		for i, a := range all {
			for name, want := range map[string]string{"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"} {
				if got := a.header.Get(name); got != want {
					t.Errorf("answer %d: %s is %q", i, name, got)
				}
			}
			if m := regexp.MustCompile(`(?i)<style|\sstyle=|<script>|\son[a-z]+=|javascript:|(src|href)="(https?:)?//`).FindString(a.body); m != "" {
				t.Errorf("answer %d has %q", i, m)
			}
		}
		h.user.ID = ""
		b.get(path).want(403, "sign in")
		b.post(path+"/start").want(403, "sign in")
		b.get("/code").leads("/sign-in")
		for _, name := range []string{"panel.css", "panel.js"} {
			if a := b.get(path + "/static/" + name).want(200); !strings.HasPrefix(a.header.Get("Cache-Control"), "private") || len(a.body) > 12<<10 {
				t.Errorf("%s: %v, %d bytes", name, a.header, len(a.body))
			}
		}
		for _, name := range []string{"", "nothing.css", "..%2fpanel.go"} {
			b.get(path + "/static/" + name).want(404)
		}
		for _, name := range []string{"x", "/", "/start", "/codes/", "/devices"} {
			if a := b.get(path + name); a.status < 400 {
				t.Errorf("%s answers %d", name, a.status)
			}
		}
	})
}

func TestOtherSitesAreRefused(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		code := h.enroll(b).codes()[0]
		before := h.dump()
		for _, at := range []string{path + "/start", path + "/replace", path + "/codes", path + "/confirm", path + "/finish", "/code"} {
			for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
				r := b.request("POST", at, map[string][]string{"code": {code}, "saved": {"yes"}})
				r.Header.Del("Sec-Fetch-Site")
				r.Header.Set(header[0], header[1])
				b.do(r).want(403, "another site")
			}
		}
		if h.dump() != before || h.passed != nil {
			t.Error("a request from another site did something")
		}
	})
}

// Scanners, prefetchers and reloads open everything, often.
func TestGetChangesNothing(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		h.enroll(b)
		b.post(path+"/replace", "code", h.fresh()).leads(path + "/setup")
		before := h.dump()
		for _, at := range []string{"", "?said=off", "/setup", "/codes", "/codes?with=backup", "/replace", "/add", "/off", "/remove?device=1", "/start", "/confirm", "/finish?saved=yes", "/codes.txt"} {
			for _, who := range []*browser{b, h.browser()} {
				for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
					a := who.do(who.request(method, path+at, nil))
					if a.status >= 500 || (method == "HEAD" && a.body != "") {
						t.Errorf("%s %s: %d %s", method, at, a.status, a.body)
					}
				}
			}
		}
		b.get("/code").want(200)
		if h.dump() != before {
			t.Error("a GET changed something")
		}
		h.register("U-18", false)
		h.user.ID, before = "U-18", h.dump()
		b.get(path + "/start").want(405)
		if h.dump() != before {
			t.Error("a GET began an enrollment")
		}
	})
}

// endless is a body that never ends; it counts what was read of it.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.read >= 100<<20 {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = 'x'
	}
	e.read += int64(len(p))
	return len(p), nil
}

func TestLargeBodyIsCutOff(t *testing.T) {
	inHouse(t, func(h *house) {
		for _, at := range []string{path + "/start", "/code"} {
			body := &endless{}
			b := h.browser()
			r := b.request("POST", at, nil)
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("code="), body))
			b.do(r).want(413, "too much text")
			if body.read > 1<<20 {
				t.Errorf("%s: %d bytes were read", at, body.read)
			}
		}
	})
}

func TestBadInput(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		h.enroll(b)
		for _, typed := range []string{"", " ", "12345", "1234567", "\x00", "１２３", strings.Repeat("1", 60<<10), "%", "<script>"} {
			a := b.post(path+"/codes", "code", typed).want(422)
			if strings.Contains(a.body, "<script>") || (len(typed) > 20 && strings.Contains(a.body, typed)) {
				t.Errorf("%.20q comes back", typed)
			}
			b.post("/code", "code", typed).want(422)
		}
		r := b.request("POST", path+"/codes", nil)
		r.Body = io.NopCloser(strings.NewReader("code=%zz"))
		b.do(r).want(400, "could not be read")
		if st, _ := h.book.Status(h.Context(), jane); st.Failures != 0 {
			t.Errorf("%d failures were counted for what cannot be a code", st.Failures)
		}
	})
}

// The step of the login: right, used, wrong, backup code, locked.
func TestChallenge(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		b.post("/code", "code", "123456").leads("/sign-in")
		codes := h.enroll(b).codes()
		b.get("/code?next=%2Fx").want(200, `inputmode="numeric" autocomplete="one-time-code"`, `href="?next=%2Fx&amp;with=backup"`, "support@host.example")
		b.get("/code?with=backup").want(200, "Backup code", `href="?"`, "writes to support from the registered address")
		h.config.Lost = "/lost"
		h.browser().get("/code").want(200, `<a href="/lost">I have neither my device nor a backup code</a>`)
		b.post("/code", "code", showing(h, h.phone, time.Now())).want(429, "just used")
		code := h.fresh()
		b.post("/code", "code", code[:3]+" "+code[3:]).leads("/account")
		a := h.browser().post("/code", "code", code).want(429, "This code was just used. Wait for the next one (30 s)")
		if a.header.Get("Retry-After") != "30" {
			t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
		}
		b.post("/code?with=backup", "code", strings.ToLower(codes[3])).leads("/account")
		b.post("/code?with=backup", "code", codes[3]).want(422, "not right")
		if len(h.passed) != 2 || h.passed[0].Method != totp.MethodTOTP || h.passed[1].CodesLeft != 9 {
			t.Errorf("passed %+v", h.passed)
		}
		for range 5 {
			a = b.post("/code", "code", h.wrong())
		}
		a.want(429, "Too many wrong codes. Try again in 15 seconds.")
		h.reset()
		b.post("/code", "code", "123456").leads("/sign-in")
	})
}

// A fault shows a reference and nothing else.
func TestInternalErrorHasAReference(t *testing.T) {
	inHouse(t, func(h *house) {
		b := h.browser()
		h.db.Close()
		a := b.get(path).want(500, "Internal error, reference ")
		_, rest, _ := strings.Cut(a.body, "reference ")
		if !strings.Contains(h.log.String(), "reference="+rest[:8]) || strings.Contains(a.body, "sql") {
			t.Errorf("reference %s, log %s", rest[:8], h.log.String())
		}
	})
}

// The panel's own frame gets the parts and writes the page.
func TestFrame(t *testing.T) {
	inHouse(t, func(h *house) {
		h.config.Stylesheet = "/brand.css"
		h.config.Frame = func(w io.Writer, _ *http.Request, p panel.Page) error {
			_, err := io.WriteString(w, "<nav>ours</nav>"+p.Lang+p.Title+string(p.Head)+string(p.Body))
			return err
		}
		b := h.browser()
		h.user.Locale = "fr-CA"
		a := b.get(path).want(200, "<nav>ours</nav>frConfigurer", `<link rel="stylesheet" href="/brand.css">`, `<div class="tfa">`)
		if strings.Contains(a.body, "<html") || strings.Index(a.body, "panel.css") > strings.Index(a.body, "brand.css") {
			t.Errorf("frame %s", a.body)
		}
		h.config.Frame = func(io.Writer, *http.Request, panel.Page) error { return errors.New("no frame") }
		h.browser().get(path).want(500)
	})
}

func TestAtTheRoot(t *testing.T) {
	inHouse(t, func(h *house) {
		h.config.Path = "/"
		pages, err := panel.New(h.config)
		h.must(err)
		r := httptest.NewRequest("GET", "http://127.0.0.1:8080/", nil)
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		if body := w.Body.String(); !strings.Contains(body, `action="/start"`) || !strings.Contains(body, `href="/static/panel.css`) {
			t.Errorf("%d %s", w.Code, body)
		}
		r = httptest.NewRequest("POST", "http://127.0.0.1:8080/start", nil)
		w = httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		if c := w.Header().Get("Set-Cookie"); w.Header().Get("Location") != "/setup" || !strings.Contains(c, "HttpOnly") || strings.Contains(c, "Secure") {
			t.Errorf("leads to %q with the cookie %s", w.Header().Get("Location"), c)
		}
	})
}

func TestNeedsItsParts(t *testing.T) {
	if _, err := panel.New(panel.Config{}); err == nil {
		t.Error("empty pages open")
	}
	inHouse(t, func(h *house) {
		pages, err := panel.New(h.config)
		h.must(err)
		if _, err := pages.Challenge(panel.Challenge{}); err == nil {
			t.Error("an empty challenge opens")
		}
	})
}
