package review_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// An attack is one block of testdata/attacks.sql.
type attack struct {
	promise, what string
	stop          string // a part of the error that must stop it
	script        string
}

// readAttacks reads the file with its macros filled in for a database.
func readAttacks(t *testing.T, l life, now time.Time) []attack {
	t.Helper()
	text, err := os.ReadFile("testdata/attacks.sql")
	if err != nil {
		t.Fatal(err)
	}
	m := macros{life: l, now: now.UnixMicro()}
	tmpl, err := template.New("attacks").Funcs(template.FuncMap{"now": func() int64 { return m.now }, "id": m.id, "seq": m.seq, "event": m.event,
		"stepup": m.stepUp, "vote": m.vote, "yes": m.yes, "reset": m.reset, "letter": m.letter, "apikey": m.apiKey, "note": m.note, "fact": m.fact,
		"evidence": m.evidence, "threat": m.threat, "freeze": m.freeze, "byHand": m.byHand, "staffEvent": m.staffEvent,
		"staffevent": m.staffEvent, "ask": m.ask, "confirmed": m.confirmed, "passkey": m.passkey}).Parse(string(text))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, nil); err != nil {
		t.Fatal(err)
	}
	head := regexp.MustCompile(`(?s)^-- (\d+): ([^\n]+)\n--! ([^\n]+)\n(.+)$`)
	var all []attack
	for _, block := range strings.Split(b.String(), "\n\n")[1:] {
		p := head.FindStringSubmatch(strings.TrimSpace(block))
		if p == nil {
			t.Fatalf("not an attack:\n%s", block)
		}
		all = append(all, attack{p[1], p[2], p[3], p[4]})
	}
	return all
}

// macros write rows that are right in everything but what their arguments
// change. An argument "key=value" begins a value; what follows it without a key
// is appended, with now and the names of cases replaced.
type macros struct {
	life life
	now  int64
}

var keyPattern = regexp.MustCompile(`^([a-z]+)=`)

func (m macros) args(args []string, defaults map[string]string) map[string]string {
	key := ""
	for _, a := range args {
		if k := keyPattern.FindStringSubmatch(a); k != nil {
			key = k[1]
			defaults[key] = strings.TrimPrefix(a, k[0])
		} else if a == "now" {
			defaults[key] += fmt.Sprint(m.now)
		} else if id, ok := m.life[a]; ok {
			defaults[key] += fmt.Sprint(id)
		} else {
			defaults[key] += a
		}
	}
	return defaults
}

func (m macros) id(name string) (int64, error) {
	id, ok := m.life[name]
	if !ok {
		return 0, fmt.Errorf("no case %q", name)
	}
	return id, nil
}

func (m macros) seq() string { return "(SELECT max(seq) FROM audit)" }

func (m macros) apiKey() string {
	return fmt.Sprintf(`INSERT INTO api_key (id, name, hash, scopes, allow, created_at, expires_at)
		VALUES (1, 'panel', zeroblob(32), 'accounts:read', '192.0.2.0/24', %d, %d);`, m.now, m.now+1)
}

func (m macros) of(name, column string) string {
	return fmt.Sprintf("(SELECT %s FROM reset_case WHERE id = %d)", column, m.life[name])
}

func (m macros) event(action, name string, more ...string) string {
	a := m.args(more, map[string]string{"at": fmt.Sprint(m.now), "actor": "desk"})
	return fmt.Sprintf(`INSERT INTO audit SELECT seq + 1, %s, '%s', '%s', %s, '{}', hash, randomblob(32), '', '' FROM audit ORDER BY seq DESC LIMIT 1;`,
		a["at"], a["actor"], action, m.of(name, "number"))
}

// staffEvent is an audit event about a reviewer.
func (m macros) staffEvent(action string, reviewer int, actor string) string {
	return fmt.Sprintf(`INSERT INTO audit SELECT seq + 1, %d, '%s', '%s', 'reviewer:%d', '{}', hash, randomblob(32), '', '' FROM audit ORDER BY seq DESC LIMIT 1;`,
		m.now, actor, action, reviewer)
}

