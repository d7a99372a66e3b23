package demo_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/cmd/resetdesk/demo"
)

// logIn gives the panel a login and its password.
func (v *visitor) logIn(login string) page {
	v.t.Helper()
	return v.get(v.panel+"/?user="+login).must(200).submit("/login", "login", login)
}

var keyOnPage = regexp.MustCompile(`id="tfa-key"[^>]*>([A-Z2-7 ]+)<`)

// setUp goes from a page with a key to the backup codes and on, with a phone.
func (v *visitor) setUp(p page, device string) page {
	v.t.Helper()
	m := keyOnPage.FindStringSubmatch(p.must(200).body)
	if m == nil {
		v.t.Fatalf("no key in:\n%s", p.text)
	}
	v.get(v.guide+"/phone/"+device).must(200).submit("/scan", "key", m[1]).must(200)
	codes := p.submit("/confirm", "code", v.code(device)).must(200)
	return codes.submit("/finish", "saved", "yes").must(200)
}

// work signs a reviewer in to the desk.
func (v *visitor) work(device, email, password string) {
	v.t.Helper()
	v.get(v.desk+"/sign-in").must(200).submit("/sign-in", "email", email, "password", password, "code", v.code(device)).must(200, "Sign out")
}

// write sends a prefilled mail to support.
func (v *visitor) write(role, account string) page {
	v.t.Helper()
	return v.get(v.guide+"/mail?role="+role+"&account="+account).must(200).submit("/mail").must(200, "The mail is in the support mailbox.")
}

var caseNumber = regexp.MustCompile(`RST-[0-9A-Z]{6}`)

// caseOn returns the case of an account on a tab of the queue.
func (v *visitor) caseOn(tab, account string) page {
	v.t.Helper()
	number := ""
	v.until("a case of "+account+" on "+tab, func() bool {
		number = caseNumber.FindString(v.get(v.desk + "/?tab=" + tab + "&q=" + account).must(200).text)
		return number != ""
	})
	return v.get(v.desk + "/cases/" + number).must(200)
}

func (v *visitor) approve(c page, account, device string) page {
	v.t.Helper()
	form := v.get(c.url.String() + "/approve").must(200)
	return form.submit("", "account", account, "reason", "Called the number on file.", "code", v.code(device)).must(200)
}

// The story of the guide, step by step: lost phone, mail, owner, approval, wait,
// reset, pass, new phone; then the hold, and the undo.
func TestStory(t *testing.T) {
	t.Parallel()
	const wait = 6 * time.Second
	v := enter(t, wait)
	v.get(v.guide+"/").must(200, "Jane loses her phone", "6 seconds")

	// Enroll, and sign in with it.
	v.logIn("jane").must(200, "signing in needs two-factor authentication")
	start := v.get(v.panel+"/account/2fa").must(200, "Demo", "waiting period")
	if p := v.setUp(start.submit("/start"), "jane"); p.url.Path != "/account" {
		t.Fatalf("after the enrollment the panel is at %s", p.url)
	}
	v.get(v.panel + "/account").submit("/logout")
	v.logIn("jane").must(200, "Enter your code").submit("", "code", v.code("jane")).must(200, "10 backup codes are left")
	v.get(v.panel+"/account").submit("/transfer").must(200, "may go")
	v.get(v.guide+"/phone").submit("/phone/jane/lose").must(200, "lies in the canal")

	// The admin writes; the owner confirms; Rita approves.
	written := time.Now()
	v.write("admin", "A-1001").must(200, "sender authenticated")
	confirm := v.letter("anna@acme.example", "Please confirm")
	v.letter("board@acme.example", "reset")
	v.get(confirm.link).must(200).submit("", "answer", "yes").must(200)
	v.work("rita", "rita@hosting.example", "rita reads twice")
	c := v.caseOn("review", "A-1001").must(200, "uthenticated", "demo", "acme.example", "Low risk")
	before := v.get(v.panel + "/account").must(200)
	v.approve(c, "A-1001", "rita")

	// The clock clears. What was signed in before is out.
	pass := v.letter("jane@acme.example", "pass for jane")
	if waited := time.Since(written); waited < wait {
		t.Errorf("cleared %v after the mail was written, in spite of the waiting period", waited)
	}
	before.submit("/transfer").must(200, "You were signed out")
	for _, l := range v.letters() {
		if strings.Contains(l.subject, "pass") && l.to != "jane@acme.example" {
			t.Errorf("the pass went to %s", l.to)
		}
	}

	// The password alone leads to the pass and nowhere else.
	p := v.logIn("jane").must(200)
	if p.url.Path != "/account/2fa" {
		t.Fatalf("with the password alone jane is at %s", p.url)
	}
	if p := v.get(v.panel + "/account"); p.url.Path != "/account/2fa" {
		t.Fatalf("with the password alone jane reads %s", p.url)
	}
	p.submit("/start", "pass", "AAAA-BBBB").must(422)
	v.setUp(p.submit("/start", "pass", passIn(t, pass.text)), "jane").must(200, "Transfers are on hold")
	v.get(v.panel+"/account").submit("/transfer").must(409, "stays")

	// Not us: the old factor is back, the new phone is void, jane is locked.
	cleared := v.letter("anna@acme.example", "was reset")
	v.get(cleared.link).must(200).submit("", "answer", "undo").must(200)
	v.get(v.panel+"/account").must(200, "You were signed out")
	v.logIn("jane").must(403, "This user is locked")
	v.letter("anna@acme.example", "taken back")
}

