package simulation

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
	"github.com/resetdesk/resetdesk/totp"
)

// What the desk does beside the story of a reset: staff, the panel's API, people. What
// is reached stays so, whatever comes after it.
var elsewhere = map[string]goal{
	"claimed": {`SELECT count(*) FROM audit WHERE action = 'case.claimed'`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.ClaimCase(ctx, s, w.theCase(), "")
	})},
	"released": {`SELECT count(*) FROM case_claim WHERE until <= CAST(1000000 * unixepoch('subsec') AS INTEGER)`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.ReleaseCase(ctx, s, w.theCase())
	})},
	"view": {`SELECT count(*) FROM saved_view`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.SaveView(ctx, s, review.SavedView{Name: "mine", Query: "tab=open"})
	})},
	"viewless": {`SELECT count(*) = 0 FROM saved_view`, staff(func(w *town, ctx context.Context, s review.Session) error {
		_, err := w.prog.desk.RemoveView(ctx, s, "mine")
		return err
	})},
	"exported": {`SELECT count(*) FROM audit WHERE action LIKE '%export%'`, staff(func(w *town, ctx context.Context, s review.Session) error {
		_, err := w.prog.desk.ExportAccount(ctx, s, "A-1")
		return err
	})},
	"audit exported": {`SELECT count(*) FROM audit WHERE action = 'audit.exported'`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.ExportAudit(ctx, s, review.AuditFilter{}, "csv", func([]chain.Event) error { return nil })
	})},
	"test letter": {`SELECT count(*) FROM letter WHERE kind = 'test'`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.SendTest(ctx, s, "en", "cleared")
	})},
	"threatened": {`SELECT count(*) FROM threat_turn`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.SwitchThreat(ctx, s, true, "a wave of calls", "")
	})},
	"calm": {`SELECT count(*) = 2 FROM threat_turn`, onHost(func(w *town, ctx context.Context) error {
		return w.prog.desk.SwitchThreatOnHost(ctx, false, "it is over")
	})},
	"held": {`SELECT count(*) FROM reset_case WHERE state = 'held'`, func(w *town) {
		w.decideNow(func(s review.Session, in review.Decision) error { return w.prog.desk.Hold(w.t.Context(), s, in) })
	}},
	"frozen": {`SELECT count(*) FROM account_freeze`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.FreezeResets(ctx, s, "A-1", review.Freeze{Until: time.Now().Add(time.Hour), Reason: "they called"})
	})},
	"thawed": {`SELECT count(*) >= 2 FROM account_freeze`, coded(func(w *town, ctx context.Context, s review.Session, code string) error {
		return w.prog.desk.ThawResets(ctx, s, "A-1", "it is over", code)
	})},
	"frozen again": {`SELECT count(*) >= 3 FROM account_freeze`, func(w *town) {
		w.decideNow(func(s review.Session, in review.Decision) error {
			return w.prog.desk.FreezeAccount(w.t.Context(), s, review.Freeze{Number: in.Number, Version: in.Version, Until: time.Now().Add(time.Hour), Reason: "again"})
		})
	}},
	"thawed again": {`SELECT count(*) >= 4 FROM account_freeze`, deed("sam", "thaw")},
	"by hand": {`SELECT count(*) FROM hand_request`, staff(func(w *town, ctx context.Context, s review.Session) error {
		_, err := w.prog.desk.OpenByHand(ctx, s, review.HandRequest{Account: "A-2", User: "U-2", Channel: "phone", Source: "10:15", Reason: "lost the phone"})
		return err
	})},
	"user":    {`SELECT count(*) FROM panel_user WHERE id = 'U-9'`, panel("PUT", "/accounts/A-1/users/U-9", fields{"login": "user9", "email": "user9@company1.example", "role": "user"})},
	"no user": {`SELECT count(*) FROM panel_user WHERE id = 'U-9' AND removed_at IS NOT NULL`, panel("DELETE", "/accounts/A-1/users/U-9", nil)},
	"asked in the panel": {`SELECT count(*) FROM panel_request`, func(w *town) {
		w.call("POST", "/cases", fields{"account": "A-1", "user": "U-1", "password_verified_at": time.Now(), "note": "stolen", "ip": "192.0.2.7"})
	}},
	"signal": {`SELECT count(*) FROM signal WHERE kind = 'login_failed'`, func(w *town) {
		w.call("POST", "/users/U-1/signals", fields{"type": review.LoginFailed, "at": time.Now(), "ip": "192.0.2.7"})
	}},
	"account": {`SELECT count(*) FROM account WHERE id = 'A-9'`,
		panel("PUT", "/accounts/A-9", fields{"name": "Nine", "users": []fields{{"id": "U-90", "login": "ninety", "email": "admin@nine.example", "role": "admin"}}})},
	"no account": {`SELECT count(*) FROM panel_user WHERE id = 'U-90' AND removed_at IS NOT NULL`, panel("DELETE", "/accounts/A-9", nil)},
	"imported": {`SELECT count(*) FROM panel_user WHERE id = 'U-8'`, onHost(func(w *town, ctx context.Context) error {
		file := "account_id,account_name,locale,user_id,login,email,role,api_only,notify\nA-8,Eight,en,U-8,eight,admin@eight.example,admin,0,\n"
		for i := range accounts {
			file += fmt.Sprintf("A-%d,Company %d,en,U-%d,user%d,admin@company%d.example,admin,0,notify@company%d.example\n", i, i, i, i, i, i)
		}
		rows, err := review.ReadAccounts(strings.NewReader(file))
		if err == nil {
			_, err = w.prog.desk.Import(ctx, rows, "test", true, false)
		}
		return err
	})},
	"revoked": {`SELECT count(*) FROM api_key WHERE revoked_at IS NOT NULL`, onHost(func(w *town, ctx context.Context) error {
		keys, err := w.prog.desk.APIKeys(ctx)
		if err != nil {
			return err
		}
		return w.prog.desk.RevokeAPIKey(ctx, keys[0].ID)
	})},
	"sessions ended": {`SELECT count(*) FROM audit WHERE action = 'reviewer.sessions_ended'`, staff(func(w *town, ctx context.Context, s review.Session) error {
		return w.prog.desk.EndSessions(ctx, s, s.Reviewer.ID)
	})},
	"recovered": {`SELECT count(*) FROM audit WHERE action = 'reviewer.recovered'`, onHost(func(w *town, ctx context.Context) error {
		_, _, err := w.prog.desk.Recover(ctx, "ina@host.example", "lost the phone")
		return err
	})},
	"note": {`SELECT count(*) FROM case_note`, func(w *town) {
		w.call("POST", "/cases/"+w.theCase()+"/notes", fields{"text": "the customer called"})
	}},
	"answered once": {`SELECT count(*) FROM idempotency WHERE status = 200`, func(w *town) {
		signal := fields{"type": review.PasswordVerified, "at": time.Now(), "ip": "192.0.2.7"}
		for n := 0; n < 70 && w.call("POST", "/users/U-2/signals", signal) != http.StatusTooManyRequests; n++ {
		}
		w.call("POST", "/users/U-2/signals", signal, "Idempotency-Key", rand.Text()) // refused, and not kept
		w.call("POST", "/users/U-3/guard", fields{"action": "transfer domain"}, "Idempotency-Key", rand.Text())
	}},
	"due": {`SELECT count(*) FROM audit WHERE action = 'account.policy' AND object = 'A-3'`,
		onHost(func(w *town, ctx context.Context) error {
			return w.prog.desk.SetAccountPolicy(ctx, "host", "A-3", review.AccountPolicy{RequiredFrom: totp.Never})
		})},
	"erased": {`SELECT count(*) FROM audit WHERE action LIKE '%erased%'`, onHost(func(w *town, ctx context.Context) error {
		_, err := w.prog.desk.EraseMailBodiesFromHost(ctx, "A-1", "asked for")
		return err
	})},
	"came in": {`SELECT count(*) FROM reviewer r JOIN credential k ON k.user_id = r.holder_id AND k.state = 'active' WHERE r.email = 'ina@host.example'`, (*town).comeIn},
	"disabled": {`SELECT count(*) FROM audit WHERE action = 'reviewer.disabled'`, onHost(func(w *town, ctx context.Context) error {
		return w.prog.desk.HostDisable(ctx, "ina@host.example", false)
	})},
}

