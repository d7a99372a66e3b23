package api_test

import (
	"bytes"
	"context"
	"encoding/base32"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// A confirm whose answer was lost is repeated and gives the same codes.
func TestRepeat(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.ask("PUT", "/accounts/A-1001", acme).want(t, 201)
		begin := body("account", "jane")
		e := h.ask("POST", "/users/U-2/totp", begin, "Idempotency-Key", "b1").want(t, 201)
		again := h.ask("POST", "/users/U-2/totp", begin, "Idempotency-Key", "b1").want(t, 201)
		if again.text != e.text || again.header.Get("Idempotent-Replay") != "true" || e.header.Get("Idempotent-Replay") != "" {
			t.Errorf("begin again: %s %v", again.text, again.header)
		}
		p := &phone{h: h, secret: e.str("secret")}
		proof := body("enrollment", e.str("enrollment"), "code", p.fresh())
		first := h.ask("POST", "/users/U-2/totp/confirm", proof, "Idempotency-Key", "c1").want(t, 200)
		time.Sleep(time.Hour)
		if again := h.ask("POST", "/users/U-2/totp/confirm", proof, "Idempotency-Key", "c1").want(t, 200); again.text != first.text {
			t.Errorf("confirm again: %s, first %s", again.text, first.text)
		}
		// A refusal is repeated too: the wrong code is counted once.
		for range 2 {
			h.ask("POST", "/users/U-2/backup-codes", body("code", "000000"), "Idempotency-Key", "w1").problem(t, 422, "code-invalid")
		}
		if st := h.ask("GET", "/users/U-2/2fa", ""); st.json["failures"].(float64) != 1 {
			t.Errorf("failures: %s", st.text)
		}
		// An account that is written again with the tag that it had before.
		tag := h.ask("GET", "/accounts/A-1001", "").header.Get("ETag")
		change := strings.Replace(acme, "ACME GmbH", "ACME AG", 1)
		one := h.ask("PUT", "/accounts/A-1001", change, "If-Match", tag, "Idempotency-Key", "p1").want(t, 200)
		two := h.ask("PUT", "/accounts/A-1001", change, "If-Match", tag, "Idempotency-Key", "p1").want(t, 200)
		if one.header.Get("ETag") != two.header.Get("ETag") || one.header.Get("ETag") == tag {
			t.Error("the tag of a repeat is another")
		}
		// 204 has no body to keep
		for range 2 {
			h.ask("DELETE", "/accounts/A-1001/users/U-2", "", "Idempotency-Key", "d1").want(t, 204)
		}
	})
}

func TestRepeatOfAnotherRequest(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.ask("PUT", "/accounts/A-1001", acme, "Idempotency-Key", "k").want(t, 201)
		h.ask("PUT", "/accounts/A-1001", strings.Replace(acme, "ACME", "Acme", 1), "Idempotency-Key", "k").problem(t, 422, "key-reused")
		h.ask("PUT", "/accounts/A-1002", acme, "Idempotency-Key", "k").problem(t, 422, "key-reused")
		h.ask("DELETE", "/accounts/A-1001", "", "Idempotency-Key", "k").problem(t, 422, "key-reused")
		// The same name of another key is another request.
		other := h.addKey(review.APIKey{Name: "other", Scopes: review.Scopes})
		a := h.ask("PUT", "/accounts/A-1001", acme, "Idempotency-Key", "k", "Authorization", "Bearer "+other)
		if a.header.Get("Idempotent-Replay") != "" {
			t.Errorf("a key got the answer of another one: %d %s", a.status, a.text)
		}
		a = h.ask("DELETE", "/accounts/A-1001", "", "Idempotency-Key", "k2", "Authorization", "Bearer "+other).want(t, 204)
		if n := h.count(`SELECT count(*) FROM idempotency`); n != 3 {
			t.Errorf("%d claims", n)
		}
	})
}

