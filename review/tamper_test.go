package review_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/review/chain"
)

// A tamperer has the file, all triggers dropped, and changes the audit. With
// rehash it knows how hashes are made and makes every one anew, as whoever owns
// the machine can.
type tamperer struct {
	name string
	do   func(events []chain.Event, r *rand.Rand) []chain.Event
}

var tamperers = []tamperer{
	{"edit", func(all []chain.Event, r *rand.Rand) []chain.Event {
		e := &all[r.IntN(len(all))]
		switch r.IntN(7) {
		case 0:
			e.Actor += "x"
		case 1:
			e.Action = "case.noted"
		case 2:
			e.Object += "9"
		case 3:
			e.Detail = fmt.Sprintf(`{"n":%d}`, r.Uint32())
		case 4:
			e.At += 1 + r.Int64N(1e9)
		case 5:
			e.IP += "7"
		case 6:
			e.Request = fmt.Sprint(r.Uint32())
		}
		return all
	}},
	{"delete", func(all []chain.Event, r *rand.Rand) []chain.Event {
		i := r.IntN(len(all) - 1) // the last one is truncation
		return append(all[:i:i], all[i+1:]...)
	}},
	{"swap", func(all []chain.Event, r *rand.Rand) []chain.Event {
		i := r.IntN(len(all) - 1)
		j := i + 1 + r.IntN(len(all)-i-1)
		all[i], all[j] = all[j], all[i]
		return all
	}},
	{"insert", func(all []chain.Event, r *rand.Rand) []chain.Event {
		i := r.IntN(len(all))
		forged := all[i]
		forged.Actor, forged.Action, forged.Hash[0] = "owner", "owner.yes", forged.Hash[0]^1
		return append(all[:i:i], append([]chain.Event{forged}, all[i:]...)...)
	}},
	{"truncate", func(all []chain.Event, r *rand.Rand) []chain.Event { return all[:r.IntN(len(all))] }},
}

// Every edit, deletion, reordering, insertion and truncation is found with a
// signed head from outside, even if all hashes were made anew (promises, row 42).
// Without one, what was made anew or cut off is found only where a decision
// stands that lost its event.
func TestTampering(t *testing.T) {
	rounds := 40 * len(tamperers) // RESETDESK_TAMPERINGS has more
	if s := os.Getenv("RESETDESK_TAMPERINGS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.clearFor("anna@acme.example", forUser("jane"))
		head, err := h.desk.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.desk.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := review.VerifyAuditFile(t.Context(), h.path, head); err != nil {
			t.Fatalf("before anybody touched it: %v", err)
		}
		events := readChain(t, h.path)
		if int64(len(events)) != head.Size || len(events) < 10 {
			t.Fatalf("%d events, the head has %d", len(events), head.Size)
		}
		loose := untriggered(t, h.path)
		r := rand.New(rand.NewPCG(42, 42))
		tried, anchored, alone := map[string]int{}, map[string]int{}, map[string]int{}
		for i := range rounds {
			how, rehash := tamperers[i%len(tamperers)], i/len(tamperers)%2 == 1
			forged := how.do(append([]chain.Event(nil), events...), r)
			name := how.name
			if rehash {
				name += ", hashes made anew"
				var prev chain.Hash
				for j := range forged {
					forged[j].Seq, forged[j].Prev = int64(j+1), prev
					forged[j].Hash = forged[j].Sum()
					prev = forged[j].Hash
				}
			} else if how.name == "swap" || how.name == "insert" {
				for j := range forged {
					forged[j].Seq = int64(j + 1)
				}
			}
			path := overwrite(t, loose, forged)
			tried[name]++
			if _, err := review.VerifyAuditFile(t.Context(), path, head); err != nil {
				anchored[name]++
			} else {
				t.Errorf("round %d: %s is not found", i, name)
			}
			if _, err := review.VerifyAuditFile(t.Context(), path); err != nil {
				alone[name]++
			}
			os.Remove(path)
		}
		for name, n := range tried {
			t.Logf("%-30s %4d tried, %4d found with a head, %4d without", name, n, anchored[name], alone[name])
		}
	})
}