var passLine = regexp.MustCompile(`(?m)^ +(?:Pass|Code) +(\S+)$`)

func passIn(t *testing.T, text string) string {
	t.Helper()
	m := passLine.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no pass in:\n%s", text)
	}
	return m[1]
}

// Impostors in three languages: none is ever authenticated, ambiguous ones are
// quarantined, and none of them is answered.
func TestImpostors(t *testing.T) {
	t.Parallel()
	v := enter(t, time.Second)
	for _, x := range []struct{ role, account string }{
		{"lookalike", "A-1001"}, {"lookalike", "A-2002"}, {"lookalike", "A-3003"}, {"twofrom", "A-1001"}, {"stranger", "A-3003"},
	} {
		v.write(x.role, x.account)
	}
	v.work("rita", "rita@hosting.example", "rita reads twice")
	quarantine := v.get(v.desk+"/?tab=quarantine").must(200, "acrne.example", "tu1p.example", "rnuster.example")
	if n := strings.Count(quarantine.text, "Mail "); n < 4 {
		t.Errorf("%d mails in quarantine, want 4:\n%s", n, quarantine.text)
	}
	strangers := v.get(v.desk+"/?tab=parked").must(200, "pat@freemail.example")
	for _, tab := range []string{"review", "owner", "waiting"} {
		if p := v.get(v.desk + "/?tab=" + tab).must(200); caseNumber.MatchString(p.text) {
			t.Errorf("a case was opened:\n%s", p.text)
		}
	}
	if l := v.letters(); len(l) != 0 {
		t.Errorf("letters went out: %q", l)
	}
	for _, p := range []page{quarantine, strangers} {
		if strings.Contains(p.text, "Authenticated") {
			t.Errorf("an impostor is authenticated:\n%s", p.text)
		}
	}

	// The one with the right address and no signature may open a case, after
	// which the real owner is asked, two reviewers are needed, and a no holds it.
	v.write("forged", "A-2002")
	c := v.caseOn("review", "A-2002").must(200, "High risk", "2 different reviewers", "Not verified", "sanne")
	if strings.Contains(c.text, "Authenticated") {
		t.Errorf("an impostor is authenticated:\n%s", c.text)
	}
	confirm := v.letter("piet@tulp.example", "bevestig")
	v.get(confirm.link).must(200).submit("", "answer", "no").must(200)
	v.caseOn("held", "A-2002")
	for _, l := range v.letters() {
		if !strings.HasSuffix(l.to, "@tulp.example") {
			t.Errorf("a letter went to %s", l.to)
		}
	}
}

// The honest mails of all three languages are authenticated, and letters and
// enrollment page speak the language of the account.
func TestLanguages(t *testing.T) {
	t.Parallel()
	v := enter(t, time.Second)
	v.work("rita", "rita@hosting.example", "rita reads twice")
	for _, x := range []struct{ account, admin, subject, user, enrolled string }{
		{"A-2002", "piet@tulp.example", "bevestig", "sanne", "Tweestaps"},
		{"A-3003", "karin@muster.example", "bestätigen", "jonas", "Zwei-Faktor"},
	} {
		v.write("admin", x.account)
		v.letter(x.admin, x.subject)
		c := v.caseOn("review", x.account).must(200, x.user, "uthenticated")
		if strings.Contains(c.text, "Not verified") {
			t.Errorf("%s is not authenticated:\n%s", x.admin, c.text)
		}
		v.logIn(x.user).submit("", "code", v.code(x.user)).must(200, "10 backup codes")
		if p := v.get(v.panel + "/account/2fa").must(200); !strings.Contains(strings.ToLower(p.text), strings.ToLower(x.enrolled)) {
			t.Errorf("the enrollment page of %s does not speak its language:\n%s", x.user, p.text)
		}
		// Strong contrary evidence: who signs in has lost nothing.
		v.caseOn("held", x.account)
		v.get(v.panel + "/account").submit("/logout").must(200)
	}
}