// Sixty-four at once: one act, one answer.
func TestRepeatAtOnce(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.enroll()
		proof := body("code", p.fresh())
		var mu sync.Mutex
		answers := map[string]int{}
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				a := h.ask("POST", "/users/U-2/backup-codes", proof, "Idempotency-Key", "once")
				mu.Lock()
				defer mu.Unlock()
				switch {
				case a.status == 200:
					answers[a.text]++
				case a.status != 409 || a.json["type"] != "/api/v1/problems#in-progress" || a.header.Get("Retry-After") == "":
					t.Errorf("%d %s", a.status, a.text)
				}
			})
		}
		all.Wait()
		if len(answers) != 1 {
			t.Errorf("%d different answers", len(answers))
		}
		if n := h.count(`SELECT count(*) FROM backup_set`); n != 2 {
			t.Errorf("%d sets of codes, want the first and one more", n)
		}
		a := h.ask("POST", "/users/U-2/backup-codes", proof, "Idempotency-Key", "once").want(t, 200)
		if answers[a.text] == 0 {
			t.Error("a later repeat got another answer")
		}
	})
}

// The program stops between the act and its answer: nobody is told that it was
// done, nobody that it was not, and it is not done a second time.
func TestRepeatAfterCrash(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.enroll()
		proof := body("code", p.fresh())
		if _, err := h.sql().Exec(`CREATE TRIGGER cut BEFORE UPDATE ON idempotency BEGIN SELECT RAISE(ABORT, 'cut'); END`); err != nil {
			t.Fatal(err)
		}
		a := h.ask("POST", "/users/U-2/backup-codes", proof, "Idempotency-Key", "cut").problem(t, 500, "internal")
		if a.str("reference") == "" || strings.Contains(a.text, "cut\"") || !strings.Contains(h.log.String(), a.str("reference")) {
			t.Errorf("internal %s, log %s", a.text, h.log)
		}
		if _, err := h.sql().Exec(`DROP TRIGGER cut`); err != nil {
			t.Fatal(err)
		}
		if err := h.desk.Close(); err != nil {
			t.Fatal(err)
		}
		h.open()
		a = h.ask("POST", "/users/U-2/backup-codes", proof, "Idempotency-Key", "cut").problem(t, 409, "outcome-unknown")
		if !strings.Contains(a.str("detail"), "GET /api/v1/users/U-2/2fa") {
			t.Errorf("it says %s", a.str("detail"))
		}
		if n := h.count(`SELECT count(*) FROM backup_set`); n != 2 {
			t.Errorf("%d sets of codes", n)
		}
		// The caller reads and goes on.
		h.ask("POST", "/users/U-2/backup-codes", body("code", p.fresh()), "Idempotency-Key", "next").want(t, 200)
	})
}

// hangUp is a body at whose end the caller is gone.
type hangUp struct {
	*strings.Reader
	gone func()
}

func (b hangUp) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.Len() == 0 {
		b.gone()
	}
	return n, err
}

// Who hangs up gets the answer later: the act is not cut in half.
func TestHangUp(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		p := h.enroll()
		proof := body("code", p.fresh())
		ctx, gone := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, "POST", base+"/api/v1/users/U-2/backup-codes", hangUp{strings.NewReader(proof), gone})
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + h.key}, "Content-Type": {"application/json"}, "Idempotency-Key": {"gone"}}
		if _, err := (direct{h.api}).RoundTrip(r); err != nil {
			t.Fatal(err)
		}
		if ctx.Err() == nil {
			t.Fatal("still there")
		}
		a := h.ask("POST", "/users/U-2/backup-codes", proof, "Idempotency-Key", "gone").want(t, 200)
		if a.header.Get("Idempotent-Replay") != "true" || len(a.json["codes"].([]any)) != 10 {
			t.Errorf("repeat %s", a.text)
		}
	})
}

