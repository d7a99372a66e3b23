package review_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

// The link that lets somebody in goes to that person by mail and is nowhere else,
// or one admin could be two persons. A new one voids the one before.
func TestInvitationIsMailedOnly(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		invite := func(email string) error {
			return h.desk.Welcome(ctx, h.rita, h.fresh(h.rita.Reviewer.Holder), email, "Ina", review.Admin)
		}
		if err := invite("Ina@host.example"); err != nil {
			t.Fatal(err)
		}
		letters := h.post()
		first := invitationTo(t, letters, "ina@host.example")
		if len(letters) != 1 {
			t.Errorf("%d letters, told %s", len(letters), told(letters))
		}
		if r, err := h.desk.Invitation(ctx, first); err != nil || r.Email != "ina@host.example" {
			t.Errorf("the mailed link: %+v, %v", r, err)
		}
		files, err := filepath.Glob(h.path + "*")
		if err != nil || len(files) == 0 {
			t.Fatalf("%q, %v", files, err)
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(data, []byte(first)) {
				t.Errorf("the token stands in %s", filepath.Base(f))
			}
		}
		if err := invite("ina@host.example"); err != nil {
			t.Fatal(err)
		}
		second := invitationTo(t, h.post(), "ina@host.example")
		_, err = h.desk.Invitation(ctx, first)
		wantKind(t, "the link of before", err, review.NotFound)
		r, err := h.desk.Invitation(ctx, second)
		if err != nil {
			t.Fatal(err)
		}
		ina := review.Change{Reviewer: r.ID, Code: h.fresh(h.rita.Reviewer.Holder)}
		if err := h.desk.Disable(ctx, h.rita, ina); err != nil {
			t.Fatal(err)
		}
		wantKind(t, "inviting who is disabled", invite("ina@host.example"), review.Conflict)
		if got := told(h.post()); got != "" {
			t.Errorf("told of it: %s", got)
		}
	})
}

// Whoever stops being an admin while giving the code does nothing with it any more.
func TestAdminNoMoreAfterTheStepUp(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		ctx := t.Context()
		h.reviewer("mia@host.example", "Mia", review.Admin) // or the last admin stays
		if _, err := h.sql().Exec(`CREATE TRIGGER demoted AFTER INSERT ON session WHEN NEW.reviewer_id = 1 AND NEW.follows IS NOT NULL
			BEGIN UPDATE reviewer SET role = 'viewer' WHERE id = 1; END`); err != nil {
			t.Fatal(err)
		}
		promote := func() {
			if _, err := h.sql().Exec(`UPDATE reviewer SET role = 'admin' WHERE id = 1`); err != nil {
				t.Fatal(err)
			}
		}
		wantKind(t, "inviting", h.desk.Welcome(ctx, h.rita, h.fresh(h.rita.Reviewer.Holder), "ina@host.example", "Ina", review.Admin), review.Denied)
		promote()
		_, _, err := h.desk.CreateAPIKey(ctx, h.rita, h.fresh(h.rita.Reviewer.Holder), review.APIKey{Name: "billing", Scopes: review.Scopes})
		wantKind(t, "making an API key", err, review.Denied)
		if n := h.count(`SELECT (SELECT count(*) FROM api_key) + (SELECT count(*) FROM reviewer WHERE name = 'Ina') + (SELECT count(*) FROM letter WHERE reviewer_id IS NOT NULL)`); n != 0 {
			t.Errorf("%d rows were written", n)
		}
	})
}