// ask asks for the reset of sam's factor (reviewer 2) by rita (1), who has stepped up.
func (m macros) ask(more ...string) string {
	a := m.args(more, map[string]string{"by": "1", "actor": "reviewer:1", "of": "2", "at": fmt.Sprint(m.now)})
	return m.staffEvent("reviewer.reset_asked", 2, a["actor"]) + m.stepUp(1) + fmt.Sprintf(`
		INSERT INTO staff_reset (reviewer_id, old_holder, reason, asked_by, asked_in, asked_at, asked_seq) VALUES (%[2]s, 'staff:2', 'x', %[1]s,
			(SELECT max(hash) FROM session WHERE reviewer_id = %[1]s AND ended_at IS NULL), %[3]s, %[4]s);`, a["by"], a["of"], a["at"], m.seq())
}

// confirmed confirms it by vera (3), who was made an admin and stepped up.
func (m macros) confirmed(more ...string) string {
	a := m.args(more, map[string]string{"by": "3", "role": "admin", "at": fmt.Sprint(m.now), "step": fmt.Sprint(m.now)})
	return fmt.Sprintf(`UPDATE reviewer SET role = '%s' WHERE id = 3; UPDATE session SET step_up_at = %s WHERE reviewer_id = 3 AND ended_at IS NULL;
		INSERT INTO holder (id) VALUES ('staff:2:2');`, a["role"], a["step"]) + m.staffEvent("reviewer.reset", 2, "reviewer:"+a["by"]) + fmt.Sprintf(`
		UPDATE staff_reset SET confirmed_by = %[1]s, confirmed_in = (SELECT max(hash) FROM session WHERE reviewer_id = %[1]s AND ended_at IS NULL),
			confirmed_at = %[2]s, audit_seq = %[3]s, new_holder = 'staff:2:2' WHERE reviewer_id = 2;`, a["by"], a["at"], m.seq())
}

// passkey is one of sam's.
func (m macros) passkey(more ...string) string {
	a := m.args(more, map[string]string{"of": "2", "id": "1", "credential": "zeroblob(32)"})
	return fmt.Sprintf(`INSERT %s INTO passkey (id, reviewer_id, credential, record, name, sign_count, created_at) VALUES (%s, %s, %s, '{}', 'blue', 5, %d);`,
		a["or"], a["id"], a["of"], a["credential"], m.now)
}

func (m macros) stepUp(reviewer int) string {
	return fmt.Sprintf(`UPDATE session SET step_up_at = %d WHERE reviewer_id = %d AND ended_at IS NULL;`, m.now, reviewer)
}

func (m macros) vote(name string, more ...string) string {
	stepped := slices.Contains(more, "stepped")
	more = slices.DeleteFunc(slices.Clone(more), func(s string) bool { return s == "stepped" })
	now := fmt.Sprint(m.now)
	a := m.args(more, map[string]string{"reviewer": "2", "round": m.of(name, "round"), "user": m.of(name, "user_id"), "evidence": "zeroblob(32)",
		"reason": "'x'", "at": now, "step": now, "event": "case.approved", "person": "", "expires": fmt.Sprint(m.now + 3600000000)})
	if a["person"] == "" {
		a["person"] = "(SELECT email FROM reviewer WHERE id = " + a["reviewer"] + ")"
	}
	if a["generation"] == "" {
		a["generation"] = "(SELECT generation FROM holder WHERE id = " + a["user"] + ")"
	}
	if a["session"] == "" {
		a["session"] = "(SELECT max(hash) FROM session WHERE ended_at IS NULL AND reviewer_id = " + a["reviewer"] + ")"
	}
	if a["actor"] == "" {
		a["actor"] = "reviewer:" + a["reviewer"]
	}
	s := m.event(a["event"], name, "actor="+a["actor"]) + "\n"
	if !stepped {
		s += "UPDATE session SET step_up_at = " + a["step"] + " WHERE ended_at IS NULL AND reviewer_id = " + a["reviewer"] + ";\n"
	}
	return s + fmt.Sprintf(`INSERT `+a["or"]+` INTO approval (case_id, round, user_id, generation, reviewer_id, session, step_up_at, evidence_hash, person, reason, decided_at, expires_at, audit_seq)
		VALUES (%d, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s);`, m.life[name], a["round"], a["user"], a["generation"], a["reviewer"], a["session"],
		a["step"], a["evidence"], a["person"], a["reason"], a["at"], a["expires"], m.seq())
}

