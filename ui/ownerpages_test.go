package ui_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/review"
)

// Every page that a letter leads to, in every language of the letters. What follows
// links, scanners of mail above all, changes nothing at all: not a byte of the database.
// The pages are written where RESETDESK_PAGES says, for who wants to look at them.
func TestOwnerPages(t *testing.T) {
	for _, lang := range []string{"en", "de", "nl", "fr", "es"} {
		t.Run(lang, func(t *testing.T) {
			with := strings.NewReplacer("GmbH,de,U-2", "GmbH,de,U-9,bert,bert@acme.example,admin,0\nA-1001,ACME GmbH,de,U-2")
			file := strings.ReplaceAll(with.Replace(accountsFile), "GmbH,de", "GmbH,"+lang)
			inHouse(t, func(t *testing.T, h *house) {
				h.importFile(file)
				time.Sleep(time.Minute)
				number, confirm := h.request()
				rita, _ := h.signIn("rita", review.Decider)
				form := rita.get("/cases/" + number + "/evidence-colleague")
				rita.post("/cases/"+number+"/evidence-colleague", append(hiddenFields(form), "other", radioValue(t, form.body, "other"))...).leads(t, "/cases/"+number)
				h.work()
				h.scan(lang, "confirm", confirm)
				h.scan(lang, "vouch", h.link("bert@acme.example"))
				h.scan(lang, "stop", h.link("jane@acme.example"))
				h.browser().post("/r/"+confirm, "answer", "yes").leads(t, "/r/"+confirm)
				h.scan(lang, "confirmed", confirm)
				h.browser().post("/r/"+confirm, "answer", "no").leads(t, "/r/"+confirm)
				h.scan(lang, "stopped", confirm)
			}, withRules)
			inHouse(t, func(t *testing.T, h *house) {
				h.importFile(file)
				number, confirm := h.request()
				h.browser().post("/r/"+confirm, "answer", "yes").leads(t, "/r/"+confirm)
				rita, r := h.signIn("rita", review.Admin)
				path := "/cases/" + number + "/approve"
				rita.post(path, append(hiddenFields(rita.get(path)), "account", "A-1001", "reason", "called", "code", h.fresh(r.Holder))...).leads(t, "/cases/"+number)
				h.work()
				undo := h.link("anna@acme.example")
				h.scan(lang, "undo", undo)
				h.browser().post("/r/"+undo, "answer", "undo").leads(t, "/r/"+undo)
				h.scan(lang, "undone", undo)
				time.Sleep(15 * 24 * time.Hour) // links that were used are as if they had never been
				gone := h.ask(lang, strings.Repeat("0", 52))
				for _, used := range []string{confirm, undo} {
					a := h.ask(lang, used).want(t, http.StatusNotFound, fmt.Sprintf(`<html lang="%s">`, lang))
					if fmt.Sprint(a) != fmt.Sprint(gone) {
						t.Errorf("a link that was used differs from one that never was:\n%v\n%v", a, gone)
					}
				}
				h.keep(lang, "gone", gone)
			})
		})
	}
}

// ask opens a link in a browser that speaks a language.
func (h *house) ask(lang, token string) answer {
	h.t.Helper()
	b := h.browser()
	r := b.request("GET", "/r/"+token, nil)
	r.Header.Set("Accept-Language", lang)
	return b.do(r)
}

// scan does with a link what scanners do, and wants no commit of it.
func (h *house) scan(lang, name, token string) {
	h.t.Helper()
	db := h.sql()
	defer db.Close()
	db.SetMaxOpenConns(1)
	before := version(h.t, db)
	first := h.ask(lang, token).want(h.t, http.StatusOK, fmt.Sprintf(`<html lang="%s">`, lang))
	for range 4 {
		if again := h.ask(lang, token); again.body != first.body {
			h.t.Errorf("%s: opening it changed the page", name)
		}
	}
	b := h.browser()
	if a := b.do(b.request("HEAD", "/r/"+token, nil)); a.status != http.StatusOK || a.body != "" {
		h.t.Errorf("%s: HEAD answers %d and %q", name, a.status, a.body)
	}
	for _, form := range []string{"", "answer="} { // a form that is sent as it is
		r := b.request("POST", "/r/"+token, nil)
		r.URL.RawQuery = form
		if a := b.do(r); a.status == http.StatusSeeOther {
			h.t.Errorf("%s: a form without a choice is taken", name)
		}
	}
	if strings.Contains(first.body, "checked") {
		h.t.Errorf("%s: a choice is preselected", name)
	}
	if version(h.t, db) != before {
		h.t.Errorf("%s: something was written", name)
	}
	h.keep(lang, name, first)
}

// version changes with every commit of another connection.
func version(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow(`PRAGMA data_version`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (h *house) keep(lang, name string, a answer) {
	h.t.Helper()
	if dir := os.Getenv("RESETDESK_PAGES"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, "owner-"+lang+"-"+name+".html"), []byte(a.body), 0o644); err != nil {
			h.t.Fatal(err)
		}
	}
}
