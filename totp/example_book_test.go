package totp_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pquerna/otp"
	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk"
	"github.com/resetdesk/resetdesk/totp"
)

// exampleBook is a fresh database with the user U-17; done removes it.
func exampleBook(p totp.Policy) (book *totp.Book, db *sql.DB, done func()) {
	dir, err := os.MkdirTemp("", "panel")
	check(err)
	db, err = openDesk(filepath.Join(dir, "desk.db"))
	check(err)
	_, err = db.Exec(resetdesk.Schema)
	check(err)
	keys, err := totp.NewKeyring()
	check(err)
	book, err = totp.Open(db, keys, p)
	check(err)
	tx, err := db.Begin()
	check(err)
	check(totp.Register(context.Background(), tx, "U-17", false))
	check(tx.Commit())
	return book, db, func() { db.Close(); os.RemoveAll(dir) }
}

// phone shows the code of a key, some steps ahead of now: each code works once.
func phone(k totp.Key, steps int) string {
	code, err := potp.GenerateCodeCustom(k.Secret().Base32(), time.Now().Add(time.Duration(steps)*30*time.Second),
		potp.ValidateOpts{Period: 30, Digits: otp.DigitsSix})
	check(err)
	return code
}

// Enrolling: begin, show the key, take the first code, show the backup codes.
func ExampleBook_Confirm() {
	book, _, done := exampleBook(totp.Policy{Issuer: "Example"})
	defer done()
	ctx := totp.WithSource(context.Background(), totp.Source{IP: "192.0.2.7", Agent: "Firefox"})

	e, err := book.Begin(ctx, "U-17", "jane@acme.example", totp.Proof{}) // after asking for the password again
	check(err)
	_, err = e.Key.SVG() // onto the page, beside e.Key.Grouped() and a link to e.Key.URI()
	check(err)
	_, err = book.Confirm(ctx, "U-17", e.ID, "000-000") // e.ID came back in an HttpOnly cookie
	fmt.Println(err)
	codes, err := book.Confirm(ctx, "U-17", e.ID, phone(e.Key, 0))
	check(err)
	fmt.Println(len(codes), "backup codes, shown this once")
	// Output:
	// the code is not valid
	// 10 backup codes, shown this once
}

// Verify is told what was typed, as it was typed.
func ExampleBook_Verify() {
	book, _, done := exampleBook(totp.Policy{Issuer: "Example"})
	defer done()
	ctx := context.Background()
	e, err := book.Begin(ctx, "U-17", "jane@acme.example", totp.Proof{})
	check(err)
	codes, err := book.Confirm(ctx, "U-17", e.ID, phone(e.Key, -1))
	check(err)

	code := phone(e.Key, 0)
	res, err := book.Verify(ctx, "U-17", " "+code[:3]+" "+code[3:], totp.Web)
	fmt.Println(res.Method, res.CodesLeft, err)
	_, err = book.Verify(ctx, "U-17", code, totp.Web)
	var used *totp.UsedError
	fmt.Println(errors.As(err, &used))
	res, err = book.Verify(ctx, "U-17", codes[0], totp.Web)
	fmt.Println(res.Method, res.CodesLeft, err)
	res, err = book.Verify(ctx, "U-17", "", totp.API)
	fmt.Println("exempt:", res.Exempt, err)
	// Output:
	// totp 10 <nil>
	// true
	// backup_code 9 <nil>
	// exempt: true <nil>
}

// A second authenticator beside the first, and the list to remove one from.
func ExampleBook_BeginDevice() {
	book, _, done := exampleBook(totp.Policy{Issuer: "Example"})
	defer done()
	ctx := context.Background()
	e, err := book.Begin(ctx, "U-17", "jane@acme.example", totp.Proof{})
	check(err)
	codes, err := book.Confirm(ctx, "U-17", e.ID, phone(e.Key, -1))
	check(err)

	second, err := book.BeginDevice(ctx, "U-17", "jane@acme.example", "the tablet", totp.Proof{Code: phone(e.Key, 0)})
	check(err)
	none, err := book.Confirm(ctx, "U-17", second.ID, phone(second.Key, 0))
	fmt.Println(none, err) // the backup codes stay
	devices, err := book.Devices(ctx, "U-17")
	check(err)
	for _, d := range devices {
		fmt.Printf("%q\n", d.Name)
	}
	check(book.RemoveDevice(ctx, "U-17", devices[0].ID, totp.Proof{Code: codes[0]}))
	err = book.RemoveDevice(ctx, "U-17", devices[1].ID, totp.Proof{Code: codes[1]})
	fmt.Println(err)
	// Output:
	// [] <nil>
	// ""
	// "the tablet"
	// it is the last authenticator
}

// A user may turn the factor off with a code, where it is not mandatory.
func ExampleBook_TurnOff() {
	book, db, done := exampleBook(totp.Policy{Issuer: "Example"})
	defer done()
	ctx := context.Background()
	e, err := book.Begin(ctx, "U-17", "jane@acme.example", totp.Proof{})
	check(err)
	codes, err := book.Confirm(ctx, "U-17", e.ID, phone(e.Key, 0))
	check(err)

	require := func(from time.Time) {
		tx, err := db.Begin()
		check(err)
		check(totp.Require(ctx, tx, "U-17", from))
		check(tx.Commit())
	}
	require(time.Now())
	fmt.Println(book.TurnOff(ctx, "U-17", totp.Proof{Code: codes[0]}))
	require(time.Time{})
	fmt.Println(book.TurnOff(ctx, "U-17", totp.Proof{Code: codes[0]}))
	events, err := book.History(ctx, "U-17", 10)
	check(err)
	for _, e := range events {
		fmt.Println(e.Kind)
	}
	// Output:
	// a second factor is mandatory
	// <nil>
	// turned_off
	// code_used
	// enrolled
}

// Guard is asked before what an intruder does first.
func ExampleBook_Guard() {
	book, _, done := exampleBook(totp.Policy{Issuer: "Example"})
	defer done()
	err := book.Guard(context.Background(), "U-17", totp.TransferDomain)
	var hold *totp.HoldError
	switch {
	case err == nil:
		fmt.Println("the domain may go")
	case errors.As(err, &hold):
		fmt.Println("not before", hold.Until)
	default:
		fmt.Println("not now")
	}
	// Output: the domain may go
}

// A factor that is mandatory from a day, with a grace for those who come late.
func ExamplePolicy() {
	day := time.Date(2020, 1, 31, 0, 0, 0, 0, time.UTC)
	book, _, done := exampleBook(totp.Policy{Issuer: "Example", MandatoryFrom: day, Grace: 7 * 24 * time.Hour})
	defer done()
	s, err := book.Status(context.Background(), "U-17")
	check(err)
	left := time.Until(s.RequiredFrom).Round(time.Hour)
	fmt.Println("required now:", s.Required, "left:", left)
	// Output: required now: false left: 168h0m0s
}

// Key alone is for those who keep factors themselves.
func ExampleKey_Verify() {
	key, err := totp.Restore("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", totp.Options{Issuer: "Example", Account: "jane"})
	check(err)
	now := time.Unix(59, 0)
	step, ok := key.Verify("287082", now, 0) // RFC 6238 Appendix B
	fmt.Println(step, ok)
	_, ok = key.Verify("287082", now, step)
	fmt.Println("again:", ok)
	// Output:
	// 1 true
	// again: false
}