func (m macros) yes(name string, more ...string) string {
	a := m.args(more, map[string]string{"user": m.of(name, "user_id"), "at": fmt.Sprint(m.now),
		"link": fmt.Sprintf("(SELECT hash FROM owner_link WHERE purpose = 'confirm' AND case_id = %d)", m.life[name])})
	return fmt.Sprintf(`INSERT INTO answer (case_id, round, link, answer, user_id, at, ip) VALUES (%d, %s, %s, 'yes', %s, %s, 'x');`,
		m.life[name], m.of(name, "round"), a["link"], a["user"], a["at"])
}

func (m macros) reset(name string, more ...string) string {
	id, now := m.life[name], fmt.Sprint(m.now)
	a := m.args(more, map[string]string{"user": m.of(name, "user_id"), "required": "1", "evidence": "0", "wait": now,
		"generation": "(SELECT generation FROM holder WHERE id = " + m.of(name, "user_id") + ")",
		"approval":   fmt.Sprintf("(SELECT max(id) FROM approval WHERE case_id = %d)", id),
		"answer":     fmt.Sprintf("(SELECT min(id) FROM answer WHERE case_id = %d AND answer = 'yes')", id)})
	return fmt.Sprintf(`INSERT INTO reset (case_id, approval_id, answer_id, user_id, generation, approvals_required, evidence_required, wait_until, cleared_at, hold_until, audit_seq)
		VALUES (%d, %s, %s, %s, %s, %s, %s, %s, %s, %s + 3600000000, %s);`, id, a["approval"], a["answer"], a["user"], a["generation"], a["required"],
		a["evidence"], a["wait"], now, now, m.seq())
}

func (m macros) letter(name string, more ...string) string {
	a := m.args(more, map[string]string{"case": name, "kind": "'notice'", "serial": "9", "state": "'queued'", "reset": "NULL", "round": m.of(name, "round"),
		"message": "'forged@host.example'"})
	address := fmt.Sprintf("(SELECT max(id) FROM address WHERE address = '%s')", a["address"])
	if a["address"] == "" {
		address = "1"
	}
	if a["recipient"] == "" {
		a["recipient"] = "'" + a["address"] + "'"
	}
	return fmt.Sprintf(`INSERT %s INTO letter (case_id, reset_id, round, serial, kind, address_id, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
		VALUES (%d, %s, %s, %s, %s, %s, %s, %s, 's', X'00', zeroblob(32), %s, %d, %d, %d);`, a["or"], m.life[a["case"]], a["reset"], a["round"],
		a["serial"], a["kind"], address, a["recipient"], a["message"], a["state"], m.now, m.now, m.now)
}

// of the reviewers: 1 is Rita, an admin; 2 Sam; 3 Vera, a viewer; 4 Sanne, who is a user too; 5 Sam again.
func (m macros) signed(a map[string]string) {
	if a["session"] == "" {
		a["session"] = "(SELECT max(hash) FROM session WHERE ended_at IS NULL AND reviewer_id = " + a["reviewer"] + ")"
	}
	if a["actor"] == "" {
		a["actor"] = "reviewer:" + a["reviewer"]
	}
}

func (m macros) about(action, object, actor string) string {
	return fmt.Sprintf(`INSERT INTO audit SELECT seq + 1, %d, '%s', '%s', %s, '{}', hash, randomblob(32), '', '' FROM audit ORDER BY seq DESC LIMIT 1;`, m.now, actor, action, object)
}

func (m macros) evidence(name string, more ...string) string {
	a := m.args(more, map[string]string{"reviewer": "2", "how": "'callback'", "result": "'pass'", "round": m.of(name, "round"), "link": "NULL",
		"event": "evidence.recorded", "id": "(SELECT coalesce(max(id), 0) + 1 FROM evidence)"})
	m.signed(a)
	return m.event(a["event"], name, "actor="+a["actor"]) + fmt.Sprintf(`
		INSERT INTO evidence (id, case_id, round, name, how, result, words, reviewer_id, session, link, at, audit_seq)
		VALUES (%s, %d, %s, 'callback', %s, %s, 'x', %s, %s, %s, %d, %s);`,
		a["id"], m.life[name], a["round"], a["how"], a["result"], a["reviewer"], a["session"], a["link"], m.now, m.seq())
}

