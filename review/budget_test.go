package review_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// A flood of requests sets off no flood of letters: within any hour no more than
// the budget, and in the end every one of them. What a person decided goes out at
// once, and staff see why the others wait.
func TestBudgetOfAnHour(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Budget = review.Budget{Hour: 10} }, func(t *testing.T, h *house) {
		const accounts = 40
		file := accountsFile
		for i := range accounts {
			file += fmt.Sprintf("F-%d,Flood %d,en,FU-%d,user%d,admin%d@flood.example,admin,0,,\n", i, i, i, i, i)
		}
		h.importFile(file)
		v, letters := h.ask("anna@acme.example", forUser("jane"))
		first := len(letters)
		h.answer(confirmToken(t, letters, "anna@acme.example"), review.Reply{Yes: true, UserID: v.UserID})
		for i := range accounts {
			h.deliver(request(fmt.Sprintf("admin%d@flood.example", i), "2FA reset", fmt.Sprintf("I lost my phone. Please reset the two-factor authentication of the user \"user%d\".", i)))
		}
		if n := h.count(`SELECT count(*) FROM letter WHERE kind = 'acknowledgement' AND state = 'queued'`); n != accounts {
			t.Fatalf("%d acknowledgements wait, want %d", n, accounts)
		}
		sent := map[time.Time]int{time.Now(): first}
		most := func() (n int) {
			for at, k := range sent {
				if time.Since(at) < time.Hour {
					n += k
				}
			}
			return n
		}
		sent[time.Now()] += len(h.post())
		if n := most(); n != 10 {
			t.Errorf("%d letters in the first moment, want 10", n)
		}
		tr, err := h.desk.LetterTrouble(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if lines := tr.Lines(); tr.PutOff != accounts+first-10 || len(lines) != 1 || !strings.Contains(lines[0], "Letters wait") {
			t.Errorf("%d are put off: %q", tr.PutOff, lines)
		}
		if out := h.vote(h.rita, v.Number); !out.Cleared {
			t.Fatal("not cleared")
		}
		decided := h.post()
		if n := len(decided); n < 3 {
			t.Errorf("%d letters tell of the reset at once", n)
		}
		for _, l := range decided {
			if strings.Contains(headerOf(t, l.raw, "Message-Id"), ".acknowledgement.") {
				t.Error("an acknowledgement over the budget")
			}
		}
		for hours := 0; h.count(`SELECT count(*) FROM letter WHERE state = 'queued'`) > 0; hours++ {
			if hours > 12 {
				t.Fatal("letters wait for ever")
			}
			for range 6 {
				time.Sleep(10 * time.Minute)
				sent[time.Now()] += len(h.post())
				if n := most(); n > 10 {
					t.Fatalf("%d letters within an hour", n)
				}
			}
		}
		if tr, err = h.desk.LetterTrouble(t.Context()); err != nil || tr.PutOff != 0 {
			t.Errorf("%d are put off, %v", tr.PutOff, err)
		}
	})
}

// One account hears of two requests an hour, and of the others later.
func TestBudgetOfAnAccount(t *testing.T) {
	inHouse(t, func(c *review.Config) { c.Budget = review.Budget{Account: 2} }, func(t *testing.T, h *house) {
		acks := func() (n int) {
			for _, l := range h.post() {
				if strings.Contains(headerOf(t, l.raw, "Message-Id"), ".acknowledgement.") {
					n++
				}
			}
			return n
		}
		for i, want := range []int{1, 1, 0} {
			h.deliver(request("anna@acme.example", "2FA reset", forUser("jane")))
			if n := acks(); n != want {
				t.Errorf("request %d: %d acknowledgements, want %d", i, n, want)
			}
			c := h.onlyCase()
			if err := h.desk.CloseCase(t.Context(), h.rita, decision(c, "not_a_request", "")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
		}
		h.deliver(request("piet@beta.example", "2FA reset", forUser("sanne")))
		if n := acks(); n != 1 {
			t.Errorf("another account: %d acknowledgements", n)
		}
		time.Sleep(29 * time.Minute)
		if n := acks(); n != 0 {
			t.Errorf("before an hour has passed: %d", n)
		}
		time.Sleep(time.Minute)
		if n := acks(); n != 1 {
			t.Errorf("an hour after the first: %d", n)
		}
	})
}

// The days until a letter is given up count from its first attempt: one that waited
// for its turn is not given up at its first refusal.
func TestGiveUpCountsFromTheFirstAttempt(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.deliver(request("piet@beta.example", "2FA reset", forUser("sanne")))
		time.Sleep(6 * 24 * time.Hour)
		l, ok, err := h.desk.Claim(t.Context())
		if err != nil || !ok || !l.Since.Equal(time.Now()) {
			t.Errorf("since %s, %t, %v", l.Since, ok, err)
		}
	})
}
