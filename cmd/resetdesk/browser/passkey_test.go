package browser_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// A device is an authenticator that Chromium itself plays, in one tab.
type device struct {
	b  *tab
	id webauthn.AuthenticatorID
}

// plug gives the tab a device that knows its owner.
func (b *tab) plug() *device {
	b.v.t.Helper()
	d := &device{b: b}
	b.run("plug a device in", webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		d.id, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{Protocol: webauthn.AuthenticatorProtocolCtap2,
			Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true}).Do(ctx)
		return err
	}))
	return d
}

// keys are the passkeys on the device.
func (d *device) keys() (all []*webauthn.Credential) {
	d.b.v.t.Helper()
	d.b.run("read the device", chromedp.ActionFunc(func(ctx context.Context) (err error) {
		all, err = webauthn.GetCredentials(d.id).Do(ctx)
		return err
	}))
	return all
}

// hold makes the device have one passkey and no other.
func (d *device) hold(c *webauthn.Credential) {
	d.b.v.t.Helper()
	d.b.run("change the device", webauthn.ClearCredentials(d.id), chromedp.ActionFunc(func(ctx context.Context) error {
		return webauthn.AddCredential(d.id, c).Do(ctx)
	}))
}

// Passkeys as Chromium makes them: add one, sign in with it, approve with it; one
// of another site is not offered, and a copy is found out.
func TestPasskeys(t *testing.T) {
	t.Parallel()
	s := &story{visitor: enterAt(t, true, "localhost")}
	defer s.end()
	s.first = s.openTab()
	d := s.first
	var key *device
	s.scene("add one", func() {
		s.work(d.visit(s.desk+"/sign-in").look("sign-in"), "rita", "rita@hosting.example", "rita reads twice")
		key = d.plug()
		d.visit(s.desk + "/profile").look("profile").press(link("Add a passkey")).look("passkey-new")
		d.fill(field("Name"), "blue key").fill(field("Your own code"), "000000").refused(422, button("Add the passkey")).shows("The code is not right")
		d.fill(field("Your own code"), s.code("rita")).press(button("Add the passkey")).shows("The passkey is added.", "blue key", "never used").look("profile-passkey")
		all := key.keys()
		if len(all) != 1 || !all[0].IsResidentCredential || all[0].RpID != "localhost" || all[0].UserName != "rita@hosting.example" {
			t.Fatalf("the device has %+v", all)
		}
		d.visit(s.desk + "/settings/reviewers").shows("1 passkey").look("reviewers")
	})
	key.quiet(true) // or it answers for its owner as soon as a page offers it
	s.scene("sign in", func() {
		d.press(button("Sign out")).shows("Sign in")
		key.touch(200, "Sign in with a passkey").shows("Sign out")
		d.press(button("Sign out"))
		d.load(200, "choose the passkey in the field of the address", webauthn.SetAutomaticPresenceSimulation(key.id, true)).shows("Sign out")
		key.quiet(true)
	})
	s.scene("approve", func() {
		s.post = s.openTab()
		s.post.visit(s.guide + "/mail")
		s.answer("The admin", "nl", "piet@tulp.example", "bevestig", "Ja,")
		s.caseOf(d, "Needs review", "A-2002").press(link("Approve"))
		d.fill(field("Type the account number"), "A-2002").fill(field("Why you are convinced"), "Piet confirmed.").look("approve-passkey")
		key.touch(200, "Use a passkey instead").hides("Your own code")
		s.until("the case is cleared", func() bool { return strings.Contains(d.reload().text(), "Undo until") })
	})
	s.scene("another site's", func() {
		mine := key.keys()[0]
		other := *mine
		other.RpID = "evil.example"
		key.hold(&other)
		d.press(button("Sign out")).until("the button is there", offered)
		d.choose(button("Sign in with a passkey"))
		key.quiet(false)
		d.until("a sentence", `!!document.querySelector("form[data-passkey] [role=status]")`)
		d.shows("No passkey was used. Try again, or use a code.").look("sign-in-no-passkey")
		key.quiet(true)
		key.hold(mine)
	})
	s.scene("a copy", func() {
		copied := *key.keys()[0]
		d.visit(s.desk + "/sign-in")
		key.touch(200, "Sign in with a passkey").shows("Sign out") // the counter goes on
		d.press(button("Sign out"))
		copied.SignCount = 0
		key.hold(&copied)
		key.touch(401, "Sign in with a passkey").shows("This passkey is refused from now on").look("sign-in-copy")
		key.touch(401, "Sign in with a passkey").shows("The passkey was not accepted")
		s.work(d, "rita", "rita@hosting.example", "rita reads twice")
		d.visit(s.desk + "/profile").shows("refused: there may be a copy of it").look("profile-copy")
	})
}

// offered is whether the page has found out that there are passkeys.
const offered = `!document.querySelector("form[data-passkey]").hidden`

// touch presses the button that asks for a passkey, and then the device.
func (d *device) touch(status int64, name string) *tab {
	d.b.v.t.Helper()
	d.b.until("the button is there", `[...document.querySelectorAll("button")].some((e) => e.textContent === `+quoted(name)+` && e.checkVisibility())`)
	d.b.choose(button(name))
	d.b.load(status, "touch the device", webauthn.SetAutomaticPresenceSimulation(d.id, true))
	d.quiet(true)
	return d.b
}

// until waits until the page says so.
func (b *tab) until(what, so string) {
	b.v.t.Helper()
	b.v.until(what, func() (is bool) { b.evaluate(so, &is); return is })
}

// quiet lets the device not answer, or answer again.
func (d *device) quiet(yes bool) {
	d.b.v.t.Helper()
	d.b.run("leave the device", webauthn.SetAutomaticPresenceSimulation(d.id, !yes))
}