// Answers are forgotten after a day.
func TestAnswersAreForgotten(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.ask("PUT", "/accounts/A-1001", acme, "Idempotency-Key", "old").want(t, 201)
		time.Sleep(23 * time.Hour)
		h.ask("PUT", "/accounts/A-1001", acme, "Idempotency-Key", "new").want(t, 200)
		if h.ask("PUT", "/accounts/A-1001", acme, "Idempotency-Key", "old").want(t, 201).header.Get("Idempotent-Replay") == "" {
			t.Error("forgotten within the day")
		}
		time.Sleep(2 * time.Hour)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		h.desk.Run(ctx)
		if n := h.count(`SELECT count(*) FROM idempotency WHERE name = 'old'`); n != 0 {
			t.Error("kept after a day")
		}
		if n := h.count(`SELECT count(*) FROM idempotency WHERE name = 'new'`); n != 1 {
			t.Error("the other one is gone too")
		}
	})
}

// No secret is in the database or in the log: not the token, the secret, a backup
// code or a code, though answers with all of them are kept for repeats.
func TestNoSecretIsKept(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.ask("PUT", "/accounts/A-1001", acme, "Idempotency-Key", "1").want(t, 201)
		e := h.ask("POST", "/users/U-2/totp", body("account", "jane"), "Idempotency-Key", "2").want(t, 201)
		p := &phone{h: h, secret: e.str("secret")}
		used := p.fresh()
		done := h.ask("POST", "/users/U-2/totp/confirm", body("enrollment", e.str("enrollment"), "code", used), "Idempotency-Key", "3").want(t, 200)
		h.ask("POST", "/users/U-2/verify", body("channel", "web", "code", p.fresh()), "Idempotency-Key", "4").want(t, 200)
		if _, err := h.sql().Exec(`CREATE TRIGGER cut BEFORE UPDATE ON holder BEGIN SELECT RAISE(ABORT, 'cut'); END`); err != nil {
			t.Fatal(err)
		}
		h.ask("POST", "/users/U-2/verify", body("channel", "web", "code", p.fresh()), "Idempotency-Key", "5").problem(t, 500, "internal")
		raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(p.secret)
		if err != nil {
			t.Fatal(err)
		}
		secrets := []string{h.key, strings.TrimPrefix(h.key, "rdk_"), p.secret, string(raw), e.str("enrollment"), strings.ReplaceAll(e.str("grouped"), " ", "")}
		for _, c := range done.json["codes"].([]any) {
			secrets = append(secrets, c.(string), strings.ReplaceAll(c.(string), "-", ""))
		}
		files := h.log.Bytes()
		for _, end := range []string{"", "-wal"} {
			b, err := os.ReadFile(h.path + end)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, b...)
		}
		if !bytes.Contains(files, []byte("anna@acme.example")) {
			t.Fatal("the scan sees nothing")
		}
		for i, s := range secrets {
			if bytes.Contains(files, []byte(s)) {
				t.Errorf("secret %d is there", i)
			}
		}
		if strings.Contains(h.log.String(), used) || !strings.Contains(h.log.String(), "reference=") {
			t.Errorf("log %s", h.log)
		}
	})
}

// "Later" is no answer to keep: the same request under the same name is done when
// it comes again in time.
func TestRepeatOfTooMany(t *testing.T) {
	inHouse(t, func(t *testing.T, h *house) {
		h.ask("PUT", "/accounts/A-1001", acme).want(t, 201)
		signal := body("type", "login_failed")
		for n := range 60 {
			h.ask("POST", "/users/U-2/signals", signal, "Idempotency-Key", fmt.Sprint("s", n)).want(t, 204)
		}
		h.ask("POST", "/users/U-2/signals", signal, "Idempotency-Key", "late").problem(t, 429, "too-many-requests")
		time.Sleep(time.Hour)
		for range 2 {
			h.ask("POST", "/users/U-2/signals", signal, "Idempotency-Key", "late").want(t, 204)
		}
		if n := h.count(`SELECT count(*) FROM signal`); n != 61 {
			t.Errorf("%d signals", n)
		}
	})
}