func (m macros) threat(more ...string) string {
	a := m.args(more, map[string]string{"reviewer": "1", "active": "1", "at": "", "id": "(SELECT coalesce(max(id), 0) + 1 FROM threat_turn)"})
	m.signed(a)
	if a["event"] == "" {
		a["event"] = map[string]string{"1": "threat.on", "0": "threat.off"}[a["active"]]
	}
	return m.about(a["event"], "'installation'", a["actor"]) + fmt.Sprintf(`
		INSERT INTO threat_turn (id, active, reviewer_id, session, reason, at, audit_seq) VALUES (%s, %s, %s, %s, 'x', %d, %s);`,
		a["id"], a["active"], a["reviewer"], a["session"], m.now, m.seq())
}

func (m macros) freeze(more ...string) string {
	a := m.args(more, map[string]string{"reviewer": "2", "until": fmt.Sprint(m.now + 3600000000), "event": "account.frozen",
		"id": "(SELECT coalesce(max(id), 0) + 1 FROM account_freeze)"})
	m.signed(a)
	return m.about(a["event"], "'A-2002'", a["actor"]) + fmt.Sprintf(`
		INSERT INTO account_freeze (id, account_id, until, reviewer_id, session, reason, at, audit_seq) VALUES (%s, 'A-2002', %s, %s, %s, 'x', %d, %s);`,
		a["id"], a["until"], a["reviewer"], a["session"], m.now, m.seq())
}

// byHand is a case that sam opens for U-8, with what he wrote down.
func (m macros) byHand(more ...string) string {
	a := m.args(more, map[string]string{"reviewer": "2", "hand": "99", "case": "(SELECT id FROM reset_case WHERE number = 'RST-ZZZZZZ')", "event": "case.opened",
		"account": "'A-4004'", "user": "'U-8'", "requester": "'dora@delta.example'"})
	m.signed(a)
	if a["person"] == "" {
		a["person"] = "(SELECT email FROM reviewer WHERE id = " + a["reviewer"] + ")"
	}
	return fmt.Sprintf(`INSERT INTO reset_case (number, state, requester, account_id, user_id, locale, opened_at, expires_at, watched_from, due_at, opener_hand)
			VALUES ('RST-ZZZZZZ', 'open', %s, %s, %s, 'en', %[4]d, %[4]d + 1, %[4]d, %[4]d, 99);`, a["requester"], a["account"], a["user"], m.now) +
		m.about(a["event"], "'RST-ZZZZZZ'", a["actor"]) + fmt.Sprintf(`
		INSERT INTO hand_request (id, case_id, reviewer_id, session, person, channel, source, reason, at, audit_seq)
			VALUES (%s, %s, %s, %s, %s, 'phone', 'x', 'x', %d, %s);`, a["hand"], a["case"], a["reviewer"], a["session"], a["person"], m.now, m.seq())
}

// note is a letter to a user about the newest event of its kind.
func (m macros) note(more ...string) string {
	a := m.args(more, map[string]string{"case": "NULL", "user": "'U-2'", "kind": "'enrolled'", "address": "jane@acme.example", "message": "'note@host.example'"})
	if a["topic"] == "" {
		a["topic"] = "(SELECT 'event:' || max(id) FROM factor_event WHERE user_id = " + a["user"] + " AND kind = " + a["kind"] + ")"
	}
	if a["recipient"] == "" {
		a["recipient"] = "'" + a["address"] + "'"
	}
	return fmt.Sprintf(`INSERT INTO letter (case_id, user_id, topic, round, kind, address_id, recipient, message_id, subject, sealed, sha256, state, next_at, queued_at, changed_at)
		VALUES (%s, %s, %s, 0, %s, (SELECT id FROM address WHERE address = '%s' ORDER BY coalesce(user_id, '') <> %s, id LIMIT 1), %s, %s, 's', X'00', zeroblob(32), 'queued', %d, %d, %d);`,
		a["case"], a["user"], a["topic"], a["kind"], a["address"], a["user"], a["recipient"], a["message"], m.now, m.now, m.now)
}

// fact is an event of jane's factor.
func (m macros) fact(kind string) string {
	return fmt.Sprintf(`INSERT INTO factor_event (user_id, generation, at, kind) VALUES ('U-2', 1, %d, '%s');`, m.now, kind)
}

// ambush opens one connection to the database of a full house, for plain SQL
// past all of our code, and hands over the attacks that fit it.
func ambush(t *testing.T, pragmas string, f func(t *testing.T, h *house, conn *sql.Conn, attacks []attack)) {
	t.Helper()
	inHouse(t, nil, func(t *testing.T, h *house) {
		l := h.live()
		db, err := sql.Open("sqlite", "file:"+h.path+"?"+pragmas)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		seedSignature(t, db)
		before := fingerprint(t, db)
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		attacks := readAttacks(t, l, time.Now())
		f(t, h, conn, attacks)
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		if fingerprint(t, db) != before {
			t.Error("something was left behind")
		}
	})
}

