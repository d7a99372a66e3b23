package review_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
)

func plainText(t testing.TB, raw []byte) string {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := multipart.NewReader(m.Body, params["boundary"]).NextRawPart()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(p))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// The whole story: lost phone, mail, case, letters, owner's yes, approval,
// reset, pass, new enrollment; and nothing of the old factor works on the way.
func TestStory(t *testing.T) { inHouse(t, nil, story) }

func story(t *testing.T, h *house) {
	ctx := t.Context()
	h.deliver(request("anna@acme.example", "2FA reset for jane", lostPhone))
	v := h.onlyCase()
	if v.AccountID != "A-1001" || v.UserLogin != "jane" || v.State != review.StateOpen {
		t.Fatalf("case is %s %s %s", v.AccountID, v.UserLogin, v.State)
	}
	letters := h.post()
	if len(letters) != 4 {
		t.Fatalf("%d letters, want acknowledgement and three notices: %q", len(letters), letters)
	}
	confirm := token(t, letters, "anna@acme.example", "Bitte bestätigen")
	owner, err := h.desk.Owner(ctx, confirm)
	if err != nil || !owner.CanAnswer || owner.Purpose != "confirm" || owner.User != "jane" {
		t.Fatalf("owner page %+v, %v", owner, err)
	}

	out, err := h.approve(h.rita, h.onlyCase())
	if err != nil || out.Cleared {
		t.Fatalf("approval before the owner's yes: %+v, %v", out, err)
	}
	if err := h.desk.Answer(ctx, confirm, review.Reply{Yes: true, IP: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	v = h.onlyCase()
	if v.State != review.StateCleared {
		t.Fatalf("the case is %s: %+v", v.State, v.Requirements)
	}
	if st, err := h.desk.Book().Status(ctx, "U-2"); err != nil || st.Enrolled || !st.PassRequired {
		t.Fatalf("status %+v, %v", st, err)
	}
	if _, err := h.desk.Book().Verify(ctx, "U-2", h.codeAt("U-2", time.Now()), totp.Web); err == nil {
		t.Fatal("the old phone still works")
	}
	if _, err := h.desk.Book().Begin(ctx, "U-2", "jane", totp.Proof{}); !errors.Is(err, totp.ErrPassRequired) {
		t.Fatalf("enrolling without a pass: %v", err)
	}

	letters = h.post()
	pass := ""
	for _, l := range letters {
		if l.to == "jane@acme.example" {
			for line := range strings.Lines(l.text) {
				if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "Code"); ok && pass == "" {
					pass = strings.TrimSpace(rest)
				}
			}
		} else if strings.Contains(l.text, "Code        ") {
			t.Errorf("the pass went to %s", l.to)
		}
	}
	if pass == "" || len(letters) != 5 {
		t.Fatalf("no pass in %d letters %q", len(letters), letters)
	}
	h.enroll("U-2", pass)
	if _, err := h.desk.Book().Verify(ctx, "U-2", h.codeAt("U-2", time.Now()), totp.Web); err != nil {
		t.Fatalf("the new phone: %v", err)
	}
	if head, err := h.desk.VerifyAudit(ctx); err != nil || head.Seq == 0 {
		t.Fatalf("audit %+v, %v", head, err)
	}
}

func headerOf(t testing.TB, raw []byte, name string) string {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return m.Header.Get(name)
}
