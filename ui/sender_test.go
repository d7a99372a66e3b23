package ui_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/mailbox/sender"
	"github.com/resetdesk/resetdesk/mailbox/sender/sendertest"
	"github.com/resetdesk/resetdesk/review"
)

// senderWorld is a desk whose name server knows the key of acme.example, and
// that trusts its own mail server.
func senderWorld() (*sendertest.Signer, func(*review.Config)) {
	s := &sendertest.Signer{Domain: "acme.example", Selector: "k1", Key: sendertest.NewKey(), Headers: "from:to:cc:subject:date:message-id:reply-to", Dated: true}
	z := sendertest.Zone{"_dmarc.acme.example": {"v=DMARC1; p=reject; rua=mailto:<script>@acme.example"}}
	s.Publish(z)
	return s, func(c *review.Config) {
		c.Resolver = z
		c.Trust = sender.Trust{Mode: sender.TrustRFC8601, AuthservIDs: []string{"mx.host.example"}, Boundary: 1, Position: sender.AboveBoundary}
	}
}

// signedMail is a mail from acme.example as our own server delivered it. lines
// are further header lines.
func signedMail(s *sendertest.Signer, from, text string, lines ...string) string {
	mail := "From: " + from + "\r\nTo: support@host.example\r\nSubject: 2FA reset for jane\r\nDate: " + time.Now().Format(time.RFC1123Z) +
		"\r\nMessage-ID: <m" + time.Now().Format("150405.000000") + "@acme.example>\r\n" + strings.Join(append(lines, ""), "\r\n") +
		"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + text + "\r\n"
	return "Return-Path: <bounce@acme.example>\r\n" +
		"Authentication-Results: mx.host.example; dkim=pass header.d=acme.example; spf=pass smtp.mailfrom=other.example\r\n" +
		"Received: from out.acme.example (out.acme.example [192.0.2.10]) by mx.host.example with ESMTPS id 4Xy1; " + time.Now().Format(time.RFC1123Z) + "\r\n" +
		s.Sign(mail, time.Now()) + "Received: from <img src=x onerror=alert(1)> by hop1.acme.example; " + time.Now().Format(time.RFC1123Z) + "\r\n" +
		"Authentication-Results: mx.elsewhere.example; dkim=pass header.d=claimed.example\r\n" + mail
}

// The page of a case shows what the sender's verdict rests on, and none of it is
// more than text (sender-verification 8).
func TestSenderEvidence(t *testing.T) {
	signer, trust := senderWorld()
	inHouse(t, func(t *testing.T, h *house) {
		h.enroll("U-2")
		time.Sleep(time.Minute)
		h.receive(signedMail(signer, "=?utf-8?q?=D0=90nna_=3Cb=3E=E2=80=AE?= <anna@acme.example>", lostPhone, "Reply-To: <i onclick=x> other@evil.example"))
		rita, _ := h.signIn("rita", review.Admin)
		page := rita.get("/cases/" + h.text(`SELECT number FROM reset_case`))
		if dir := os.Getenv("RESETDESK_PAGES"); dir != "" {
			keepPage(t, dir, "case", page.body)
		}
		page.want(t, 200,
			"The domain acme.example signed this message, but not everything", "Not proved: that the mail was meant for us",
			"chosen by the sender, not verified", "А U&#43;0410, U&#43;202E", "Аnna &lt;b&gt;⟨U&#43;202E⟩",
			"One plain sender address</b> <span class=\"state\">passed", "Other fields that name a sender</b> <span class=\"state\">lowers to: partly checked",
			"F_REPLYTO_DIFF", "rsa-sha256, 2048 bits", "v=DKIM1; k=rsa; p=", "From signed", "Content-Type unsigned", "Cc sealed", "In-Reply-To absent",
			"Our mailbox stands in the signed To.", "Signed by acme.example", "not seen before", "This is the first mail that names this registered address.",
			"Signer acme.example, selector k1: seen for the first time.", "Other fields that name a sender: 1 differs",
			"&lt;i onclick=x&gt; other@evil.example", "Our own server took it in:", "from out.acme.example", "Earlier hops, claimed (1)", "&lt;img src=x onerror=alert(1)&gt;")
		for _, bad := range []string{"<img", "<i onclick", "\u202e", "claimed.example; ", `href="mailto:`} {
			if strings.Contains(page.body, bad) {
				t.Errorf("the page carries %q", bad)
			}
		}
	}, trust)
}

// keepPage writes a page with its style sheet to a folder, to be looked at.
func keepPage(t *testing.T, dir, name, body string) {
	t.Helper()
	css, err := os.ReadFile("static/desk.css")
	if err != nil {
		t.Fatal(err)
	}
	body = strings.Replace(body, "</head>", "<style>"+string(css)+"</style></head>", 1)
	for file, text := range map[string]string{name + ".html": body, name + "-open.html": strings.ReplaceAll(body, "<details>", "<details open>")} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Quarantined and parked mails show the same, and a mail whose bytes were
// forgotten, or that an earlier version judged, still has its page.
func TestSenderEvidenceOfOtherMails(t *testing.T) {
	signer, trust := senderWorld()
	inHouse(t, func(t *testing.T, h *house) {
		h.receive(signedMail(signer, "anna@acme.example", "Invoice attached."))
		h.receive(signedMail(signer, "anna@acme.example\r\nFrom : eve@evil.example", lostPhone))
		h.receive(signedMail(signer, "anna@acrne.example", lostPhone))
		h.receive(strings.Replace(signedMail(signer, "anna@acme.example", lostPhone), "\tbh=", "\tbh=AAAA", 1))
		rita, _ := h.signIn("rita", review.Admin)
		rita.get("/mails/1").want(t, 200, "The domain acme.example signed this exact message for our mailbox.", "This does not prove which person at acme.example wrote it.",
			"Our mailbox stands in the signed To.", "spf=pass smtp.mailfrom=other.example", "pass, says our own server", "Our own server took it in:", "Earlier hops, claimed (1)", `<dt>Untrusted results</dt><dd>1 <span`)
		rita.get("/mails/2").want(t, 200, "Structure of the header</b> <span class=\"state\">lowers to: quarantined", "H_BAD_NAME", "Registered address</b> <span class=\"state\">not looked at")
		h.receive(signedMail(signer, "anna@acme.example", "Another invoice."))
		rita.get("/mails/5").want(t, 200, "earlier mails named this address since", "Signer acme.example, selector k1: known from earlier mails.")
		rita.get("/mails/4").want(t, 200, "P_DMARC_FAIL", "The domain asks to reject mail in its name that fails (DMARC).", "v=DMARC1; p=reject; rua=mailto:&lt;script&gt;@acme.example")
		page := rita.get("/mails/3").want(t, 200, "<mark>rn</mark>", "<mark>m</mark>", "F_LOOKALIKE", "Nothing in it can be relied on.")
		if dir := os.Getenv("RESETDESK_PAGES"); dir != "" {
			keepPage(t, dir, "lookalike", page.body)
			keepPage(t, dir, "authenticated", rita.get("/mails/1").body)
		}
	}, trust)
}
