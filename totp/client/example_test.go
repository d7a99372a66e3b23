package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"time"

	potp "github.com/pquerna/otp/totp"
	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/totp/client"
	"github.com/resetdesk/resetdesk/ui/api"
)

// A panel on another host than the desk: it makes the account known, lets a user
// set up an authenticator, and asks for its codes at the login.
func ExampleClient() {
	baseURL, key, stop := startDesk()
	defer stop()

	desk, err := client.New(baseURL, key, nil)
	if err != nil {
		log.Fatal(err)
	}
	ctx := totp.WithSource(context.Background(), totp.Source{IP: "198.51.100.7", Agent: "Firefox"})
	_, err = desk.PutAccount(ctx, client.Account{ID: "A-1001", Name: "ACME GmbH", Locale: "de", Users: []client.User{
		{ID: "U-1", Login: "anna", Email: "anna@acme.example", Role: "admin"},
		{ID: "U-2", Login: "jane", Email: "jane@acme.example", Role: "user"},
	}})
	if err != nil {
		log.Fatal(err)
	}

	enrollment, err := desk.Begin(ctx, "U-2", "jane", totp.Proof{}) // show enrollment.Key as QR code
	if err != nil {
		log.Fatal(err)
	}
	phone := enrollment.Key.Secret().Base32()
	before, _ := potp.GenerateCode(phone, time.Now().Add(-30*time.Second))
	codes, err := desk.Confirm(ctx, "U-2", enrollment.ID, before)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(codes), "backup codes")

	code, _ := potp.GenerateCode(phone, time.Now().Add(30*time.Second)) // a phone whose clock is a little fast
	result, err := desk.Verify(ctx, "U-2", code, totp.Web)
	fmt.Println(result.Method, err)

	_, err = desk.Verify(ctx, "U-2", code, totp.Web)
	var used *totp.UsedError
	fmt.Println(errors.As(err, &used), "just used")

	// Output:
	// 10 backup codes
	// totp <nil>
	// true just used
}

// startDesk serves the API of a new desk on loopback.
func startDesk() (baseURL, key string, stop func()) {
	dir, err := os.MkdirTemp("", "desk")
	if err != nil {
		log.Fatal(err)
	}
	keys, err := totp.NewKeyring()
	if err != nil {
		log.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	baseURL = "http://" + server.Listener.Addr().String()
	desk, err := review.Open(context.Background(), review.Config{Path: filepath.Join(dir, "desk.db"), Keys: keys, Brand: "Example",
		BaseURL: baseURL, From: mail.Address{Address: "support@host.example"}})
	if err != nil {
		log.Fatal(err)
	}
	_, key, err = desk.AddAPIKey(context.Background(), review.APIKey{Name: "panel", Scopes: review.Scopes})
	if err != nil {
		log.Fatal(err)
	}
	if server.Config.Handler, err = api.New(api.Config{Desk: desk, BaseURL: baseURL}); err != nil {
		log.Fatal(err)
	}
	server.Start()
	return baseURL, key, func() {
		server.Close()
		desk.Close()
		os.RemoveAll(dir)
	}
}