// staff does something in the session of a reviewer.
func staff(act func(*town, context.Context, review.Session) error) func(*town) {
	return func(w *town) {
		if _, s, ok := w.session(); ok {
			w.refusedOr(act(w, w.t.Context(), s))
		}
	}
}

// coded does something with a reviewer's code, the first that is good.
func coded(act func(*town, context.Context, review.Session, string) error) func(*town) {
	return func(w *town) {
		who, s, ok := w.session()
		if !ok {
			return
		}
		for _, c := range w.codes(w.secrets[who]) {
			err := act(w, w.t.Context(), s, c)
			if w.refusedOr(err); err == nil {
				return
			}
		}
		time.Sleep(time.Second)
	}
}

func onHost(act func(*town, context.Context) error) func(*town) {
	return func(w *town) { w.refusedOr(act(w, w.t.Context())) }
}

// refusedOr takes a refusal for an answer, and no other error.
func (w *town) refusedOr(err error) {
	if err != nil && review.KindOf(err) == "" {
		w.t.Error(err)
	} else if err != nil {
		fmt.Fprintln(w, err)
	}
}

// comeIn invites somebody from the host, who sets password and second factor. The
// link of a run that ended is lost, and another one comes in its place.
func (w *town) comeIn() {
	ctx, desk := w.t.Context(), w.prog.desk
	token, err := desk.Invite(ctx, "host", "ina@host.example", "Ina", review.Lead)
	if err != nil {
		w.refusedOr(err)
		return
	}
	r, err := desk.AcceptInvitation(ctx, token, password)
	if err != nil {
		w.refusedOr(err)
		return
	}
	e, err := desk.Book().Begin(ctx, r.Holder, "ina", totp.Proof{})
	if err == nil {
		_, err = desk.Book().Confirm(ctx, r.Holder, e.ID, code(w.t, e.Key.Secret().Base32(), time.Now()))
	}
	if err != nil {
		fmt.Fprintln(w, err)
		return
	}
	w.refusedOr(desk.FinishInvitation(ctx, token))
}
