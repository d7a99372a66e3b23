package ui_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/ui"
)

// TestFormIsReadAsItCame: what is looked at for two meanings is handed on unchanged.
func TestFormIsReadAsItCame(t *testing.T) {
	for _, body := range []string{"mail=5&mail=5&mail=7", "mail=5&mail=7&mail=5", "note=a&note=a", "note=a", ""} {
		want, err := url.ParseQuery(body)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if err := ui.ReadForm(r); err != nil || !reflect.DeepEqual(r.PostForm, want) {
			t.Errorf("%q was read as %v, %v", body, r.PostForm, err)
		}
	}
}
