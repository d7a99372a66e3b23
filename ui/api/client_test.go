package api_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/resetdesk/resetdesk/totp"
	"github.com/resetdesk/resetdesk/totp/client"
	"github.com/resetdesk/resetdesk/ui/api"
)

// answers as a transport: each request gets the same refusal.
type answers struct {
	status int
	body   []byte
}

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a.body))}, nil
}

// Whatever error the book gives, the client of the API gives the same one.
func TestErrorsComeThrough(t *testing.T) {
	all := map[string]error{
		"ErrNotEnrolled": totp.ErrNotEnrolled, "ErrUnknownUser": totp.ErrUnknownUser, "ErrPassRequired": totp.ErrPassRequired, "ErrInvalidPass": totp.ErrInvalidPass,
		"ErrProofRequired": totp.ErrProofRequired, "ErrInvalidCode": totp.ErrInvalidCode, "ErrFrozen": totp.ErrFrozen, "ErrExpired": totp.ErrExpired, "ErrConflict": totp.ErrConflict,
		"ErrRequired": totp.ErrRequired, "ErrTooManyDevices": totp.ErrTooManyDevices, "ErrLastDevice": totp.ErrLastDevice, "ErrDeviceName": totp.ErrDeviceName,
	}
	for _, name := range errorsOf(t) {
		if all[name] == nil {
			t.Errorf("the test does not know %s", name)
		}
	}
	until := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	all["used"], all["locked"] = &totp.UsedError{RetryAfter: 7 * time.Second}, &totp.LockedError{RetryAfter: 9 * time.Hour}
	all["hold"], all["drift"] = &totp.HoldError{Action: totp.TurnOff, Until: until}, &totp.DriftError{Drift: -90 * time.Second}
	for name, want := range all {
		status, body := api.Refusal(want)
		if status == 0 {
			t.Errorf("%s is an internal error", name)
			continue
		}
		if err := spec().validate(body, "components", "schemas", "Problem"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c, err := client.New(base, "rdk_x", answers{status, body})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.TurnOff(t.Context(), "U-1", totp.Proof{}); !errors.Is(got, want) && !reflect.DeepEqual(got, want) {
			t.Errorf("%s comes through as %#v", name, got)
		}
	}
}

// errorsOf lists the error values of package totp, as its source has them.
func errorsOf(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../totp/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.ValueSpec); ok && f.Name.Name == "totp" && strings.HasPrefix(s.Names[0].Name, "Err") {
				names = append(names, s.Names[0].Name)
			}
			return true
		})
	}
	if len(names) < 10 {
		t.Fatalf("only %v", names)
	}
	return names
}
