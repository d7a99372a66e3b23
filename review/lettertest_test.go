package review_test

import (
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

// Promise 3: a test of a letter goes to the address of who asks, and is marked.
func TestSendTest(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		vera := h.reviewer("vera@host.example", "Vera", review.Viewer)
		wantKind(t, "no letter", h.desk.SendTest(ctx, vera, "en", "x"), review.Invalid)
		wantKind(t, "no language", h.desk.SendTest(ctx, vera, "xx", "cleared"), review.Invalid)
		for range 10 {
			if err := h.desk.SendTest(ctx, vera, "de", "cleared"); err != nil {
				t.Fatal(err)
			}
		}
		wantKind(t, "the eleventh within an hour", h.desk.SendTest(ctx, vera, "de", "cleared"), review.TooMany)
		got := h.post()
		if len(got) != 10 {
			t.Fatalf("%d letters", len(got))
		}
		for _, l := range got {
			if l.to != "vera@host.example" || !strings.HasPrefix(l.subject, "TEST ") || !strings.Contains(l.text, "A test that you sent to yourself") {
				t.Errorf("to %s: %q %q", l.to, l.subject, l.text)
			}
		}
		if n := h.count(`SELECT count(*) FROM audit WHERE action = 'letter.tested'`); n != 10 {
			t.Errorf("%d events", n)
		}
		h.sound()
	})
}
