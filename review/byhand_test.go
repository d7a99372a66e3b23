package review_test

import (
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

func byPhone(user string) review.HandRequest {
	return review.HandRequest{Account: "A-1001", User: user, Channel: "phone", Source: "call 4711, 14:02", Reason: "Jane lost her phone"}
}

// Promises 3 and 4: a call starts a case and proves nothing. The owner confirms, and
// who wrote the call down is not the only one who approves.
func TestOpenByHand(t *testing.T) {
	for name, c := range map[string]struct {
		policy review.Policy
		alone  bool
	}{"balanced": {review.Balanced, false}, "small team": {review.SmallTeam, true}} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(c1 *review.Config) { c1.Policy = c.policy }, func(t *testing.T, h *house) {
				number, err := h.desk.OpenByHand(t.Context(), h.sam, byPhone("U-2"))
				if err != nil {
					t.Fatal(err)
				}
				letters := h.post()
				v := h.view(number)
				if v.Hand == nil || v.Hand.By != "Sam" || v.Hand.Source != "call 4711, 14:02" || v.InPanel || v.Requester != "anna@acme.example" || v.Risk.Level != review.High {
					t.Fatalf("%+v, %+v", v.Hand, v.Risk)
				}
				for _, l := range letters {
					if !strings.Contains(l.text, "telefonisch") || strings.Contains(l.text, "4711") || strings.Contains(l.text, "Sam") {
						t.Errorf("to %s: %s", l.to, l.text)
					}
				}
				h.vote(h.sam, number)
				h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true})
				if v := h.view(number); v.Risk.Level != review.Medium {
					t.Errorf("confirmed: %+v", v.Risk)
				}
				time.Sleep(24*time.Hour + time.Minute)
				h.work()
				v = h.view(number)
				if got := v.State == review.StateCleared; got != c.alone {
					t.Fatalf("%s: %+v", v.State, v.Requirements)
				}
				if n := h.count(`SELECT count(*) FROM audit WHERE action = 'case.decided_alone' AND object = $1`, number); n != map[bool]int{true: 1}[c.alone] {
					t.Errorf("%d events say that one person decided", n)
				}
				if !c.alone {
					if out := h.vote(h.rita, number); !out.Cleared {
						t.Errorf("with another reviewer: %+v", h.view(number).Requirements)
					}
				}
				h.sound()
			})
		})
	}
}

// What is missing is asked for, and nothing is left of a refused case.
func TestOpenByHandRefused(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		vera := h.reviewer("vera@host.example", "Vera", review.Viewer)
		h.reviewer("jane@acme.example", "Jane", review.Decider)
		before := h.count(`SELECT count(*) FROM reset_case`)
		for name, c := range map[string]struct {
			change func(*review.HandRequest)
			want   review.Kind
		}{
			"nobody":          {func(r *review.HandRequest) { r.User = "" }, review.Invalid},
			"no source":       {func(r *review.HandRequest) { r.Source = " " }, review.Invalid},
			"a long source":   {func(r *review.HandRequest) { r.Source = strings.Repeat("x", 201) }, review.Invalid},
			"no reason":       {func(r *review.HandRequest) { r.Reason = "" }, review.Invalid},
			"no way":          {func(r *review.HandRequest) { r.Channel = "pigeon" }, review.Invalid},
			"another account": {func(r *review.HandRequest) { r.User = "U-3" }, review.Conflict},
			"no account":      {func(r *review.HandRequest) { r.Account = "A-9" }, review.Conflict},
		} {
			in := byPhone("U-2")
			c.change(&in)
			_, err := h.desk.OpenByHand(ctx, h.rita, in)
			wantKind(t, name, err, c.want)
		}
		_, err := h.desk.OpenByHand(ctx, vera, byPhone("U-2"))
		wantKind(t, "a viewer", err, review.Denied)
		if n := h.count(`SELECT count(*) FROM reset_case`); n != before {
			t.Fatalf("%d cases", n)
		}
		v, _ := h.ask("anna@acme.example", forUser("jane"))
		_, err = h.desk.OpenByHand(ctx, h.rita, byPhone("U-2"))
		if wantKind(t, "a second case", err, review.Conflict); !strings.Contains(err.Error(), v.Number) {
			t.Errorf("%v does not name %s", err, v.Number)
		}
	})
}

// Owners are not mailed all day by one reviewer.
func TestOpenByHandBudget(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		for i := range 4 {
			number, err := h.desk.OpenByHand(t.Context(), h.rita, byPhone("U-2"))
			if i == 3 {
				wantKind(t, "the fourth of a day", err, review.TooMany)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := h.desk.Reject(t.Context(), h.sam, decision(h.view(number), "unconfirmed", "no")); err != nil {
				t.Fatal(err)
			}
		}
	})
}
