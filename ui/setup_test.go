package ui_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui"
)

// upload sends a file as a browser does.
func (b *browser) upload(path, file string) answer {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "accounts.csv")
	if err != nil {
		b.t.Fatal(err)
	}
	part.Write([]byte(file))
	form.Close()
	r, err := http.NewRequest("POST", b.base+path, &body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

// inNewDesk is inHouse for a desk that knows nobody yet, as after init.
func inNewDesk(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	inHouse(t, func(t *testing.T, h *house) {
		h.reopen(func(c *review.Config) { c.Path += ".new" })
		h.path = h.config.Path
		h.pages = h.firstRun(nil)
		f(t, h)
	})
}

// firstRun are pages with two connections and a configuration that says so much.
func (h *house) firstRun(sources map[string]string) http.Handler {
	h.t.Helper()
	pages, err := ui.New(ui.Config{Desk: h.desk, BaseURL: base, Brand: "Example", Watched: []string{"support@host.example/INBOX"},
		Guide: ui.Guide{Providers: []ui.Snippet{{Name: "Provider", Says: "Says.", Paste: "[mailbox]\nhost = \"imap.example\"\n"}}, After: []ui.Snippet{{Name: "Service", Paste: "systemctl enable\n"}}},
		Connections: []ui.Connection{
			{Name: "Mailbox support", Settings: "[mailbox]\nuser = \"support\"\n", Test: func(context.Context) (ui.Found, error) {
				return ui.Found{Words: "signed in", Lines: []string{"Folders there: INBOX, <b>Junk"}, Paste: "[mailbox]\nboundary = 1\n"}, nil
			}},
			{Name: "Outgoing mail", Sends: true, Test: func(context.Context) (ui.Found, error) { return ui.Found{}, errors.New("535 no") }}},
		Source: func(key string) string { return sources[key] }})
	if err != nil {
		h.t.Fatal(err)
	}
	return pages
}

// accept enrolls whoever set a password by an invitation, which leads to then.
func (h *house) accept(b *browser, link, then string) (secret string) {
	h.t.Helper()
	path := "/invite/" + link + "/enroll"
	b.post(path+"/start").leads(h.t, path+"/setup")
	secret, codes := proves(h.t, b, path, b.get(path+"/setup"))
	b.post(path+"/finish", append(hiddenFields(codes.want(h.t, 200)), "saved", "yes")...).leads(h.t, then)
	return secret
}

// The whole way of the first admin, from the link that init prints to a desk that
// works, without a script: every step begins to do and ends done by itself.
func TestFirstRun(t *testing.T) {
	inNewDesk(t, func(t *testing.T, h *house) {
		link, err := h.desk.Invite(t.Context(), "host", "mia@host.example", "Mia", review.Admin)
		if err != nil {
			t.Fatal(err)
		}
		mia := h.browser()
		mia.post("/invite/"+link, "password", password, "again", password).leads(t, "/invite/"+link+"/enroll")
		key := h.accept(mia, link, "/sign-in?next=/setup")
		time.Sleep(30 * time.Second)
		in := append(hiddenFields(mia.get("/sign-in?next=/setup")), "email", "mia@host.example", "password", password, "code", code(t, key, time.Now()))
		mia.post("/sign-in", in...).leads(t, "/setup")
		mia.get("/setup").want(t, 200, "5 steps are left", "knows no account", "was never looked at", "not sent yourself a letter", "Nobody chose a preset")
		mia.get("/settings").want(t, 200, `href="/setup"`)

		mia.get("/setup/address").want(t, 200, "Done", "reset.example", "without a proxy")

		mia.get("/setup/mailbox").want(t, 200, "To do", "host = &#34;imap.example&#34;", "user = &#34;support&#34;", "Not tried")
		mia.post("/settings/connections/0/test", "from", "mailbox").leads(t, "/setup/mailbox")
		mia.get("/setup/mailbox").want(t, 200, "signed in", "INBOX, &lt;b&gt;Junk", "boundary = 1", "doctor canary")
		mia.post("/settings/connections/0/test", "from", "mailbox").want(t, 429)
		source := mailbox.Source{Mailbox: "support@host.example", Folder: "INBOX"}
		if err := h.desk.Receive(t.Context(), mailbox.Batch{Source: source, UIDValidity: 7}); err != nil {
			t.Fatal(err)
		}
		if err := h.desk.Looked(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		mia.get("/setup/mailbox").want(t, 200, "Done", "within the last quarter of an hour")

		mia.post("/settings/connections/1/test", "from", "sending").leads(t, "/setup/sending")
		mia.get("/setup/sending").want(t, 200, "535 no", "mia@host.example", "To do")
		mia.post("/settings/letters", "from", "sending", "in", "en", "kind", "acknowledgement").leads(t, "/setup/sending")
		mia.get("/setup/sending").want(t, 200, "waits to be sent")
		h.work()
		mia.get("/setup/sending").want(t, 200, "The mail server took your test letter", "Done")

		mia.upload("/setup/accounts", accountsFile).leads(t, "/setup/accounts")
		if n := h.text(`SELECT count(*) FROM account`); n != "0" {
			t.Fatalf("trying a file made %s accounts", n)
		}
		seen := mia.get("/setup/accounts").want(t, 200, "2 accounts, 4 users", "Nothing has happened yet", "ACME GmbH", "anna@acme.example")
		again := mia.post("/setup/accounts/import", append(hiddenFields(seen), "do", "import", "code", "000000")...)
		again.want(t, 422, "The code is not right", "2 accounts, 4 users")
		time.Sleep(30 * time.Second)
		mia.post("/setup/accounts/import", append(hiddenFields(seen), "do", "import", "code", code(t, key, time.Now()))...).leads(t, "/setup/accounts")
		mia.get("/setup/accounts").want(t, 200, "Imported: 2 accounts with 4 users.", "Done", "Last import", "by Mia")
		if n := h.text(`SELECT count(*) FROM audit WHERE action = 'accounts.imported' AND object = 'upload' AND actor LIKE 'reviewer:%'`); n != "1" {
			t.Errorf("%s events of the import", n)
		}
		mia.post("/setup/accounts/import", append(hiddenFields(seen), "do", "import", "code", "000000")...).want(t, 409, "That upload is gone")

		mia.get("/setup/policy").want(t, 200, "To do", "balanced", "in force", "At high risk: 2 approvals, and a waiting period of 3 days", "preset = &#34;cautious&#34;")
		h.pages = h.firstRun(map[string]string{"policy.preset": "resetdesk.toml, line 80", "accounts.file": "resetdesk.toml, line 70"})
		mia.client.Transport = direct{h.pages}
		mia.get("/setup/policy").want(t, 200, "Done", "line 80")
		mia.get("/setup/accounts").want(t, 200, "line 70", "lasts until that file changes")

		mia.get("/setup/running").want(t, 200, "Done", "systemctl enable", "/settings/reviewers")
		mia.get("/setup").want(t, 200, "Everything is done")
		mia.get("/setup/nowhere").want(t, 404)

		// The next admin finds a desk that is set up.
		link, err = h.desk.Invite(t.Context(), "host", "nia@host.example", "Nia", review.Admin)
		if err != nil {
			t.Fatal(err)
		}
		nia := h.browser()
		nia.post("/invite/"+link, "password", password, "again", password).leads(t, "/invite/"+link+"/enroll")
		h.accept(nia, link, "/sign-in")
	})
}

// What is wrong with a file is said by line, and nothing of it is taken in.
func TestUploadOfBadFiles(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, _ := h.signIn("rita", review.Admin)
		before := h.text(`SELECT group_concat(address) FROM address WHERE until IS NULL`)
		head := "account_id,account_name,locale,user_id,login,email,role,api_only\n"
		line := "A-1,<script>alert(1)</script>,de,U-%d,l%d,l%d@x.example,admin,0\n"
		var many strings.Builder
		for i := range 500 {
			fmt.Fprintf(&many, "A-%d,x,de,U-1,l,not an address,king,maybe\n", i)
		}
		for name, x := range map[string]struct {
			file   string
			status int
			want   string
		}{
			"empty":      {"", 422, "Line 1: the file is empty"},
			"semicolons": {strings.ReplaceAll(head, ",", ";"), 422, "separated by semicolons"},
			"columns":    {head + "A-1,x\n", 422, "Line 2: 2 columns, want 8"},
			"binary":     {"PK\x03\x04\x00\x00", 422, "Line 1: "},
			"markup":     {head + `A-1,x,de,U-1,l,"<img src=x onerror=alert(1)>",admin,0` + "\n", 422, "Line 2: "},
			"formula":    {head + "A-1,x,de,U-1,l,=cmd|' /C calc'!A0,admin,0\n", 422, "Line 2: "},
			"quotes":     {head + "A-1,\"x,de,U-1,l,l@x.example,admin,0\n", 422, "Line "},
			"many":       {head + many.String(), 422, "more."},
			"removes":    {head + fmt.Sprintf(line, 1, 1, 1), 422, ""},
			"removing":   {head + fmt.Sprintf(strings.Replace(line, "A-1", "A-1001", 1), 1, 1, 1), 409, "would remove 3 of 4 users"},
			"huge":       {head + strings.Repeat("x", 4<<20+100<<10), 422, "larger than 4 MiB"},
		} {
			a := rita.upload("/setup/accounts", x.file).want(t, x.status, x.want)
			for _, bad := range []string{"<script>alert", "<img", "\u202e"} {
				if strings.Contains(a.body, bad) {
					t.Errorf("%s: the page carries %q", name, bad)
				}
			}
			if len(a.body) > 60<<10 {
				t.Errorf("%s: %d bytes", name, len(a.body))
			}
		}
		rita.post("/setup/accounts", "file", "x").want(t, 400) // no multipart
		rita.upload("/setup/accounts", accountsFile+"A-9,<b>\u202eevil,de,U-19,l,l@x.example,admin,0\n").leads(t, "/setup/accounts")
		if a := rita.get("/setup/accounts").want(t, 200, "&lt;b&gt;⟨U&#43;202E⟩evil"); strings.Contains(a.body, "\u202e") {
			t.Error("the page carries an override of the direction")
		}
		if after := h.text(`SELECT group_concat(address) FROM address WHERE until IS NULL`); after != before {
			t.Errorf("addresses are %s", after)
		}
		rita.post("/setup/accounts/import", "do", "import", "upload", "x", "code", "000000").want(t, 409, "That upload is gone")
	})
}