// Without a head, a truncation that takes the decisions with it cannot be found:
// what is left is a true beginning.
func TestTruncationWithoutHead(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		early, err := h.desk.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		older := readChain(t, h.path)
		h.ask("anna@acme.example", forUser("jane"))
		late, err := h.desk.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := h.desk.Close(); err != nil {
			t.Fatal(err)
		}
		loose := untriggered(t, h.path)
		plain(t, loose, `DELETE FROM reset_case`)
		path := overwrite(t, loose, older)
		if _, err := review.VerifyAuditFile(t.Context(), path); err != nil {
			t.Fatalf("the test cut badly: %v", err)
		}
		if _, err := review.VerifyAuditFile(t.Context(), path, early); err != nil {
			t.Fatalf("an early head does not vouch for what came later: %v", err)
		}
		if _, err := review.VerifyAuditFile(t.Context(), path, early, late); err == nil || !strings.Contains(err.Error(), "cut off") {
			t.Fatalf("with the head: %v", err)
		}
	})
}

// A decision whose event says something else, or is another's, is found.
func TestDecisionsAgainstEvents(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		h.clearFor("anna@acme.example", forUser("jane"))
		if err := h.desk.Close(); err != nil {
			t.Fatal(err)
		}
		for _, forgery := range []string{
			`UPDATE approval SET evidence_hash = zeroblob(32)`,
			`UPDATE approval SET reason = 'they called'`,
			`UPDATE approval SET reviewer_id = 2 - reviewer_id + 1`,
			`UPDATE approval SET decided_at = decided_at - 1, step_up_at = step_up_at - 1`,
			`UPDATE reset SET cleared_at = cleared_at + 1`,
			`UPDATE reset SET audit_seq = 1`,
			`UPDATE answer SET at = at - 1`,
			`UPDATE answer SET answer = 'no'`,
			`UPDATE reset_case SET number = 'RST-ZZZZZZ'`,
			`INSERT INTO approval SELECT id + 1, case_id, round + 1, user_id, generation, reviewer_id, session, step_up_at, evidence_hash, person, reason, decided_at, expires_at, 1 FROM approval`,
		} {
			loose := untriggered(t, h.path)
			plain(t, loose, forgery)
			if _, err := review.VerifyAuditFile(t.Context(), loose); err == nil {
				t.Errorf("not found: %s", forgery)
			}
		}
	})
}

func readChain(t *testing.T, path string) (all []chain.Event) {
	t.Helper()
	db := openPlain(t, path)
	defer db.Close()
	rows, err := db.Query(`SELECT seq, at, actor, action, object, detail, ip, request, prev, hash FROM audit ORDER BY seq`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var e chain.Event
		var prev, hash []byte
		if err := rows.Scan(&e.Seq, &e.At, &e.Actor, &e.Action, &e.Object, &e.Detail, &e.IP, &e.Request, &prev, &hash); err != nil {
			t.Fatal(err)
		}
		copy(e.Prev[:], prev)
		copy(e.Hash[:], hash)
		all = append(all, e)
	}
	return all
}

func openPlain(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=foreign_keys(0)&_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func plain(t *testing.T, path string, statements ...string) {
	t.Helper()
	db := openPlain(t, path)
	defer db.Close()
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// untriggered is a copy of the file without any trigger.
func untriggered(t *testing.T, path string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "loose.db")
	plain(t, path, `VACUUM INTO '`+copied+`'`)
	db := openPlain(t, copied)
	defer db.Close()
	rows, err := db.Query(`SELECT name FROM sqlite_schema WHERE type = 'trigger'`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	rows.Close()
	for _, name := range names {
		if _, err := db.Exec(`DROP TRIGGER ` + name); err != nil {
			t.Fatal(err)
		}
	}
	return copied
}

// overwrite is a copy of the file with this audit in it.
func overwrite(t *testing.T, path string, events []chain.Event) string {
	t.Helper()
	bytes, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	forged := path + ".forged"
	if err := os.WriteFile(forged, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	db := openPlain(t, forged)
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`DELETE FROM audit`); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if _, err := tx.Exec(`INSERT INTO audit (seq, at, actor, action, object, detail, ip, request, prev, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			e.Seq, e.At, e.Actor, e.Action, e.Object, e.Detail, e.IP, e.Request, e.Prev[:], e.Hash[:]); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	return forged
}