// seedSignature writes down a signature: no mail of the house is signed.
func seedSignature(t *testing.T, db *sql.DB) {
	t.Helper()
	if _, err := db.Exec(`INSERT INTO signature_seen SELECT 'd s b', min(id) FROM inbound`); err != nil {
		t.Fatal(err)
	}
}

const goodPragmas = "_txlock=immediate&_pragma=foreign_keys(1)&_pragma=recursive_triggers(1)&_pragma=busy_timeout(5000)"

// strike runs one attack and takes it back. It returns the error that stopped
// it, and how many rows it changed.
func strike(ctx context.Context, conn *sql.Conn, a attack) (changed int64, stopped error) {
	total := func() (n int64) {
		if err := conn.QueryRowContext(ctx, `SELECT total_changes()`).Scan(&n); err != nil {
			panic(err)
		}
		return n
	}
	for _, s := range []string{`SAVEPOINT attack`} {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			panic(err)
		}
	}
	before := total()
	_, stopped = conn.ExecContext(ctx, a.script)
	changed = total() - before
	if _, err := conn.ExecContext(ctx, `ROLLBACK TO attack; RELEASE attack`); err != nil {
		panic(err)
	}
	return changed, stopped
}

// fits says whether the attack was stopped by what should stop it.
func (a attack) fits(stopped error) bool {
	return stopped != nil && strings.Contains(stopped.Error(), a.stop)
}

// Promises 1 to 9: whatever a bug or a hand types as SQL, the schema refuses.
func TestAttacks(t *testing.T) {
	ambush(t, goodPragmas, func(t *testing.T, h *house, conn *sql.Conn, attacks []attack) {
		count := map[string]int{}
		for _, a := range attacks {
			count[a.promise]++
			changed, stopped := strike(t.Context(), conn, a)
			switch {
			case stopped == nil:
				t.Errorf("promise %s, %s: it went through, %d rows changed", a.promise, a.what, changed)
			case !a.fits(stopped):
				t.Errorf("promise %s, %s: stopped by %q, want %q", a.promise, a.what, stopped, a.stop)
			}
		}
		t.Logf("%d attacks were refused; by promise: %v", len(attacks), count)
		if len(attacks) < 60 {
			t.Errorf("only %d attacks", len(attacks))
		}
	})
}

// The attacks test something: without recursive_triggers the ones that overwrite
// rows go through, without foreign_keys the one to an unknown address does.
func TestAttacksSucceedWithoutPragmas(t *testing.T) {
	for pragmas, want := range map[string]string{
		"_pragma=foreign_keys(1)&_pragma=recursive_triggers(0)": "an event with an old number and a hash that stands already",
		"_pragma=foreign_keys(0)&_pragma=recursive_triggers(1)": "a letter to a text that is no stored address",
	} {
		ambush(t, pragmas, func(t *testing.T, h *house, conn *sql.Conn, attacks []attack) {
			for _, a := range attacks {
				if changed, stopped := strike(t.Context(), conn, a); a.what == want && (stopped != nil || changed == 0) {
					t.Errorf("%s with %s: %v, %d rows; want it to succeed", a.what, pragmas, stopped, changed)
				}
			}
		})
	}
}

