package demo_test

import (
	"strings"
	"testing"
	"time"
)

// A user for each person: the admin adds one, who signs in, sets up a factor of
// their own, and can be the one whose phone is lost.
func TestUsers(t *testing.T) {
	t.Parallel()
	v := enter(t, time.Second)
	v.logIn("jane")
	v.get(v.panel+"/users").must(200, "anna", "Exempt", "Only Anna Archer")
	v.post(v.panel+"/users", map[string][]string{"name": {"Eve"}, "login": {"eve"}, "email": {"eve@acme.example"}}).must(403, "Only the admin")
	v.get(v.panel + "/account").submit("/logout")
	v.logIn("anna")
	page := v.get(v.panel+"/users").must(200, "A user for each person", "required from")
	for login, why := range map[string]string{"jane": "already", "rita": "already", "Mia Smith": "small letters", "": "small letters"} {
		page.submit("/users", "name", "Mia Smith", "login", login, "email", "mia@acme.example").must(422, why)
	}
	page.submit("/users", "name", "Mia Smith", "login", "mia", "email", "no address").must(422)
	page.submit("/users", "name", "Mia Smith", "login", "mia", "email", "mia@acme.example").must(200, "Mia Smith is a user now", "mia-demo")
	v.get(v.panel + "/account").submit("/logout")
	v.logIn("mia").must(200, "signing in needs two-factor authentication", "Then the password alone leads to the page that sets it up")
	v.setUp(v.get(v.panel+"/account/2fa").submit("/start"), "mia").must(200, "10 backup codes")
	v.get(v.panel+"/users").must(200, "mia (you)")
}

// Two browsers send one code of one user at the same moment: one is in, the other
// is told to wait.
func TestSharedLogin(t *testing.T) {
	t.Parallel()
	v := enter(t, time.Second)
	v.logIn("jane")
	v.get(v.panel+"/shared").must(200, "Set up the second factor first")
	v.setUp(v.get(v.panel+"/account/2fa").submit("/start"), "jane")
	page := v.get(v.panel+"/shared").submit("/shared", "code", v.code("jane")).must(200, "Signed in.", "This code was just used. Wait for the next one (")
	if strings.Count(page.text, "Signed in.") != 1 {
		t.Errorf("both are in:\n%s", page.text)
	}
	page.submit("/shared", "code", "000000").must(200, "That code is not right.")
}

// Who has nothing left asks in the panel: a case opens, the admin is asked, and the
// reviewers see that the password was right.
func TestLostAskedInThePanel(t *testing.T) {
	t.Parallel()
	v := enter(t, time.Second)
	v.get(v.panel+"/lost").must(200, "Sign in")
	v.logIn("sanne").must(200, "Ik heb mijn apparaat niet")
	v.get(v.panel+"/lost").must(200, "Nothing changes before").submit("/lost", "note", "It fell into the canal.").must(200, "Your request is RST-")
	v.letter("piet@tulp.example", "bevestig")
	v.work("rita", "rita@hosting.example", "rita reads twice")
	v.caseOn("review", "A-2002").must(200, "It fell into the canal.", "sanne")
}

// The API of the panel asks the same user for no code, and that is to be seen.
func TestAPIAsksNoCode(t *testing.T) {
	t.Parallel()
	v := enter(t, time.Second)
	v.logIn("jane")
	v.setUp(v.get(v.panel+"/account/2fa").submit("/start"), "jane")
	v.get(v.panel+"/api-access").submit("/api-access").must(200, "GET /api/domains HTTP/1.1", "Authorization: Bearer demo-", "HTTP/1.1 200 OK", `"user":"jane","code_asked":false`)
	v.get(v.panel+"/account/2fa").must(200, "A login through the API, without a code", "127.0.0.1")
	if p := v.get(v.panel + "/api/domains"); p.status != 401 {
		t.Errorf("without a token the API answers %d", p.status)
	}
}
