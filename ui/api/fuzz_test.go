package api_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/resetdesk/resetdesk/review"
	"github.com/resetdesk/resetdesk/ui/api"
)

// Whatever a body holds, it is read as JSON reads it or refused with a reason.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{acme, `{}`, `{"name":null}`, `{"name":1}`, `{"users":[{"id":1}]}`, `{"a":{"a":{"a":[[[[[[1]]]]]]}}}`, "{\"name\":\"\xff\"}",
		`{"name":"a","name":"b"}`, `{"Name":"a"}`, `{"name":"\ud800"}`, `[]`, ``, `{"users":[],}`, "\ufeff{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var a review.Account
		status, detail := api.Decode(body, &a)
		switch {
		case status == 0 && (!json.Valid(body) || !utf8.Valid(body)):
			t.Errorf("%q was read", body)
		case status != 0 && (status != 400 && status != 422 || detail == "" || len(detail) > 400 || !utf8.ValidString(detail)):
			t.Errorf("%q is refused with %d %q", body, status, detail)
		}
	})
}