// The second factor stands between password and panel.
func TestPanel(t *testing.T) {
	t.Parallel()
	v := enter(t, time.Second)
	v.get(v.panel+"/").must(200).submit("/login", "login", "sanne", "password", "wrong").must(401, "not right")
	v.get(v.panel+"/?user=whmcs").submit("/login").must(403, "API only")
	p := v.logIn("sanne").must(200, "Voer uw code in")
	for _, path := range []string{"/account", "/account/2fa", "/"} {
		if p := v.get(v.panel + path); p.url.Path != "/code" {
			t.Errorf("without the code %s shows %s", path, p.url)
		}
	}
	if p := v.post(v.panel+"/account/2fa/start", nil); p.status != 403 {
		t.Errorf("without the code the enrollment begins: %d", p.status)
	}
	p.submit("", "code", "000000").must(422, "klopt niet")
	code := v.code("sanne")
	p.submit("", "code", code).must(200, "Domains")
	v.get(v.panel + "/account").submit("/logout")
	v.logIn("sanne").submit("", "code", code).must(429, "net gebruikt")
	v.get(v.panel+"/").submit("", "code", v.code("sanne")).must(200)
	v.post(v.panel+"/transfer", map[string][]string{"domain": {"acme.example"}}).must(404, "no such domain")
	v.get(v.panel+"/account").submit("/transfer").must(200, "tulp.example may go")
	v.post(v.guide+"/phone/rita/lose", nil).must(404)
	v.get(v.guide+"/phone/jane").submit("/scan", "key", "not a key").must(422, "neither")
	v.get(v.guide+"/mail").submit("/mail", "text", " ").must(422, "needs a subject and a text")
}

// Every page carries the strict headers, loads nothing from elsewhere, and
// listens to its own host and its own forms only.
func TestHeaders(t *testing.T) {
	t.Parallel()
	v := enter(t, time.Second)
	elsewhere := regexp.MustCompile(`(?:src|href)="(?:https?:)?//`)
	for _, at := range []string{v.guide + "/", v.guide + "/mail", v.guide + "/phone", v.guide + "/phone/jane", v.panel + "/", v.panel + "/account/2fa"} {
		p := v.get(at).must(200, "Demo")
		if csp := p.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", at, csp)
		}
		if p.header.Get("Cache-Control") != "no-store" || p.header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", at, p.header)
		}
		for _, bad := range elsewhere.FindAllString(address.ReplaceAllString(p.body, ""), -1) {
			t.Errorf("%s: %s", at, bad)
		}
		if len(p.body) > 60<<10 || strings.Contains(p.body, "<script") || strings.Contains(p.body, " style=") {
			t.Errorf("%s: %d bytes, or a script, or a style", at, len(p.body))
		}
	}
	for _, file := range []string{"desk.css", "demo.css"} {
		for _, site := range []string{v.guide, v.panel} {
			if p := v.get(site + "/static/" + file).must(200); !strings.HasPrefix(p.header.Get("Content-Type"), "text/css") {
				t.Errorf("%s is %s", file, p.header.Get("Content-Type"))
			}
		}
	}
	v.get(v.guide + "/static/frame.html").must(404)
	for name, change := range map[string]func(*http.Request){
		"another site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another port": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
		"another host": func(r *http.Request) { r.Host = "evil.example" },
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", v.guide+"/phone/jane/lose", nil)
		if err == nil {
			change(req)
		}
		if p := v.do(req, err); p.status != 403 && p.status != 421 {
			t.Errorf("%s: status %d", name, p.status)
		}
	}
}

// What is asked for and cannot be had is an error at once; what was not asked
// for gives way.
func TestOptions(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	old := t.TempDir()
	if err := os.WriteFile(filepath.Join(old, "demo.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		o    demo.Options
		want string
	}{
		"taken port":   {demo.Options{Listen: taken.Addr().String()}, "address already in use"},
		"not loopback": {demo.Options{Listen: "0.0.0.0:0"}, "not loopback"},
		"no port":      {demo.Options{Listen: "127.0.0.1:http"}, "no port"},
		"no address":   {demo.Options{Listen: "8080"}, "not like"},
		"old database": {demo.Options{Listen: "127.0.0.1:0", Dir: old}, "is there already"},
	} {
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		if err := demo.Run(ctx, x.o); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
		stop()
	}
}