// An import does what its page announced, by who uploaded it, within its time.
func TestImportIsWhatWasSeen(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, r := h.signIn("rita", review.Admin)
		olga, o := h.signIn("olga", review.Admin)
		more := accountsFile + "A-3003,Gamma,en,U-9,greta,greta@gamma.example,admin,0\n"
		rita.upload("/setup/accounts", more).leads(t, "/setup/accounts")
		seen := hiddenFields(rita.get("/setup/accounts").want(t, 200, "2 accounts and users", "1 new, 0 ended"))
		if strings.Contains(olga.get("/setup/accounts").body, "What your file would do") {
			t.Error("another admin sees the upload")
		}
		olga.post("/setup/accounts/import", append(seen, "do", "import", "code", h.fresh(o.Holder))...).want(t, 409, "That upload is gone")

		h.importFile(more) // meanwhile, on the host
		rita.post("/setup/accounts/import", append(seen, "do", "import", "code", h.fresh(r.Holder))...).want(t, 409, "The accounts changed since you looked")
		if strings.Contains(rita.get("/setup/accounts").body, "What your file would do") {
			t.Error("a stale upload waits")
		}

		rita.upload("/setup/accounts", accountsFile+"A-4004,Delta,en,U-10,dora,dora@delta.example,admin,0\n").leads(t, "/setup/accounts")
		seen = hiddenFields(rita.get("/setup/accounts"))
		rita.post("/setup/accounts/import", append(seen, "do", "drop")...).leads(t, "/setup/accounts")
		rita.post("/setup/accounts/import", append(seen, "do", "import", "code", h.fresh(r.Holder))...).want(t, 409)

		rita.upload("/setup/accounts", more).leads(t, "/setup/accounts")
		seen = hiddenFields(rita.get("/setup/accounts"))
		time.Sleep(16 * time.Minute)
		rita.post("/setup/accounts/import", append(seen, "do", "import", "code", h.fresh(r.Holder))...).want(t, 409, "15 minutes")
		if n := h.text(`SELECT count(*) FROM account WHERE id = 'A-4004'`); n != "0" {
			t.Error("a file was imported that nobody confirmed")
		}
	})
}