// Every trigger carries something: without it at least one of the attacks that
// it should stop is not stopped as it should be.
func TestAttacksWatchEveryTrigger(t *testing.T) {
	ambush(t, goodPragmas, func(t *testing.T, h *house, conn *sql.Conn, attacks []attack) {
		ctx := t.Context()
		triggers := triggersOf(t, conn)
		lists := regexp.MustCompile(`^(case_stale|case_summary|mail_shelf|inbound_fate)_|^case_tally_(opened|closed)$`) // they carry no rule; TestRandomCourses, TestLists, TestBooksBalance and TestNumbers miss them
		for name, text := range triggers {
			if lists.MatchString(name) {
				continue
			}
			if _, err := conn.ExecContext(ctx, `BEGIN IMMEDIATE; DROP TRIGGER `+name); err != nil {
				t.Fatal(err)
			}
			missed := 0
			for _, a := range attacks {
				if strings.Contains(text, a.stop) {
					if _, stopped := strike(ctx, conn, a); !a.fits(stopped) {
						missed++
					}
				}
			}
			if missed == 0 {
				t.Errorf("no attack misses trigger %s", name)
			}
			if _, err := conn.ExecContext(ctx, `ROLLBACK`); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%d triggers, each missed by an attack when it is gone", len(triggers))
	})
}

func triggersOf(t *testing.T, conn *sql.Conn) map[string]string {
	t.Helper()
	rows, err := conn.QueryContext(t.Context(), `SELECT name, replace(sql, char(39) || char(39), char(39)) FROM sqlite_schema WHERE type = 'trigger'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			t.Fatal(err)
		}
		all[name] = text
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// What is right goes through: the macros of the attacks are no straw men. And
// what cannot be refused, a forged event, is found by the audit.
func TestForgedChainIsFound(t *testing.T) {
	inHouse(t, nil, func(t *testing.T, h *house) {
		l := h.live()
		m := macros{life: l, now: time.Now().UnixMicro()}
		_, err := h.sql().Exec(m.vote("yes") + m.event("case.cleared", "yes") + m.reset("yes") +
			`UPDATE holder SET generation = 2 WHERE id = 'U-4';` +
			`UPDATE credential SET state = 'cleared', ended_at = 1 WHERE user_id = 'U-4' AND state = 'active';` + m.letter("open", "address=it@acme.example") +
			m.note() + m.fact("alarm") + m.note("kind='alarm'", "address=anna@acme.example", "message='a@b'") +
			m.note("user='U-5'", "kind='reminder'", "topic='due:2027-01-31:7'", "address=owner@gamma.example", "message='c@d'"))
		if err != nil {
			t.Fatal(err)
		}
		h.open()
		if _, err := h.desk.VerifyAudit(t.Context()); err == nil || !strings.Contains(err.Error(), "was changed") {
			t.Errorf("the audit found nothing: %v", err)
		}
	})
}

// A database that somebody worked on is refused at start, in words.
func TestOpenRefuses(t *testing.T) {
	cases := map[string]struct{ script, want string }{
		"nothing happened":        {`SELECT 1`, ""},
		"a trigger was dropped":   {`DROP TRIGGER reset_new`, "trigger reset_new is missing"},
		"a trigger was emptied":   {`DROP TRIGGER reset_new; CREATE TRIGGER reset_new BEFORE INSERT ON reset BEGIN SELECT 1; END`, "trigger reset_new is missing or was altered"},
		"an index was dropped":    {`DROP INDEX case_one_open_a_user`, "index case_one_open_a_user is missing"},
		"an index lost its end":   {`DROP INDEX idempotency_key; CREATE INDEX idempotency_key ON idempotency (substr(sealed, 2, 4))`, "index idempotency_key is missing or was altered"},
		"a table is too many":     {`CREATE TABLE more (id INTEGER)`, "table more is not part of resetdesk"},
		"a trigger is too many":   {`CREATE TRIGGER more AFTER INSERT ON audit BEGIN DELETE FROM letter; END`, "trigger more is not part of resetdesk"},
		"a view is too many":      {`CREATE VIEW more AS SELECT 1`, "view more is not part of resetdesk"},
		"a column was added":      {`ALTER TABLE letter ADD COLUMN bcc TEXT`, "table letter is missing or was altered"},
		"the schema is newer":     {`UPDATE meta SET value = '999' WHERE name = 'schema_version'`, "install the newer resetdesk"},
		"the version is a word":   {`UPDATE meta SET value = 'new' WHERE name = 'schema_version'`, "is no number"},
		"the canary does not fit": {`UPDATE meta SET value = '00' WHERE name = 'canary'`, "the key file does not belong to this database"},
	}
	inHouse(t, nil, func(t *testing.T, h *house) {
		if err := h.desk.Close(); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(h.path)
		if err != nil {
			t.Fatal(err)
		}
		for what, c := range cases {
			h.path = filepath.Join(t.TempDir(), "copy.db")
			if err := os.WriteFile(h.path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := h.sql().Exec(c.script); err != nil {
				t.Fatal(err)
			}
			cfg := h.cfg
			cfg.Path = h.path
			desk, err := review.Open(t.Context(), cfg)
			if err == nil {
				desk.Close()
			}
			if err == nil != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: open: %v, want %q", what, err, c.want)
			}
		}
	})
}
