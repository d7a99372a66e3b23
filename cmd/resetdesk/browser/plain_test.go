package browser_test

import (
	"strings"
	"testing"
)

// Everything works without scripts: signing in, reading, approving, answering,
// setting up a phone. The story plays in Dutch and in German.
func TestWithoutScript(t *testing.T) {
	t.Parallel()
	s := &story{visitor: enter(t, false)}
	defer s.end()
	s.first = s.openTab()
	s.first.visit(s.guide + "/")
	s.post = s.openTab()
	s.post.visit(s.guide + "/mail")
	s.scene("owner says yes", func() { s.answer("The admin", "nl", "piet@tulp.example", "bevestig", "Ja,").look("owner-nl-yes") })
	s.scene("owner says no", func() {
		s.answer("An impostor with the admin", "de", "karin@muster.example", "bestätigen", "Nein,").look("owner-de-no")
	})
	s.scene("desk approves", s.approvePlainly)
	s.scene("enroll again", s.enrollPlainly)
}

// answer writes as a role and answers the letter that comes, in its language.
func (s *story) answer(role, language, to, subject, answer string) *tab {
	s.t.Helper()
	s.write(s.post, role, language)
	o := s.post.open(s.post.letter(to, subject)).look("owner-" + language)
	var lang string
	if o.evaluate(`document.documentElement.lang`, &lang); lang != language {
		s.t.Errorf("the page of %s is in %q", to, lang)
	}
	o.choose(field(answer)).press(thing{`//main//form//button`, "the button"})
	var done bool
	if o.evaluate(`!!document.querySelector(".alert.ok[role=status]")`, &done); !done {
		s.t.Fatalf("the answer did not arrive:\n%s", o.dump())
	}
	return o
}

// approvePlainly lets Sam approve, after he has typed something wrong: what he
// wrote is kept, his code is not.
func (s *story) approvePlainly() {
	d := s.first.follow(link("Desk").within("main"))
	d.hides("passkey", "Caps lock")
	s.work(d, "sam", "sam@hosting.example", "sam signs second").hides("Quarantine").look("queue-plain")
	d.press(link("On hold")).shows("A-3003")
	s.caseOf(d, "Needs review", "A-2002").shows("Authenticated", "sanne").look("case-plain")
	d.press(link("Approve"))
	const reason = "Piet confirmed, and I know his voice."
	d.fill(field("Type the account number"), "A-2020").fill(field("Why you are convinced"), reason)
	d.fill(field("Your own code"), "000000").refused(422, danger).look("approve-refused")
	var kept, code string
	d.evaluate(`document.querySelector("[name=reason]").value`, &kept)
	if d.evaluate(`document.querySelector("[name=code]").value`, &code); kept != reason || code != "" {
		s.t.Errorf("after the refusal the page has the reason %q and the code %q", kept, code)
	}
	s.approve(d, "A-2002", "sam", reason)
	s.until("the case is cleared", func() bool { return strings.Contains(d.reload().text(), "Undo until") })
	var scripted int
	d.evaluate(`[...document.querySelectorAll(".js")].filter((e) => e.checkVisibility()).length`, &scripted)
	if scripted > 0 {
		s.t.Errorf("%d buttons that need a script are shown", scripted)
	}
	d.press(button("Sign out")).shows("Sign in")
}

// enrollPlainly sets up a phone with the pass, in Dutch.
func (s *story) enrollPlainly() {
	m := passLine.FindStringSubmatch(s.post.letter("sanne@tulp.example", "instelcode").Text)
	if m == nil {
		s.t.Fatalf("no pass in\n%+v", s.post.letters())
	}
	p := s.openTab()
	s.logIn(p, "sanne").fill(thing{`//input[@name="pass"]`, "pass"}, m[1]).press(thing{`//main//form//button`, "the button"})
	var key string
	p.look("enroll-nl-key").evaluate(`document.querySelector("#tfa-key").textContent`, &key)
	s.scan("sanne", key)
	p.fill(thing{`//input[@name="code"]`, "code"}, s.code("sanne")).press(thing{`//form[contains(@action, "/confirm")]//button`, "confirm"}).look("enroll-nl-codes")
	p.choose(thing{`//input[@name="saved"]`, "saved"}).press(thing{`//form[contains(@action, "/finish")]//button`, "finish"}).shows("Transfers are on hold")
	p.press(link("Two-factor authentication")).look("factor-hold").press(thing{`//a[contains(@href, "/off")]`, "turn off"}).shows("Dat moet wachten tot").look("factor-off-hold")
}
