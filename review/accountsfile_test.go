package review_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/resetdesk/resetdesk/review"
)

const accountsHeader = "account_id,account_name,locale,user_id,login,email,role,api_only"

func TestReadAccounts(t *testing.T) {
	got, err := review.ReadAccounts(strings.NewReader("\ufeff" + accountsHeader + ",notify,full_name\r\n" +
		"A-1,\"ACME, Inc.\",de-AT,U-1,jdoe,jane@acme.example,admin,false,it@acme.example; boss@acme.example,Jane Doe\r\n" +
		"A-1,\"ACME, Inc.\",de-AT,U-2,whmcs,,user,true,,\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []review.AccountRow{
		{AccountID: "A-1", AccountName: "ACME, Inc.", Locale: "de-AT", UserID: "U-1", Login: "jdoe", Email: "jane@acme.example",
			Role: "admin", Notify: []string{"it@acme.example", "boss@acme.example"}, FullName: "Jane Doe"},
		{AccountID: "A-1", AccountName: "ACME, Inc.", Locale: "de-AT", UserID: "U-2", Login: "whmcs", Role: "user", APIOnly: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

// TestReadAccountsRefuses gives the lines after the header and the errors, all of
// them, that they must earn.
func TestReadAccountsRefuses(t *testing.T) {
	good := "A-1,ACME,en,U-1,jdoe,jane@acme.example,admin,false\n"
	for lines, want := range map[string]string{
		"A-1,ACME,en,U-1,jdoe\n":                                   "line 2: 5 columns, want 8",
		"A-1,ACME,en,U-1,jdoe,jane@acme.example,boss,maybe\n":      "line 2: api_only is \"maybe\", want true or false\nline 2: role is \"boss\", want admin or user\nline 2: account A-1 has no user with role admin, so nobody could ask for a reset",
		good + "A-1,ACME,en,U-1,x,x@acme.example,user,false\n":     "line 3: user_id \"U-1\" stands on line 2 already",
		good + "A-1,ACME,en,Staff:7,x,x@acme.example,user,false\n": "line 3: user_id \"Staff:7\" begins with \"staff:\", which is reserved for the reviewers' own factors",
		good + "A-1,ACME,en,U-2,x,x@acme,user,false\n":             "line 3: email \"x@acme\": not a plain ASCII address of the form local@domain",
		good + "A-1,ACME,en,U-2,x,\"x y@acme.example\",user,no\n":  "line 3: email \"x y@acme.example\": not a plain ASCII address of the form local@domain",
		good + "A-1,ACME,en,U-2,x,,user,false\n":                   "line 3: email is empty; only an api_only user can be without one",
		good + "A-1,ACME,en,U-2,x,Jane@acme.example,admin,false\n": "line 3: email \"Jane@acme.example\" differs from \"jane@acme.example\" on line 2 in letter case only; write it the same way",
		good + "A-1,ACME,en,U-2,x,x@co.uk,admin,false\n":           "line 3: email \"x@co.uk\" cannot be a registered address: the domain is a public suffix, under which anybody can register a name",
		good + "A-1,AMCE,en,U-2,x,x@acme.example,user,false\n":     "line 3: account_name is \"AMCE\", but \"ACME\" on line 2 for the same account A-1",
		good + "A-1,ACME,German,U-2,x,x@acme.example,user,false\n": "line 3: locale is \"German\", want a language tag such as en or de-AT\nline 3: locale is \"German\", but \"en\" on line 2 for the same account A-1",
		good + "A-1,ACME,en,U-2, x,x@acme.example,user,false\n":    "line 3: login \" x\" has spaces around it",
		good + "A-1,ACME,en,U-2,x\x00,x@acme.example,user,false\n": "line 3: login \"x\\x00\" contains a control character",
		good + "A-1,ACME,en,U-2,\xff,x@acme.example,user,false\n":  "line 3: login is not UTF-8",
		good + "A-1,ACME,en,U-2,\"x,x@acme.example,user,false\n":   "line 3: extraneous or missing \" in quoted-field",
		good + "A-2,Other,en,U-2,x,x@acme.example,user,false\n":    "line 3: account A-2 has no user with role admin, so nobody could ask for a reset",
		good + ",ACME,en,,,y@acme.example,admin,false\n":           "line 3: account_id is empty\nline 3: user_id is empty\nline 3: login is empty",
	} {
		rows, err := review.ReadAccounts(strings.NewReader(accountsHeader + "\n" + lines))
		if err == nil || rows != nil {
			t.Errorf("%q: accepted", lines)
		} else if err.Error() != want {
			t.Errorf("%q:\n got %s\nwant %s", lines, err, want)
		}
	}
}

func TestReadAccountsHeader(t *testing.T) {
	for head, want := range map[string]string{
		"": "line 1: the file is empty",
		strings.ReplaceAll(accountsHeader, ",", ";"):         "separated by semicolons",
		"account_id,login":                                   "2 columns",
		strings.Replace(accountsHeader, "user_id", "uid", 1): `column 4 is "uid", want "user_id"`,
		accountsHeader + ",full_name":                        `column 9 is "full_name", want "notify"`,
	} {
		if _, err := review.ReadAccounts(strings.NewReader(head)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %s", head, err, want)
		}
	}
}

// TestReadAccountsManyFaults holds that a wholly wrong file does not fill the
// terminal.
func TestReadAccountsManyFaults(t *testing.T) {
	var b strings.Builder
	b.WriteString(accountsHeader + "\n")
	for i := range 500 {
		fmt.Fprintf(&b, "A-1,ACME,en,U-%d,x,bad,admin,false\n", i)
	}
	_, err := review.ReadAccounts(strings.NewReader(b.String()))
	if err == nil || strings.Count(err.Error(), "\n") != 100 || !strings.HasSuffix(err.Error(), "and 400 more") {
		t.Errorf("got %v", err)
	}
}

func FuzzReadAccounts(f *testing.F) {
	f.Add(accountsHeader + "\nA-1,ACME,en,U-1,jdoe,jane@acme.example,admin,false\n")
	f.Add(accountsHeader + ",notify,full_name\nA-1,\"A\nB\",en,U-1,jdoe,jane@acme.example,admin,,;;x@y.example,\n")
	f.Fuzz(func(t *testing.T, file string) {
		rows, err := review.ReadAccounts(strings.NewReader(file))
		if err != nil && rows != nil {
			t.Error("rows beside an error")
		}
		for _, r := range rows {
			if r.AccountID == "" || r.UserID == "" || r.Role != "admin" && r.Role != "user" || r.Role == "admin" && r.Email == "" {
				t.Errorf("accepted %+v", r)
			}
		}
	})
}

func FuzzReadAccountLines(f *testing.F) {
	f.Add("{\"id\":\"A-1\",\"name\":\"ACME\",\"users\":[{\"id\":\"U-1\",\"login\":\"jdoe\",\"email\":\"jane@acme.example\",\"role\":\"admin\"}]}\n\n{\"id\":\"\"}\n")
	f.Add("{\"id\":\"A-1\",\"notify\":[\"x\",\"a@b.example;c\"],\"users\":[]}\nnull\n[]\n{} {}\n")
	f.Fuzz(func(t *testing.T, file string) {
		rows, err := review.ReadAccountLines(strings.NewReader(file), func(line []byte, a *review.Account) error { return json.Unmarshal(line, a) })
		if err != nil && rows != nil {
			t.Error("rows beside an error")
		}
		for _, r := range rows {
			if r.AccountID == "" || r.UserID == "" || r.Role != "admin" && r.Role != "user" || r.Role == "admin" && r.Email == "" {
				t.Errorf("accepted %+v", r)
			}
		}
	})
}