// How the request came is told, and what to write where it came wrongly.
func TestAddressStep(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		rita, _ := h.signIn("rita", review.Admin)
		for _, x := range []struct {
			header []string
			want   string
		}{
			{nil, "without a proxy"},
			{[]string{"X-Forwarded-For", "203.0.113.9"}, `trusted_proxies = [&#34;192.0.2.7/32&#34;]`},
			{[]string{"X-Forwarded-Proto", "http"}, "you came by plain http"},
			{[]string{"X-Forwarded-Proto", "<b>"}, "it does not say</dd>"},
		} {
			r := rita.request("GET", "/setup/address", nil)
			for i := 0; i < len(x.header); i += 2 {
				r.Header.Set(x.header[i], x.header[i+1])
			}
			rita.do(r).want(t, 200, x.want)
		}
	})
}

// An upload is read only from who may send one.
func TestSetupIsForAdmins(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		for _, role := range []review.Role{review.Viewer, review.Decider, review.Lead, review.Auditor} {
			b, _ := h.signIn(string(role), role)
			b.get("/setup").want(t, 403)
			b.get("/setup/accounts").want(t, 403)
			b.upload("/setup/accounts", accountsFile).want(t, 403)
			b.post("/setup/accounts/import", "do", "import").want(t, 403)
			if strings.Contains(b.get("/settings").body, "/setup") {
				t.Errorf("%s is sent to set up", role)
			}
		}
		h.browser().upload("/setup/accounts", accountsFile).want(t, 303)
	})
}
